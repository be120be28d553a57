//! Everything at once: a steady load while agents trap, plugins are reloaded, agents are upgraded, clients leave and
//! mailboxes fill. At the end the books hold, each accepted message has one end, and nothing grew.

mod ends;
mod flatness;
mod load;
mod trouble;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use caxton_kit::figures::millis;
use serde_json::{Value, json};

use self::{
    flatness::Samples,
    load::{Book, Notes},
    trouble::Deeds,
};
use super::{
    Options,
    claims::Claims,
    crash::Arrivals,
    stage::{Folder, LOOK, Stage, Wants},
};

const CLIENTS: u64 = 3;
const LIMITS: &str = "restarts_max = 1000000\ndead_letters_max = 200\nduplicates_max = 1000";
/// The plugins that are reloaded.
const PLUGINS: [&str; 6] = ["router", "protocols", "rest", "jsonl", "echo", "store-sqlite"];
/// The slow agent's mailbox.
const MAILBOX: u64 = 100;
/// How long open contract nets may take after the load: their result's time and some room.
const NETS_MAX: Duration = Duration::from_secs(20);
/// Requests of the warm-up, several times the conversations that the server keeps, and how long they may take.
const WARM_REQUESTS: u64 = 3 * 4_096;
const WARM_MAX: Duration = Duration::from_secs(40);
/// Ids that a message about a fault shows.
const SHOWN: usize = 5;

/// What the run did, thread by thread.
struct Seen {
    samples: Samples,
    reloads: Deeds,
    upgrades: Deeds,
    leavings: Deeds,
}

/// Runs the task.
///
/// # Errors
/// A claim does not hold, or the run could not be made.
pub fn run(options: &Options, claims: &mut Claims) -> Result<(), String> {
    let wants = Wants { limits: LIMITS, store: true, journal: true, trace: true, echo: true };
    let mut stage = Stage::set(wants, Folder::new()?)?;
    let manifest = people(&mut stage)?;
    let book = Book::default();
    let span = Duration::from_secs(options.seconds.unwrap_or(60));
    warm_up(options, &stage, &book);
    let seen = disturb(options, &stage, &manifest, &book, span)?;
    let notes = book.notes();
    print(&stage, &notes, &seen, span)?;

    super::judge_books(&stage, claims)?;
    judge_nets(&stage, claims)?;
    judge_deeds(claims, &seen, span);
    seen.samples.judge(claims);
    let dropped = stage.status()?.pointer("/signals/dropped").and_then(Value::as_u64).unwrap_or(0);
    let dead = super::dead_letters(&stage)?;
    // The trace is whole when the exporter was stopped.
    stage.stop()?;
    judge_ends(&stage, claims, &notes, dropped)?;
    judge_arrivals(&stage, claims, &notes, &dead)?;
    stage.finish(options, claims);
    Ok(())
}

/// Deploys everybody; answers with the manifest of the clerk, which is upgraded.
fn people(stage: &mut Stage) -> Result<Value, String> {
    let bidder = |base: f64| json!({"groups": ["bidders"], "config": {"base": base, "per_kb": 0.1}});
    stage.example("bidder-swift", "bidder.wasm", bidder(1.0))?;
    stage.example("bidder-steady", "bidder.wasm", bidder(2.0))?;
    stage.example("manager", "manager.wasm", json!({}))?;
    stage.deploy("flaky", "flaky 20")?;
    stage.deploy("relay", "relay journal 0")?;
    let mut slow = stage.manifest("slow", "slow 1")?;
    if let Value::Object(members) = &mut slow {
        members.insert("limits".into(), json!({"mailbox-messages-max": MAILBOX}));
    }
    stage.client().post("/v1/agents", &slow)?;
    stage.deploy("clerk", "answer v1")?;
    stage.manifest("clerk", "answer v1")
}

/// Runs the load without a pause until the conversation log, the largest of what is kept in memory, is full.
fn warm_up(options: &Options, stage: &Stage, book: &Book) {
    let (url, stop, began) = (stage.server.url(), AtomicBool::new(false), Instant::now());
    thread::scope(|scope| {
        for stream in 1..=CLIENTS {
            let stop = &stop;
            scope
                .spawn(move || load::client(url, options.seed, stream + CLIENTS, Duration::ZERO, book, stop));
        }
        until_filled(book);
        stop.store(true, Ordering::Release);
    });
    println!("warm after {} requests and {:.1} s", book.requests(), began.elapsed().as_secs_f64());
}

fn until_filled(book: &Book) {
    let began = Instant::now();
    while book.requests() < WARM_REQUESTS && began.elapsed() < WARM_MAX {
        thread::sleep(LOOK);
    }
}

