//! A disk that is really full: a small file system in memory.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use caxton_plugin::{Code, Store, StoreOp};

use super::{Content, Subject, apply, holds, put, random::Random, remove, truncate};
use crate::{Failure, Held, same};

const KIB: usize = 1024;
/// The size of the file system.
const DISK: &str = "4m";
/// What the store keeps free for removals.
const RESERVE_BYTES: u64 = 512 * 1024;
/// What somebody else has on the disk at first.
const OTHER_BYTES: usize = 1024 * KIB;
/// Batches of 8 KiB that must have filled the disk.
const BATCHES_MAX: u64 = 600;
/// Transactions that only remove, while the disk is full.
const REMOVALS: usize = 200;
/// Batches that fit when there is room again.
const BATCHES_AGAIN: u64 = 20;

pub(super) fn a_full_disk_refuses_removes_and_goes_on_when_space_is_freed(subject: &dyn Subject) -> Held {
    let Some(disk) = Disk::mount()? else { return Ok(()) };
    let other = disk.path.join("other");
    File::create(&other)?.write_all(&vec![1; OTHER_BYTES])?;
    let (store, mut expected) = filled(subject, &disk.path)?;
    remove_some(store.as_ref(), &mut expected)?;
    fs::remove_file(other)?;
    goes_on(store.as_ref(), &mut expected)?;
    drop(store);
    holds(subject.open(&disk.path, RESERVE_BYTES)?.as_ref(), &expected)
}

pub(super) fn a_full_disk_goes_on_when_entries_were_removed(subject: &dyn Subject) -> Held {
    let Some(disk) = Disk::mount()? else { return Ok(()) };
    let (store, mut expected) = filled(subject, &disk.path)?;
    remove_some(store.as_ref(), &mut expected)?;
    store.write(&[truncate("", [0xff; 9])])?;
    expected.clear();
    goes_on(store.as_ref(), &mut expected)?;
    drop(store);
    holds(subject.open(&disk.path, RESERVE_BYTES)?.as_ref(), &expected)
}

/// A store that just said that the disk is full, and what it acknowledged.
fn filled(subject: &dyn Subject, folder: &Path) -> Result<(std::sync::Arc<dyn Store>, Content), Failure> {
    let store = subject.open(folder, RESERVE_BYTES)?;
    let mut expected = Content::new();
    for number in 0..BATCHES_MAX {
        let changes = batch(number);
        match store.write(&changes) {
            Ok(()) => apply(&mut expected, &changes),
            Err(error) => {
                same("the code of a full disk", &error.code(), &Code::STORE_FULL)?;
                same("it may be tried again", &error.is_retryable(), &true)?;
                holds(store.as_ref(), &expected)?;
                // Giving up its reserve, a store may find room that it did not have; once.
                if store.write(&changes).is_err_and(|error| error.code() == Code::STORE_FULL) {
                    return Ok((store, expected));
                }
                apply(&mut expected, &changes);
            }
        }
    }
    Err(Failure::new("the disk was never full"))
}

fn remove_some(store: &dyn Store, expected: &mut Content) -> Held {
    let keys: Vec<Vec<u8>> = expected.keys().step_by(2).take(REMOVALS).cloned().collect();
    for key in keys {
        store.write(&[remove(&key)])?;
        expected.remove(&key);
    }
    holds(store, expected)
}

fn goes_on(store: &dyn Store, expected: &mut Content) -> Held {
    for number in BATCHES_MAX..BATCHES_MAX + BATCHES_AGAIN {
        let changes = batch(number);
        store.write(&changes)?;
        apply(expected, &changes);
    }
    holds(store, expected)
}

fn batch(number: u64) -> Vec<StoreOp> {
    let mut random = Random::new(number);
    (0..8_u64).map(|at| put((number * 8 + at).to_be_bytes(), random.bytes(KIB))).collect()
}

/// A file system of a few megabytes; unmounted when it is dropped.
struct Disk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    /// Mounts one; `None`, with a line that says so, where that is not allowed.
    fn mount() -> Result<Option<Self>, Failure> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("disk");
        fs::create_dir(&path)?;
        let options = format!("size={DISK}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).stderr(Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Ok(Some(Self { path, _folder: folder }));
        }
        eprintln!("skipped: a full disk cannot be made, because a tmpfs cannot be mounted here");
        Ok(None)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, as a check that failed may still have files open.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}
