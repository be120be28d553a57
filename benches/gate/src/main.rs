//! `cargo gate`: counts the instructions of the hot paths and compares them with the baseline.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use caxton_gate::{Baseline, CASES, Failure, Profiler, Verdict, count, find};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.toml");
const USAGE: &str = "\
cargo gate                compares the instructions of the hot paths with benches/gate/baseline.toml
cargo gate -- --update    writes that file
cargo gate -- CASE COUNT  takes so many messages through one path, as the gate does under callgrind";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => check(),
        ["--update"] => update(),
        [case, messages] => run(case, messages),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, messages: &str) -> Result<(), Failure> {
    let case = find(name).ok_or_else(|| {
        let known: Vec<_> = CASES.iter().map(|case| case.name).collect();
        format!("no case is called {name}; there are {}\n\n{USAGE}", known.join(", "))
    })?;
    let messages = messages.parse().map_err(|_| format!("{messages} is no number of messages"))?;
    case.run(messages)
}

fn check() -> Result<(), Failure> {
    let profiler = profiler()?;
    let baseline = Baseline::read(Path::new(BASELINE))?;
    let verdict = Verdict::new(&baseline, &counts(&profiler)?);
    println!("Instructions for each message:\n{verdict}");
    if let Some(line) = baseline.other_compiler() {
        println!("{line}");
    }
    let faults = verdict.faults();
    if faults.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = faults.iter().map(|(case, fault)| format!("{case} {fault}")).collect();
    for case in faults.iter().filter_map(|(case, _)| find(case)) {
        lines.push(format!("where they go: callgrind_annotate {}", profiler.profile(case).display()));
    }
    lines.push(
        "where this is meant: `cargo gate -- --update`, and commit benches/gate/baseline.toml".to_owned(),
    );
    Err(lines.join("\n"))
}

fn update() -> Result<(), Failure> {
    let counts = counts(&profiler()?)?;
    // What was there may be for another target or missing; then every case is new.
    let before = Baseline::read(Path::new(BASELINE)).unwrap_or_else(|_| Baseline::new(BTreeMap::new()));
    println!("Instructions for each message:\n{}", Verdict::new(&before, &counts));
    let counts = counts.into_iter().map(|(case, count)| (case, (count * 10.0).round() / 10.0));
    Baseline::new(counts.collect()).write(Path::new(BASELINE))?;
    println!("{BASELINE} is written; commit it with the reason.");
    Ok(())
}

fn profiler() -> Result<Profiler, Failure> {
    let program = env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let dir: PathBuf = program.with_file_name("gate");
    Profiler::new(program, dir)
}

/// Counts all cases, as many at a time as there are processors: a count does not depend on what else runs.
fn counts(profiler: &Profiler) -> Result<Vec<(String, f64)>, Failure> {
    let next = AtomicUsize::new(0);
    let counted = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(case) = CASES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let count = count(case, profiler);
                    counted.lock().unwrap_or_else(PoisonError::into_inner).push((case.name, count));
                }
            });
        }
    });
    let mut counted = counted.into_inner().unwrap_or_else(PoisonError::into_inner);
    counted.sort_by_key(|(name, _)| CASES.iter().position(|case| case.name == *name));
    counted.into_iter().map(|(name, count)| Ok((name.to_owned(), count?))).collect()
}
