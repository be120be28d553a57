//! Runs a peer: a program `PROGRAM WORKLOAD SIZE SECONDS` that prints its measure as one line of JSON.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use caxton_kit::{Failure, artifacts};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{measure::Measure, setup};

/// How long a peer may take beyond its sample: its start and its agents.
const BEYOND_S: f64 = 45.0;
const LOOK: Duration = Duration::from_millis(10);

/// A peer that can be run.
pub struct Peer {
    system: String,
    command: Command,
}

impl Peer {
    /// Builds or installs it.
    ///
    /// # Errors
    /// It cannot be had on this machine.
    pub fn prepare(system: &str) -> Result<Self, Failure> {
        Ok(Self { system: system.to_owned(), command: setup::command(system)? })
    }

    /// Runs it once.
    ///
    /// # Errors
    /// It failed, took too long, or printed no measure.
    pub fn run(&self, workload: &str, size: u64, seconds: f64) -> Result<Measure, Failure> {
        let log = artifacts::target().join("bench").join(format!("{}.log", self.system));
        let errors = log.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(&log));
        let errors = errors.map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = again(&self.command);
        command.arg(workload).arg(size.to_string()).arg(seconds.to_string());
        // A group of its own, so that what it started ends with it.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).process_group(0);
        let child = command.spawn().map_err(|error| format!("cannot start: {error}"))?;
        let printed = wait(child, Duration::from_secs_f64(seconds + BEYOND_S));
        printed.and_then(|text| measure_in(&text)).map_err(|error| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            if last.is_empty() { error } else { format!("{error}: {last}") }
        })
    }
}

/// The same command once more: one can be started, but not copied.
fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        copy.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    copy
}

/// Waits until it ended well and gives what it printed; ends it and all it started otherwise.
fn wait(mut child: Child, longest: Duration) -> Result<String, Failure> {
    let began = Instant::now();
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break Some(status),
            None if began.elapsed() > longest => break None,
            None => thread::sleep(LOOK),
        }
    };
    let _mostly_gone = group.map(|group| kill_process_group(group, Signal::KILL));
    let _reaped = child.wait();
    let mut text = String::new();
    if let Some(mut printed) = child.stdout.take() {
        printed.read_to_string(&mut text).map_err(|error| error.to_string())?;
    }
    match status {
        Some(status) if status.success() => Ok(text),
        Some(status) => Err(format!("ended with {status}")),
        None => Err(format!("took longer than {:.0} s", longest.as_secs_f64())),
    }
}

/// The last line that is a measure.
fn measure_in(text: &str) -> Result<Measure, Failure> {
    let measures = text.lines().rev().filter_map(|line| serde_json::from_str::<Measure>(line).ok());
    let found = measures.take(1).next().ok_or("printed no measure")?;
    if found.value.is_finite() && found.value > 0.0 { Ok(found) } else { Err("measured nothing".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "peer"]);
        command
    }

    fn peer(script: &str) -> Peer {
        Peer { system: format!("test-{}", script.len()), command: shell(script) }
    }

    #[test]
    fn a_peer_gets_its_task_and_prints_its_measure_last() {
        let found = peer(r#"echo starting; echo "{\"value\": $2, \"p99_us\": 3}""#).run("echo", 100, 0.5);
        assert_eq!(found, Ok(Measure { p99_us: Some(3.0), ..Measure::of(100.0) }));
    }

    #[test]
    fn a_peer_that_fails_says_why() {
        let failed = peer("echo 'no such workload' >&2; exit 3").run("rest", 1, 0.1).unwrap_err();
        assert_eq!(failed, "ended with exit status: 3: no such workload");
        assert_eq!(peer("exit 0").run("echo", 1, 0.1).unwrap_err(), "printed no measure");
    }

    #[test]
    fn a_peer_that_does_not_end_is_ended_with_what_it_started() {
        let child = shell("sleep 60 & sleep 60").process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        assert_eq!(wait(child, Duration::from_millis(50)).unwrap_err(), "took longer than 0 s");
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
