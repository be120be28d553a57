//! One agent that uses its whole turn, again and again: what others wait for it is at most one turn.

use std::{sync::atomic::AtomicBool, time::Duration};

use caxton_kit::figures::millis;
use serde_json::Value;

use super::{
    Options,
    claims::Claims,
    probe::{self, Answers},
    stage::{Folder, Stage, Wants},
};

/// The longest turn, and what the hog uses of it: a turn that reaches the limit is stopped.
const TURN_MS: u64 = 50;
const LIMITS: &str = "turn_ms_max = 50";
const HOG: &str = "hog 45";
/// Idle and hogged spans alternate, so that a machine that is busy for a while disturbs both.
const ROUNDS: u32 = 8;
const PACE: Duration = Duration::from_millis(5);

/// Runs the task.
///
/// # Errors
/// A claim does not hold, or the run could not be made.
pub fn run(options: &Options, claims: &mut Claims) -> Result<(), String> {
    let wants = Wants { limits: LIMITS, ..Wants::default() };
    let mut stage = Stage::set(wants, Folder::new()?)?;
    stage.deploy("echo", "answer one")?;
    let span = Duration::from_secs(options.seconds.unwrap_or(20)) / (2 * ROUNDS);
    let never = AtomicBool::new(false);
    let url = stage.server.url().to_owned();
    let ask = || probe::ask(&url, "echo", PACE, span, &never);
    let _warm = ask();
    let (mut idle, mut hogged) = (Answers::default(), Answers::default());
    let mut turns = 0;
    for _ in 0..ROUNDS {
        idle.merge(ask());
        stage.deploy("hog", HOG)?;
        feed(&stage)?;
        hogged.merge(ask());
        turns += turns_of(&stage)?;
        stage.client().send("DELETE", "/v1/agents/hog", "", &[])?;
    }
    println!("idle      {}", idle.line());
    println!("with hog  {}", hogged.line());
    println!("turns of the hog: {turns}");
    let (before, during) = (idle.p99(), hogged.p99());
    let more = during.saturating_sub(before);
    claims.judge(
        "a whole-turn agent raises the p99 of others by at most one turn",
        more <= Duration::from_millis(TURN_MS),
        format!("{} to {}: {} more, a turn is {TURN_MS} ms", millis(before), millis(during), millis(more)),
    );
    let fed = turns >= u64::from(ROUNDS) * span.as_millis() as u64 / (4 * TURN_MS);
    claims.judge("the agent was busy all the time", fed, format!("{turns} turns in {:?}", span * ROUNDS));
    claims.judge(
        "every question was answered",
        idle.failed + hogged.failed == 0,
        format!("{} failed {}", idle.failed + hogged.failed, hogged.failure),
    );
    stage.stop()?;
    stage.finish(options, claims);
    Ok(())
}

/// The first message; it sends itself all further ones.
fn feed(stage: &Stage) -> Result<(), String> {
    let first = serde_json::json!({"performative": "inform", "receiver": ["hog"], "content": "go"});
    stage.client().post("/v1/messages", &first).map(drop)
}

fn turns_of(stage: &Stage) -> Result<u64, String> {
    let agent = stage.client().get("/v1/agents/hog")?;
    Ok(agent.get("received").and_then(Value::as_u64).unwrap_or(0))
}
