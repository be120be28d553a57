//! The server is killed in the middle of durable messages, again and again: nothing that it acknowledged is missing, and
//! what comes twice says so.
//!
//! ```text
//!   clients ─ durable, ids of their own ─▶ agent relay ─ durable ─▶ plugin journal ─ write ─▶ journal.txt
//!      └─ what was not acknowledged is sent again with the same id        kill -9, start again
//! ```

mod arrivals;
mod full;
mod sending;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use caxton_kit::{
    chance::Chance,
    figures::{Spans, millis},
};
use serde_json::Value;

pub use self::arrivals::Arrivals;
use self::sending::Sending;
use super::{
    Options,
    claims::Claims,
    stage::{Folder, LOOK, Stage, Wants},
};

const CLIENTS: usize = 3;
/// Larger turns mean fewer waits for the disk; a larger mailbox fewer refusals.
const LIMITS: &str = "turn_messages_max = 512\nmailbox_messages_max = 8192";
const RELAY: &str = "relay journal 0";
/// No progress for so long ends a run.
const STUCK: Duration = Duration::from_secs(60);
/// How many ids a message about a fault shows.
const SHOWN: usize = 5;

/// Runs the task.
///
/// # Errors
/// A claim does not hold, or the run could not be made.
pub fn run(options: &Options, claims: &mut Claims) -> Result<(), String> {
    killed(options, claims)?;
    full::run(options, claims)
}

fn killed(options: &Options, claims: &mut Claims) -> Result<(), String> {
    let wants = Wants { limits: LIMITS, store: true, journal: true, ..Wants::default() };
    let mut stage = Stage::set(wants, Folder::new()?)?;
    stage.deploy("relay", RELAY)?;
    let mut chance = Chance::new(options.seed, 0);
    let sending = Sending::new(options.messages, &mut chance);
    let url = stage.server.url().to_owned();
    let began = Instant::now();
    let rounds = thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| sending.client(&url));
        }
        let rounds = rounds(options, &mut stage, &sending, &mut chance);
        if rounds.is_err() {
            sending.stop();
        }
        rounds
    });
    let sent = began.elapsed();
    if let Err(why) = rounds.as_ref() {
        eprintln!("{why}\nrefusals {:?}\n{}", sending.refused(), stage.server.log_tail());
    }
    let recoveries = rounds?;
    let rate = sending.acknowledged() as f64 / sent.as_secs_f64();
    println!(
        "{} acknowledged in {:.1} s ({rate:.0} a second, restarts included)",
        sending.acknowledged(),
        sent.as_secs_f64()
    );
    println!("sent again {}, refusals {:?}", sending.resent(), sending.refused());
    println!(
        "recovery p50 {}, longest {} of {}",
        millis(recoveries.percentile(50.0)),
        millis(recoveries.max()),
        recoveries.len()
    );
    judge(&mut stage, claims, &sending, options)?;
    super::judge_books(&stage, claims)?;
    stage.stop()?;
    stage.finish(options, claims);
    Ok(())
}

/// Kills and starts the server; each time somewhere in the share of messages of its round.
fn rounds(
    options: &Options,
    stage: &mut Stage,
    sending: &Sending,
    chance: &mut Chance,
) -> Result<Spans, String> {
    let share = options.messages / options.rounds.max(1);
    let mut recoveries = Spans::default();
    println!("{:>5} {:>14} {:>12} {:>10}", "ROUND", "KILLED AFTER", "READY IN", "RECOVERED");
    for round in 0..options.rounds {
        let kill_at = round * share + chance.below(share.max(1) * 9 / 10);
        progress(sending, kill_at)?;
        thread::sleep(Duration::from_micros(chance.below(20_000)));
        let acknowledged = sending.acknowledged();
        stage.server.kill();
        let ready = stage.restart()?;
        recoveries.add(ready);
        if stage.client().send("GET", "/v1/agents/relay", "", &[])?.status == 404 {
            return Err("the deployed agent did not come back after the restart".into());
        }
        let recovered = stage.status()?.pointer("/store/messages").and_then(Value::as_u64).unwrap_or(0);
        println!("{:>5} {acknowledged:>14} {:>12} {recovered:>10}", round + 1, millis(ready));
    }
    progress(sending, options.messages)?;
    Ok(recoveries)
}

fn progress(sending: &Sending, until: u64) -> Result<(), String> {
    let (mut seen, mut moved) = (sending.acknowledged(), Instant::now());
    while sending.acknowledged() < until {
        if sending.acknowledged() > seen {
            (seen, moved) = (sending.acknowledged(), Instant::now());
        }
        if moved.elapsed() > STUCK {
            return Err(format!("no message was acknowledged for {} s after {seen}", STUCK.as_secs()));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn judge(stage: &mut Stage, claims: &mut Claims, sending: &Sending, options: &Options) -> Result<(), String> {
    let acknowledged = sending.ids();
    let file = stage.file("journal.txt");
    let (arrivals, missing) = arrived(stage, &file, &acknowledged)?;
    let (ids, more) = arrivals.repeated();
    println!(
        "{} ids in the journal, {ids} of them more than once ({more} lines more), {} torn lines",
        arrivals.lines.len(),
        arrivals.torn
    );
    let shown = |ids: &[&str]| ids.iter().take(SHOWN).copied().collect::<Vec<_>>().join(" ");
    let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
    claims.judge(
        "every message was acknowledged in the end",
        sending.is_done(),
        format!("{} of {}", acknowledged.len(), options.messages),
    );
    claims.judge(
        "nothing acknowledged is missing",
        missing.is_empty(),
        format!("{} missing {}", missing.len(), shown(&missing)),
    );
    let unflagged = arrivals.unflagged();
    claims.judge(
        "what came twice carries the flag",
        unflagged.is_empty(),
        format!("{} without it {}", unflagged.len(), shown(&unflagged)),
    );
    claims.judge(
        "messages keep their ids",
        arrivals.changed.is_empty(),
        arrivals.changed.first().cloned().unwrap_or_else(|| "all".into()),
    );
    Ok(())
}

/// Waits until all of the ids are in the journal or among the dead letters; answers with those that are not.
fn arrived(stage: &Stage, file: &Path, ids: &BTreeSet<String>) -> Result<(Arrivals, Vec<String>), String> {
    let (mut before, mut moved) = (usize::MAX, Instant::now());
    loop {
        let arrivals = Arrivals::read(file)?;
        let mut missing: Vec<String> =
            ids.iter().filter(|id| !arrivals.lines.contains_key(*id)).cloned().collect();
        if missing.len() < before {
            (before, moved) = (missing.len(), Instant::now());
        }
        let in_flight = stage.status()?.pointer("/accounting/in-flight").and_then(Value::as_u64);
        let ended = in_flight == Some(0) && moved.elapsed() > LOOK * 10;
        if missing.is_empty() || ended || moved.elapsed() > STUCK {
            let dead = super::dead_letters(stage)?;
            let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
            missing.retain(|id| match dead.get(id) {
                Some(code) => {
                    *codes.entry(code).or_default() += 1;
                    false
                }
                None => true,
            });
            if !codes.is_empty() {
                println!("acknowledged, and now dead letters instead of lines: {codes:?}");
            }
            return Ok((arrivals, missing));
        }
        thread::sleep(LOOK * 4);
    }
}
