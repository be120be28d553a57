//! Components made to bring the compiler down, posted to a server that works: each is refused, and nobody else notices.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use caxton_kit::{
    artifacts,
    bombs::{self, MAKERS},
    figures::{Process, mib, millis},
    http::Connection,
};

use super::{
    Options,
    claims::Claims,
    probe::{self, Answers},
    stage::{Folder, LOOK, Stage, Wants},
};

/// A refusal comes within this time.
const REFUSED_MAX: Duration = Duration::from_secs(60);
/// The server's memory grows by less.
const GROWTH_BYTES_MAX: u64 = 50 << 20;
/// The p99 of other traffic stays below so many times its idle value.
const RATIO_MAX: f64 = 2.0;
const PACE: Duration = Duration::from_millis(3);
/// How often each bomb is posted, and the questions' window around each.
const TIMES: usize = 2;
const WINDOW: Duration = Duration::from_millis(1_500);

/// Runs the task.
///
/// # Errors
/// A claim does not hold, or the run could not be made.
pub fn run(options: &Options, claims: &mut Claims) -> Result<(), String> {
    let mut stage = Stage::set(Wants::default(), Folder::new()?)?;
    stage.deploy("echo", "answer one")?;
    let good = fs::read(artifacts::guests()?.join("duty.wasm")).map_err(|why| why.to_string())?;
    let url = stage.server.url().to_owned();
    let (mut idle, mut during) = (Answers::default(), Answers::default());
    let _warm = probe::ask(&url, "echo", PACE, Duration::from_secs(2), &AtomicBool::new(false));
    let memory = Memory::watch(stage.server.pid());
    println!("{:<32} {:>12} {:>8} {:>12}  CODE", "BOMB", "BYTES", "STATUS", "REFUSED IN");
    for index in (0..MAKERS.len()).flat_map(|index| [index; TIMES]) {
        let Some(bomb) = bombs::make(index, &good) else { continue };
        idle.merge(probe::ask(&url, "echo", PACE, WINDOW, &AtomicBool::new(false)));
        let (posted, answers) = post_and_probe(&url, &bomb.bytes);
        during.merge(answers);
        let (status, code, took) = posted?;
        println!("{:<32} {:>12} {status:>8} {:>12}  {code}", bomb.name, bomb.bytes.len(), millis(took));
        claims.judge(
            format!("{} is refused with a code within a minute", bomb.name),
            status >= 400 && code.starts_with("CX") && took < REFUSED_MAX,
            format!("{status} {code} after {}", millis(took)),
        );
    }
    let (before, most, after) = memory.end();
    println!("idle           {}", idle.line());
    println!("while refusing {}", during.line());
    println!("memory before {:.1} MiB, most {:.1} MiB, after {:.1} MiB", mib(before), mib(most), mib(after));
    claims.judge(
        "the server's memory grows by less than 50 MB",
        most.saturating_sub(before) < GROWTH_BYTES_MAX,
        format!("{:.1} MiB", mib(most.saturating_sub(before))),
    );
    super::judge_ratio(
        claims,
        "the p99 of other traffic stays below twice its idle value",
        &idle,
        &during,
        RATIO_MAX,
    );
    stage.stop()?;
    stage.finish(options, claims);
    Ok(())
}

type Posted = (u16, String, Duration);

/// Posts a component while an agent is asked; for a whole window, so that there is something to compare.
fn post_and_probe(url: &str, bytes: &[u8]) -> (Result<Posted, String>, Answers) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| probe::ask(url, "echo", PACE, REFUSED_MAX * 2, &done));
        let began = Instant::now();
        let posted = post(url, bytes);
        // The compiler's child may still be ending; what it costs others belongs to the bomb.
        thread::sleep(WINDOW.saturating_sub(began.elapsed()));
        done.store(true, Ordering::Release);
        (posted, asking.join().unwrap_or_default())
    })
}

fn post(url: &str, bytes: &[u8]) -> Result<Posted, String> {
    let began = Instant::now();
    let mut connection = Connection::open(url, REFUSED_MAX * 2)?;
    let reply = connection.send("PUT", "/v1/components", "application/wasm", bytes)?;
    Ok((reply.status, reply.code().unwrap_or_default(), began.elapsed()))
}

/// Looks at a process's memory until it is told to end.
struct Memory {
    before: u64,
    most: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    pid: u32,
}

impl Memory {
    fn watch(pid: u32) -> Self {
        let rss = move || Process::read(pid).map_or(0, |process| process.rss_bytes);
        let (before, most, stop) = (rss(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, ended) = (Arc::clone(&most), Arc::clone(&stop));
        thread::spawn(move || {
            while !ended.load(Ordering::Acquire) {
                seen.fetch_max(rss(), Ordering::AcqRel);
                thread::sleep(LOOK);
            }
        });
        Self { before, most, stop, pid }
    }

    /// Before, most, after.
    fn end(self) -> (u64, u64, u64) {
        self.stop.store(true, Ordering::Release);
        let after = Process::read(self.pid).map_or(0, |process| process.rss_bytes);
        (self.before, self.most.load(Ordering::Acquire).max(after), after)
    }
}