fn disturb(
    options: &Options,
    stage: &Stage,
    manifest: &Value,
    book: &Book,
    span: Duration,
) -> Result<Seen, String> {
    let (url, pid, seed) = (stage.server.url(), stage.server.pid(), options.seed);
    let (stop, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let joined = thread::scope(|scope| {
        for stream in 1..=CLIENTS {
            let stop = &stop;
            scope.spawn(move || load::client(url, seed, stream, load::STEP, book, stop));
        }
        scope.spawn(|| trouble::burst(url, book, &stop));
        let samples = scope.spawn(|| Samples::take(pid, &done));
        let reloads = scope.spawn(|| trouble::reload(url, seed, &PLUGINS, &stop));
        let upgrades = scope.spawn(|| trouble::upgrade(url, manifest, &stop));
        let leavings = scope.spawn(|| trouble::leave(url, seed, &stop));
        thread::sleep(span);
        done.store(true, Ordering::Release);
        stop.store(true, Ordering::Release);
        (samples.join(), reloads.join(), upgrades.join(), leavings.join())
    });
    match joined {
        (Ok(samples), Ok(reloads), Ok(upgrades), Ok(leavings)) => {
            Ok(Seen { samples, reloads, upgrades, leavings })
        }
        _ => Err("a thread of the load ended early".into()),
    }
}

fn print(stage: &Stage, notes: &Notes, seen: &Seen, span: Duration) -> Result<(), String> {
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((kind, verdict), count) in &notes.verdicts {
        kinds.entry(kind).or_default().push(format!("{count} {verdict}"));
    }
    for (kind, verdicts) in kinds {
        println!("{kind:<16} {}", verdicts.join(", "));
    }
    for (what, deeds) in
        [("reloads", &seen.reloads), ("upgrades", &seen.upgrades), ("leavings", &seen.leavings)]
    {
        let parts: Vec<String> =
            deeds.verdicts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
        println!("{what:<16} {} (longest {})", parts.join(", "), millis(deeds.spans.max()));
    }
    let total: u64 = notes.verdicts.values().sum();
    let status = stage.status()?;
    println!(
        "dead letters by reason: {}",
        status.pointer("/accounting/dead-lettered-by-reason").unwrap_or(&Value::Null)
    );
    println!("conversations: {}", status.get("conversations").unwrap_or(&Value::Null));
    let flaky = stage.client().get("/v1/agents/flaky")?;
    println!(
        "{:.0} requests and messages a second, {} instances of the flaky agent, questions p50 {}, p99 {}",
        total as f64 / span.as_secs_f64(),
        flaky.get("restarts").and_then(Value::as_u64).unwrap_or(0),
        millis(notes.spans.percentile(50.0)),
        millis(notes.spans.percentile(99.0))
    );
    Ok(())
}

/// No contract net is open when all deadlines have passed.
fn judge_nets(stage: &Stage, claims: &mut Claims) -> Result<(), String> {
    let (mut client, began) = (stage.client(), Instant::now());
    let open = loop {
        let list = client.get("/v1/conversations?limit=1000")?;
        let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let of =
            |item: &Value, key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut open: Vec<String> = items
            .iter()
            .filter(|item| of(item, "protocol") == "fipa-contract-net" && of(item, "state") == "open")
            .map(|item| of(item, "id"))
            .collect();
        if open.is_empty() || began.elapsed() > NETS_MAX {
            open.truncate(SHOWN);
            break open;
        }
        thread::sleep(LOOK);
    };
    claims.judge("no contract net hangs", open.is_empty(), format!("open: {}", open.join(" ")));
    Ok(())
}

/// The disturbances took place; a run without them shows nothing.
fn judge_deeds(claims: &mut Claims, seen: &Seen, span: Duration) {
    let seconds = span.as_secs();
    let judged = [
        ("plugins were reloaded every 200 ms", seen.reloads.done(), seconds * 2),
        ("agents were upgraded every second", seen.upgrades.done(), seconds / 2),
        ("clients left in the middle", seen.leavings.done(), seconds * 4),
    ];
    for (what, done, least) in judged {
        claims.judge(what, done >= least, format!("{done} times in {seconds} s, at least {least} expected"));
    }
}

/// Each accepted message has exactly one end in the trace.
fn judge_ends(stage: &Stage, claims: &mut Claims, notes: &Notes, dropped: u64) -> Result<(), String> {
    let ends = ends::read(&stage.file("trace.jsonl"), notes.accepted.keys())?;
    let wrong: Vec<String> = ends
        .iter()
        .filter(|(_, ends)| ends.len() != 1)
        .map(|(id, ends)| format!("{} {id} {ends:?}", notes.accepted.get(*id).copied().unwrap_or_default()))
        .collect();
    let shown = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    claims.judge(
        "every accepted id has exactly one end",
        wrong.is_empty() && !notes.accepted.is_empty(),
        format!(
            "{} of {} have not ({dropped} signals were dropped) {shown}",
            wrong.len(),
            notes.accepted.len()
        ),
    );
    Ok(())
}

/// Each acked or durable message to the relay is in the journal, or has an end that says why not.
fn judge_arrivals(
    stage: &Stage,
    claims: &mut Claims,
    notes: &Notes,
    dead: &BTreeMap<String, String>,
) -> Result<(), String> {
    let arrivals = Arrivals::read(&stage.file("journal.txt"))?;
    let kept: Vec<&String> =
        notes.accepted.iter().filter(|(_, class)| **class != "volatile").map(|(id, _)| id).collect();
    let ends = ends::read(&stage.file("trace.jsonl"), kept.iter().copied())?;
    let ended = |id: &String| {
        ends.get(id.as_str()).is_some_and(|ends| ends.iter().any(|end| *end != "message.delivered"))
    };
    let missing: Vec<&str> = kept
        .iter()
        .filter(|id| !arrivals.lines.contains_key(**id) && !dead.contains_key(**id) && !ended(id))
        .map(|id| id.as_str())
        .collect();
    claims.judge(
        "every acked or durable message arrived or has a reason",
        missing.is_empty() && !kept.is_empty(),
        format!(
            "{} of {} missing {}",
            missing.len(),
            kept.len(),
            missing.iter().take(SHOWN).copied().collect::<Vec<_>>().join(" ")
        ),
    );
    let unflagged = arrivals.unflagged();
    claims.judge(
        "none arrived twice without the flag",
        unflagged.is_empty(),
        format!("{} did", unflagged.len()),
    );
    Ok(())
}
