//! Producers that are ten times faster than their consumer: all of them are refused in words, memory stays where it is,
//! and an agent that has nothing to do with it answers as before.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use caxton_kit::{
    figures::{Process, mib},
    http::Client,
};
use serde_json::{Value, json};

use super::{
    Options,
    claims::Claims,
    probe::{self, Answers},
    stage::{Folder, Stage, Wants},
};

/// The consumer takes 2 ms for a message: 500 in a second at most.
const CONSUMER: &str = "slow 2";
const CONSUMED_PER_SECOND: u64 = 500;
/// Each of three producers offers this much: ten times the consumer's rate together, and more.
const OFFERED_PER_SECOND: u64 = 1_700;
/// What the guest sends every ten milliseconds, and what the others send at once.
const GUEST: &str = "produce slow 20";
const BURST: u64 = 10;
/// Memory may grow by the mailbox and what is on the way, not with the messages offered.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
const RATIO_MAX: f64 = 2.0;
const PACE: Duration = Duration::from_millis(5);
/// Windows without and with load alternate.
const ROUNDS: u32 = 6;
/// How long the consumer may take to empty its mailbox between two windows.
const QUIET_MAX: Duration = Duration::from_secs(20);

type Verdicts = BTreeMap<String, u64>;

/// What a window brought.
#[derive(Default)]
struct Seen {
    http: Verdicts,
    http_bare: u64,
    plugin: Verdicts,
    guest: Verdicts,
    answers: Answers,
    rss_bytes: u64,
}

/// Runs the task.
///
/// # Errors
/// A claim does not hold, or the run could not be made.
pub fn run(options: &Options, claims: &mut Claims) -> Result<(), String> {
    let wants = Wants { journal: true, ..Wants::default() };
    let mut stage = Stage::set(wants, Folder::new()?)?;
    stage.deploy("unrelated", "answer one")?;
    stage.deploy("slow", CONSUMER)?;
    let pid = stage.server.pid();
    let memory = || Process::read(pid).map_or(0, |process| process.rss_bytes);
    let load = Duration::from_secs(options.seconds.unwrap_or(30)) / ROUNDS;
    let (mut idle, mut seen) = (Answers::default(), Seen::default());
    // The first window fills what is filled once: the conversation log, pools, the mailbox.
    overload(&mut stage, load, &mut Seen::default())?;
    stage.quiet(QUIET_MAX)?;
    let before = memory();
    for _ in 0..ROUNDS {
        let url = stage.server.url().to_owned();
        idle.merge(probe::ask(&url, "unrelated", PACE, load / 2, &AtomicBool::new(false)));
        overload(&mut stage, load, &mut seen)?;
        stage.quiet(QUIET_MAX)?;
    }
    let after = memory();
    println!("offered over HTTP: {:?}", seen.http);
    println!("offered by a plugin: {:?}", seen.plugin);
    println!("sent by a guest: {:?}", seen.guest);
    println!("idle       {}", idle.line());
    println!("overloaded {}", seen.answers.line());
    println!(
        "memory before {:.1} MiB, most {:.1} MiB, after {:.1} MiB",
        mib(before),
        mib(seen.rss_bytes),
        mib(after)
    );
    judge(claims, &idle, &seen, load * ROUNDS);
    claims.judge(
        "memory stays bounded",
        seen.rss_bytes.saturating_sub(before) < GROWTH_BYTES_MAX,
        format!("{:.1} MiB more at most", mib(seen.rss_bytes.saturating_sub(before))),
    );
    super::judge_books(&stage, claims)?;
    stage.stop()?;
    stage.finish(options, claims);
    Ok(())
}

fn judge(claims: &mut Claims, idle: &Answers, seen: &Seen, loaded: Duration) {
    let offered: u64 = [&seen.http, &seen.plugin, &seen.guest].iter().flat_map(|it| it.values()).sum();
    let rate = offered as f64 / loaded.as_secs_f64();
    claims.judge(
        "producers offer ten times what the consumer takes",
        rate >= 10.0 * CONSUMED_PER_SECOND as f64,
        format!("{rate:.0} a second against {CONSUMED_PER_SECOND}"),
    );
    let full = |verdicts: &Verdicts| {
        verdicts.iter().filter(|(it, _)| it.contains("CX0301")).map(|(_, n)| n).sum::<u64>()
    };
    claims.judge(
        "an HTTP client sees 429 with Retry-After",
        full(&seen.http) > 0 && seen.http_bare == 0,
        format!("{} times, {} without Retry-After", full(&seen.http), seen.http_bare),
    );
    claims.judge("a plugin sees a verdict", full(&seen.plugin) > 0, format!("{} times", full(&seen.plugin)));
    let sent = seen.guest.get("refused CX0301").copied().unwrap_or(0);
    claims.judge("a guest's send sees a coded error", sent > 0, format!("{sent} times"));
    super::judge_ratio(
        claims,
        "the p99 of an unrelated agent stays within twice its idle value",
        idle,
        &seen.answers,
        RATIO_MAX,
    );
}

