//! Agents that talk to agents: one way, echo, fan-in, fan-out, and contract nets. The load is made by agents in the same
//! server, so nothing but the server is measured.

use caxton_kit::Failure;

use crate::stage::{Span, Stage};

/// Messages under way between two agents.
const WINDOW: u32 = 256;
/// Messages for which a sink gives one credit.
const CREDIT: u32 = 128;
/// Messages that each agent of an echo workload has under way.
const ASKS: u32 = 16;
/// Bytes under way between two agents; larger contents make the window smaller.
const WINDOW_BYTES: u64 = 1 << 20;
/// Seconds until a workload runs evenly.
const WARM_UP_S: f64 = 0.5;

/// What a workload varies.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Bytes of each message's content.
    pub content_bytes: u64,
    /// Messages that are handed to an agent at once; the server's default when `None`.
    pub turn_messages_max: Option<u64>,
}

impl Default for Setting {
    fn default() -> Self {
        Self { content_bytes: 256, turn_messages_max: None }
    }
}

impl Setting {
    fn stage(&self) -> Result<Stage, Failure> {
        let batch = self.turn_messages_max.map(|most| format!("turn_messages_max = {most}\n"));
        Stage::start_with(batch.as_deref().unwrap_or_default())
    }
}

/// Payload messages in a second that `size` agents send each other, half of them to the other half.
///
/// # Errors
/// The server could not be started or refused something.
pub fn one_way(setting: &Setting, size: u64, seconds: f64) -> Result<(f64, Span), Failure> {
    let mut stage = setting.stage()?;
    let pairs = (size / 2).max(1);
    let bytes = setting.content_bytes;
    let room = (65_536 / pairs).max(64).min(WINDOW_BYTES / bytes.max(1));
    let window = WINDOW.min(room.max(8) as u32);
    let credit = CREDIT.min(window / 2);
    for pair in 0..pairs {
        stage.deploy(&format!("sink-{pair}"), &format!("sink {credit}"))?;
        stage.deploy(
            &format!("source-{pair}"),
            &format!("bytes {bytes} source {window} {credit} sink-{pair}"),
        )?;
    }
    let sources: Vec<_> = (0..pairs).map(|pair| format!("source-{pair}")).collect();
    let span = measure(&mut stage, &sources, seconds)?;
    Ok((span.rate() * f64::from(credit) / f64::from(credit + 1), span))
}

/// Round trips in a second between `size` agents, half of which ask the other half.
///
/// # Errors
/// The server could not be started or refused something.
pub fn echo(size: u64, seconds: f64) -> Result<(f64, Span), Failure> {
    let mut stage = Stage::start()?;
    let pairs = (size / 2).max(1);
    for pair in 0..pairs {
        stage.deploy(&format!("echo-{pair}"), "echo")?;
        stage.deploy(&format!("asker-{pair}"), &format!("asker {ASKS} echo-{pair}"))?;
    }
    let askers: Vec<_> = (0..pairs).map(|pair| format!("asker-{pair}")).collect();
    let span = measure(&mut stage, &askers, seconds)?;
    Ok((span.rate() / 2.0, span))
}

/// Payload messages in a second from `size` agents to one.
///
/// # Errors
/// The server could not be started or refused something.
pub fn fan_in(size: u64, seconds: f64) -> Result<(f64, Span), Failure> {
    let mut stage = Stage::start()?;
    stage.deploy("sink", "sink 8")?;
    let sources: Vec<_> = (0..size).map(|source| format!("source-{source}")).collect();
    for source in &sources {
        stage.deploy(source, "source 8 8 sink")?;
    }
    let span = measure(&mut stage, &sources, seconds)?;
    Ok((span.rate() * 8.0 / 9.0, span))
}

/// Payload messages in a second from one agent to `size`.
///
/// # Errors
/// The server could not be started or refused something.
pub fn fan_out(size: u64, seconds: f64) -> Result<(f64, Span), Failure> {
    let mut stage = Stage::start()?;
    for sink in 0..size {
        stage.deploy(&format!("sink-{sink}"), "sink 8")?;
    }
    let sinks: Vec<_> = (0..size).map(|sink| format!("sink-{sink}")).collect();
    stage.deploy("source", &format!("source 8 8 {}", sinks.join(" ")))?;
    let span = measure(&mut stage, &["source".to_owned()], seconds)?;
    Ok((span.rate() * 8.0 / 9.0, span))
}

/// Whole contract nets in a second with `size` participants each: call, proposals, accept, rejects, result.
///
/// # Errors
/// The server could not be started or refused something.
pub fn contract_net(size: u64, seconds: f64) -> Result<(f64, Span), Failure> {
    let mut stage = Stage::start()?;
    let bidders: Vec<_> = (0..size).map(|bidder| format!("bidder-{bidder}")).collect();
    for bidder in &bidders {
        stage.deploy(bidder, "bidder")?;
    }
    let initiators = ["initiator-0".to_owned(), "initiator-1".to_owned()];
    let window = (8_192 / size).clamp(1, 32);
    for initiator in &initiators {
        stage.deploy(initiator, &format!("initiator {window} {}", bidders.join(" ")))?;
    }
    let span = measure(&mut stage, &initiators, seconds)?;
    Ok((span.rate() / (3 * size + 1) as f64, span))
}

fn measure(stage: &mut Stage, begin: &[String], seconds: f64) -> Result<Span, Failure> {
    stage.go(begin)?;
    stage.run(WARM_UP_S)?;
    let span = stage.run(seconds)?;
    if span.lost > 0 {
        return Err(format!("{} messages were not delivered: the workload overruns a limit", span.lost));
    }
    Ok(span)
}
