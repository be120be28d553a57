//! The disk below the store fills up and is freed again: clear refusals, a server that answers, nothing lost, no restart.
//!
//! The data folder is a small file system in memory, which only root can mount; elsewhere this part is left out, and
//! says so.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use caxton_kit::chance::Chance;
use serde_json::Value;

use super::{SHOWN, arrived, sending::document};
use crate::e2e::{
    Options,
    claims::Claims,
    stage::{Folder, LOOK, Stage, Wants},
    verdicts,
};

/// The size of the disk, and what somebody else keeps on it until it is removed.
const DISK: &str = "size=64m";
const FILLER_BYTES: usize = 24 << 20;
/// The relay is slower than the clients, so that messages stay in the store.
const RELAY: &str = "relay journal 25";
const LIMITS: &str = "turn_messages_max = 1";
const CONTENT_BYTES: usize = 60 << 10;
const BATCH: usize = 8;
/// Requests until the disk must have been full, and refusals after which it is.
const REQUESTS_MAX: usize = 400;
const REFUSALS: usize = 40;
const FULL: &str = "CX0324";
/// How long the server may take to see that there is room again.
const ROOM_MAX: Duration = Duration::from_secs(15);

/// Runs the part.
///
/// # Errors
/// The run could not be made.
pub fn run(options: &Options, claims: &mut Claims) -> Result<(), String> {
    let folder = Folder::new()?;
    let data = folder.path().join("data");
    let disk = match Disk::mount(&data) {
        Ok(disk) => disk,
        Err(why) => {
            println!("left out: the part with the full disk needs a file system of its own: {why}");
            return Ok(());
        }
    };
    let wants = Wants { limits: LIMITS, store: true, journal: true, ..Wants::default() };
    let mut stage = Stage::set(wants, folder)?;
    let done = on_the_disk(options, claims, &mut stage, &data);
    if done.is_err() {
        eprintln!("{}", stage.server.log_tail());
    }
    let stopped = done.and_then(|()| stage.stop());
    if stopped.is_ok() {
        stage.finish(options, claims);
    }
    // Before the folder, which goes with the stage.
    drop(disk);
    drop(stage);
    stopped
}

fn on_the_disk(options: &Options, claims: &mut Claims, stage: &mut Stage, data: &Path) -> Result<(), String> {
    stage.deploy("relay", RELAY)?;
    stage.deploy("echo", "answer one")?;
    let filler = data.join("filler");
    fs::write(&filler, vec![1; FILLER_BYTES]).map_err(|why| format!("cannot fill the disk: {why}"))?;
    let mut chance = Chance::new(options.seed, 1);
    let pid = stage.server.pid();
    let mut sent = Sent::default();
    for _ in 0..REQUESTS_MAX {
        sent.batch(stage, &mut chance)?;
        if sent.full >= REFUSALS {
            break;
        }
    }
    println!(
        "disk full: {} acknowledged, {} refused with {FULL}, others {:?}",
        sent.ids.len(),
        sent.full,
        sent.other
    );
    claims.judge(
        "a full disk refuses in words",
        sent.full >= REFUSALS,
        format!("{} times {FULL}", sent.full),
    );
    let path = "/v1/agents/echo/ask?performative=query-ref&timeout-ms=5000";
    let answer = stage.client().send("POST", path, "text/plain", b"still there?")?;
    claims.judge(
        "the server answers meanwhile",
        answer.is_success(),
        format!("{} {}", answer.status, answer.text()),
    );

    fs::remove_file(&filler).map_err(|why| format!("cannot free the disk: {why}"))?;
    let (before, freed) = (sent.ids.len(), Instant::now());
    while sent.ids.len() == before && freed.elapsed() < ROOM_MAX {
        sent.batch(stage, &mut chance)?;
        thread::sleep(LOOK);
    }
    let accepted = sent.ids.len() > before && stage.server.pid() == pid;
    let found = format!("after {} ms", freed.elapsed().as_millis());
    claims.judge("with room again it accepts without a restart", accepted, found);

    stage.server.kill();
    let ready = stage.restart()?;
    let store = stage.status()?.get("store").cloned().unwrap_or(Value::Null);
    println!("killed and started again in {} ms, store {store}", ready.as_millis());
    let file = stage.file("journal.txt");
    let (arrivals, missing) = arrived(stage, &file, &sent.ids)?;
    let shown: Vec<&str> = missing.iter().take(SHOWN).map(String::as_str).collect();
    claims.judge(
        "everything acknowledged before and after is there",
        missing.is_empty() && arrivals.unflagged().is_empty(),
        format!("{} of {} missing {}", missing.len(), sent.ids.len(), shown.join(" ")),
    );
    Ok(())
}

/// What was sent while the disk filled up.
#[derive(Default)]
struct Sent {
    ids: BTreeSet<String>,
    full: usize,
    other: std::collections::BTreeMap<String, usize>,
}

impl Sent {
    fn batch(&mut self, stage: &Stage, chance: &mut Chance) -> Result<(), String> {
        let ids: Vec<String> = (0..BATCH).map(|_| chance.uuid()).collect();
        let reply =
            stage.client().json("POST", "/v1/messages", &document(&ids, &"x".repeat(CONTENT_BYTES)))?;
        for (id, verdict) in ids.into_iter().zip(verdicts(&reply, BATCH)) {
            match verdict {
                Ok(_) => drop(self.ids.insert(id)),
                Err(code) if code == FULL => self.full += 1,
                Err(code) => *self.other.entry(code).or_default() += 1,
            }
        }
        Ok(())
    }
}

/// A mounted file system in memory; goes with this value.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: &Path) -> Result<Self, String> {
        fs::create_dir_all(path).map_err(|why| why.to_string())?;
        let mut mount = Command::new("mount");
        let output = mount.args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(path).output();
        match output {
            Ok(output) if output.status.success() => Ok(Self(path.to_path_buf())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(why) => Err(why.to_string()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a server that is still ending may hold a file.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