/// Runs all three producers and the unrelated questions for a while.
fn overload(stage: &mut Stage, span: Duration, seen: &mut Seen) -> Result<(), String> {
    stage.deploy("producer", GUEST)?;
    let (url, pid) = (stage.server.url().to_owned(), stage.server.pid());
    let stop = AtomicBool::new(false);
    let joined = thread::scope(|scope| {
        let http = scope.spawn(|| over_http(&url, &stop));
        let plugin = scope.spawn(|| by_plugin(&url, &stop));
        let asking = scope.spawn(|| probe::ask(&url, "unrelated", PACE, span * 2, &stop));
        let began = Instant::now();
        while began.elapsed() < span {
            thread::sleep(Duration::from_millis(100));
            seen.rss_bytes = seen.rss_bytes.max(Process::read(pid).map_or(0, |process| process.rss_bytes));
        }
        stop.store(true, Ordering::Release);
        (http.join(), plugin.join(), asking.join())
    });
    let (Ok(http), Ok(plugin), Ok(answers)) = joined else {
        return Err("a producer's thread ended early".into());
    };
    let (verdicts, bare) = http?;
    add(&mut seen.http, verdicts);
    seen.http_bare += bare;
    add(&mut seen.plugin, plugin?);
    seen.answers.merge(answers);
    add(&mut seen.guest, of_guest(stage)?);
    stage.client().send("DELETE", "/v1/agents/producer", "", &[]).map(drop)
}

fn add(to: &mut Verdicts, more: Verdicts) {
    for (verdict, count) in more {
        *to.entry(verdict).or_default() += count;
    }
}

/// Calls `offer` so often that each call's burst makes up the rate.
fn paced(stop: &AtomicBool, mut offer: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let step = Duration::from_secs(1) * BURST as u32 / OFFERED_PER_SECOND as u32;
    let mut due = Instant::now();
    while !stop.load(Ordering::Acquire) {
        offer()?;
        due += step;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Single messages: one request in ten of a burst's size would do, but each refusal is to be seen by its status.
fn over_http(url: &str, stop: &AtomicBool) -> Result<(Verdicts, u64), String> {
    let mut client = Client::new(url, Duration::from_secs(10));
    let one = json!({"performative": "inform", "receiver": ["slow"], "content": "http"});
    let burst = json!(vec![one.clone(); BURST as usize]);
    let (mut verdicts, mut bare) = (Verdicts::default(), 0);
    paced(stop, || {
        let reply = client.json("POST", "/v1/messages", &burst)?;
        for verdict in super::verdicts(&reply, BURST as usize) {
            *verdicts.entry(verdict.map_or_else(|code| code, |_| "accepted".into())).or_default() += 1;
        }
        let reply = client.json("POST", "/v1/messages", &one)?;
        let code = reply.code().map_or_else(|| "202".to_owned(), |code| format!("{} {code}", reply.status));
        bare += u64::from(reply.status == 429 && reply.retry_after.is_none());
        *verdicts.entry(code).or_default() += 1;
        Ok(())
    })?;
    Ok((verdicts, bare))
}

/// Has the journal plugin submit bursts; it answers with its verdicts.
fn by_plugin(url: &str, stop: &AtomicBool) -> Result<Verdicts, String> {
    let mut client = Client::new(url, Duration::from_secs(10));
    let order = format!("flood slow {BURST}");
    let mut verdicts = Verdicts::default();
    paced(stop, || {
        let path = "/v1/agents/journal/ask?performative=request&timeout-ms=9000";
        let reply = client.send("POST", path, "text/plain", order.as_bytes())?;
        let Value::Object(counts) = reply.json() else { return Ok(()) };
        add(
            &mut verdicts,
            counts.into_iter().filter_map(|(it, count)| Some((it, count.as_u64()?))).collect(),
        );
        Ok(())
    })?;
    Ok(verdicts)
}

/// What the producing agent counted: `sent N refused CX0301 M failed CX0301 K`.
fn of_guest(stage: &Stage) -> Result<Verdicts, String> {
    let path = "/v1/agents/producer/ask?performative=query-ref&timeout-ms=9000";
    let text = stage.client().send("POST", path, "text/plain", b"report")?.text();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut verdicts = Verdicts::default();
    if let ["sent", count, rest @ ..] = words.as_slice() {
        verdicts.insert("sent".into(), count.parse().unwrap_or(0));
        for part in rest.chunks(3) {
            let [word, code, count] = part else { continue };
            verdicts.insert(format!("{word} {code}"), count.parse().unwrap_or(0));
        }
    }
    Ok(verdicts)
}
