//! A process that writes is killed at random moments; what it was told to be written must be there.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use caxton_plugin::{Store, StoreOp};

use super::{Content, Subject, apply, differs, everything, put, random::Random, truncate};
use crate::{Failure, Held};

/// How often a process is killed.
const ROUNDS: u64 = 10;
/// Set for the process that writes: the store's folder, and where it begins.
const FOLDER: &str = "CAXTON_CONFORMANCE_FOLDER";
const BEGIN: &str = "CAXTON_CONFORMANCE_BEGIN";
const NAME: &str = "nothing_acknowledged_is_lost_when_the_process_is_killed";
/// What stands before the number of a batch that is written.
const WRITTEN: &str = "written ";
/// Batches that stay; older ones are removed.
const BATCHES_KEPT: u64 = 40;
/// Most batches, microseconds more, before the kill.
const BATCHES_MAX: u64 = 60;
const MICROSECONDS_MAX: u64 = 8000;

pub(super) fn nothing_acknowledged_is_lost_when_the_process_is_killed(subject: &dyn Subject) -> Held {
    if let (Some(folder), Ok(begin)) = (env::var_os(FOLDER), env::var(BEGIN)) {
        let begin = begin.parse().map_err(|_| Failure::new("not a number"))?;
        return write_until_killed(subject.open(Path::new(&folder), 0)?.as_ref(), begin);
    }
    let folder = tempfile::tempdir()?;
    // Moments differ from run to run in any case; the seed is of the process.
    let mut random = Random::new(u64::from(std::process::id()));
    let mut written = 0;
    for round in 0..ROUNDS {
        let acknowledged = kill_one(subject, folder.path(), written, &mut random)?;
        let found = everything(subject.open(folder.path(), 0)?.as_ref())?;
        // The batch after the last acknowledged one may have been written when the kill came.
        written = match differs(&found, &after(acknowledged)) {
            None => acknowledged,
            Some(_) if found == after(acknowledged + 1) => acknowledged + 1,
            Some(how) => {
                let message = format!("round {round}, {acknowledged} batches were acknowledged: {how}");
                return Err(Failure::new(message));
            }
        };
    }
    Ok(())
}

/// Writes batches and says so after each; ends by being killed.
fn write_until_killed(store: &dyn Store, begin: u64) -> Held {
    let mut out = std::io::stdout().lock();
    for number in begin + 1.. {
        store.write(&batch(number))?;
        writeln!(out, "{WRITTEN}{number}")?;
        out.flush()?;
    }
    Ok(())
}

/// Starts a process that writes, kills it after some batches and a moment, and answers the last one acknowledged.
fn kill_one(subject: &dyn Subject, folder: &Path, begin: u64, random: &mut Random) -> Result<u64, Failure> {
    let mut command = subject.again(NAME)?;
    command.env(FOLDER, folder).env(BEGIN, begin.to_string()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn()?;
    let acknowledged = follow(&mut child, begin, random);
    // Also when it could not be followed; a child that ended by itself cannot be killed.
    let _ = child.kill();
    child.wait()?;
    acknowledged
}

fn follow(child: &mut Child, begin: u64, random: &mut Random) -> Result<u64, Failure> {
    let output = child.stdout.take().ok_or_else(|| Failure::new("the process has no output"))?;
    let until = begin + 1 + random.below(BATCHES_MAX);
    let mut last = begin;
    for line in BufReader::new(output).lines() {
        let line = line?;
        // A test's runner writes before the first number, on the same line.
        let Some((_, number)) = line.split_once(WRITTEN) else { continue };
        last = number.parse().map_err(|_| Failure::new(format!("not a batch: {line}")))?;
        if last == until {
            thread::sleep(Duration::from_micros(random.below(MICROSECONDS_MAX)));
            child.kill()?;
        }
    }
    if last < until {
        return Err(Failure::new(format!("the process ended by itself after batch {last}")));
    }
    Ok(last)
}

/// Several entries of various sizes; now and then one that spans pages. The oldest batch goes.
fn batch(number: u64) -> Vec<StoreOp> {
    let mut random = Random::new(number);
    let mut changes: Vec<StoreOp> = (0..=random.below(12))
        .map(|at| {
            let longest = if at == 3 { 20_000 } else { 600 };
            let length = usize::try_from(random.below(longest)).unwrap_or_default();
            put([number.to_be_bytes(), at.to_be_bytes()].concat(), random.bytes(length))
        })
        .collect();
    if let Some(old) = number.checked_sub(BATCHES_KEPT) {
        changes.push(truncate(old.to_be_bytes(), (old + 1).to_be_bytes()));
    }
    changes
}

/// What is there after so many batches.
fn after(batches: u64) -> Content {
    let mut content = Content::new();
    // Numbers begin at one.
    (batches.saturating_sub(BATCHES_KEPT)..=batches).skip_while(|number| *number == 0).for_each(|number| {
        apply(&mut content, &batch(number));
    });
    content
}
