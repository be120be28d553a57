//! `cargo e2e TASK`: the promises of the delivery contract, each shown on a real server, with a seed.
//!
//! A task starts a server in a temporary folder, loads it over HTTP, prints figures and one line for each claim, and ends
//! with 0 when all hold. The same seed makes the same choices; the timing is the machine's. No run hangs: see
//! [`watchdog`].

mod bombs;
mod chaos;
mod claims;
mod crash;
mod hog;
mod overload;
mod probe;
mod stage;
mod swap;
mod watchdog;

use std::{collections::BTreeMap, time::Duration};

use caxton_kit::figures::millis;
use caxton_kit::http::Reply;
use clap::ValueEnum;
use serde_json::Value;

use self::{claims::Claims, probe::Answers, stage::Stage};

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// Traps, reloads, upgrades, clients that leave and full mailboxes, all at once.
    Chaos,
    /// The server is killed in the middle of durable messages, and its disk fills up.
    Crash,
    /// Producers that are ten times faster than their consumer.
    Overload,
    /// An agent that uses its whole turn.
    Hog,
    /// Components that are dear to compile.
    Bombs,
    /// A bad version and the way back.
    Swap,
}

/// How a task runs.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// What is shown.
    task: Task,
    /// Where all choices come from; printed, so that a run can be made again.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long the load lasts.
    #[arg(long)]
    seconds: Option<u64>,
    /// How often the server is killed.
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// How many durable messages are sent in all.
    #[arg(long, default_value_t = 100_000)]
    messages: u64,
    /// Leaves the files of the run where they are.
    #[arg(long)]
    keep: bool,
}

/// Runs a task.
///
/// # Errors
/// A claim does not hold, or the run could not be made.
pub fn run(options: &Options) -> Result<(), String> {
    println!("building the server, the plugins and the agents (the first time takes minutes)");
    build()?;
    watchdog::start(longest(options), options.seed);
    println!("task {:?}, seed {}", options.task, options.seed);
    let mut claims = Claims::default();
    let ran = match options.task {
        Task::Hog => hog::run(options, &mut claims),
        Task::Bombs => bombs::run(options, &mut claims),
        Task::Chaos => chaos::run(options, &mut claims),
        Task::Crash => crash::run(options, &mut claims),
        Task::Overload => overload::run(options, &mut claims),
        Task::Swap => swap::run(options, &mut claims),
    };
    let verdict = claims.verdict();
    ran.and(verdict).map_err(|why| format!("seed {}: {why}", options.seed))
}

fn build() -> Result<(), String> {
    caxton_kit::artifacts::native()?;
    caxton_kit::artifacts::guests()?;
    caxton_kit::artifacts::journal()?;
    caxton_kit::artifacts::agents().map(drop)
}

/// Far above what a run takes on a slow machine.
fn longest(options: &Options) -> Duration {
    let load = options.seconds.unwrap_or(60) * 3;
    let crashes = if options.task == Task::Crash { options.rounds * 60 + options.messages / 100 } else { 0 };
    Duration::from_secs(300 + load + crashes)
}

/// Judges how much slower answers came than in the same run without the disturbance.
fn judge_ratio(claims: &mut Claims, what: &str, idle: &Answers, during: &Answers, ratio_max: f64) {
    let (before, then) = (idle.p99(), during.p99());
    let ratio = then.as_secs_f64() / before.as_secs_f64().max(f64::MIN_POSITIVE);
    claims.judge(
        what,
        ratio <= ratio_max && during.failed == 0 && !before.is_zero() && !then.is_zero(),
        format!("{} to {}: {ratio:.2} times", millis(before), millis(then)),
    );
}

/// How long messages may be on their way after the last was sent.
const QUIET_MAX: Duration = Duration::from_secs(30);

/// Waits until nothing is on its way and judges the server's sums, over all and for each class.
fn judge_books(stage: &Stage, claims: &mut Claims) -> Result<(), String> {
    let (status, quiet) = stage.quiet(QUIET_MAX)?;
    let books = status.get("accounting").cloned().unwrap_or_default();
    claims.judge("all messages reach an end", quiet, format!("in flight {}", number(&books, "in-flight")));
    let mut all = vec![("all".to_owned(), books.clone())];
    if let Some(Value::Object(classes)) = books.get("by-class") {
        all.extend(classes.clone());
    }
    for (name, books) in all {
        let (holds, line) = sum(&books);
        claims.judge(format!("the books hold exactly ({name})"), holds, line);
    }
    Ok(())
}

fn number(books: &Value, key: &str) -> u64 {
    books.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// submitted = accepted + refused; accepted = delivered + expired + dead-lettered + dropped + in flight.
fn sum(books: &Value) -> (bool, String) {
    let of = |key| number(books, key);
    let ended = of("delivered") + of("expired") + of("dead-lettered") + of("dropped") + of("in-flight");
    let holds = of("submitted") == of("accepted") + of("refused") && of("accepted") == ended;
    let line = format!(
        "{} submitted = {} accepted + {} refused; accepted = {} delivered + {} expired + {} dead-lettered + {} dropped + {} \
         in flight",
        of("submitted"),
        of("accepted"),
        of("refused"),
        of("delivered"),
        of("expired"),
        of("dead-lettered"),
        of("dropped"),
        of("in-flight")
    );
    (holds, line)
}

/// The ids of the messages among the dead letters that are kept, as far as one listing shows them, with their codes; for
/// what the relay passed on, the id that a client gave it.
fn dead_letters(stage: &Stage) -> Result<BTreeMap<String, String>, String> {
    let mut client = stage.client();
    let document = client.get("/v1/dead-letters?limit=1000")?;
    let items = document.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let of = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut ids = BTreeMap::new();
    for item in items {
        ids.insert(of(&item, "message"), of(&item, "code"));
        if of(&item, "sender").starts_with("relay@") {
            let letter = client.get(&format!("/v1/dead-letters/{}", of(&item, "id")))?;
            let id = of(&letter, "content").split(' ').next().unwrap_or_default().to_owned();
            ids.insert(id, of(&item, "code"));
        }
    }
    Ok(ids)
}

/// What became of each message of a request with several: its id when it was accepted, now or before, or the code.
fn verdicts(reply: &Reply, count: usize) -> Vec<Result<String, String>> {
    let document = reply.json();
    let of = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
    match document.get("items").and_then(Value::as_array) {
        Some(items) => items
            .iter()
            .map(|item| match of(item, "code") {
                Some(code) => Err(code),
                None => Ok(of(item, "id").unwrap_or_default()),
            })
            .collect(),
        None => vec![Err(reply.code().unwrap_or_else(|| reply.status.to_string())); count],
    }
}
