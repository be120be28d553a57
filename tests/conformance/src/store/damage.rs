//! Bytes of the files are changed behind the store's back.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use caxton_plugin::Store;

use super::{
    Content, Subject, apply, differs, everything, put,
    random::{Random, seed},
    remove,
};
use crate::{Failure, Held};

/// Places that are tried in each file of each image.
const PLACES: u64 = 60;
/// Most bytes that change at one place.
const BYTES_MAX: u64 = 64;
const BATCHES: u64 = 60;

pub(super) fn damaged_bytes_are_refused_or_do_no_harm(subject: &dyn Subject) -> Held {
    let folder = tempfile::tempdir()?;
    let (running, closed) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let store = subject.open(folder.path(), 0)?;
    let (before_last, content) = fill(store.as_ref())?;
    // What a crash would leave now, and what an end in order leaves.
    copy(folder.path(), running.path())?;
    drop(store);
    copy(folder.path(), closed.path())?;
    for (image, folder) in [("a running store", running.path()), ("a closed store", closed.path())] {
        let mut refused = 0;
        for file in files(folder)? {
            let mut random = Random::new(seed());
            for _ in 0..PLACES {
                let damage = Damage::choose(&folder.join(&file), &mut random)?;
                let found = open_damaged(subject, folder, &file, &damage)?;
                let harmless = found.as_ref().is_none_or(|found| *found == content || *found == before_last);
                let how = found.as_ref().and_then(|found| differs(found, &content)).unwrap_or_default();
                if !harmless {
                    return Err(Failure::new(format!(
                        "seed {}, {image}, {file}, {damage:?}: opened, and {how}",
                        seed()
                    )));
                }
                refused += u64::from(found.is_none());
            }
        }
        if refused == 0 {
            return Err(Failure::new(format!(
                "{image}: nothing was refused, so the damage never met what is read"
            )));
        }
    }
    Ok(())
}

/// Writes entries, removes some, and answers what was there before the last transaction and after it.
fn fill(store: &dyn Store) -> Result<(Content, Content), Failure> {
    let (mut before, mut content) = (Content::new(), Content::new());
    for number in 0..BATCHES {
        let mut random = Random::new(number);
        let mut changes: Vec<_> =
            (0..8_u64).map(|at| put((number * 8 + at).to_be_bytes(), random.bytes(300))).collect();
        changes.push(remove((number * 4).to_be_bytes()));
        store.write(&changes)?;
        before = content.clone();
        apply(&mut content, &changes);
    }
    Ok((before, content))
}

#[derive(Debug)]
struct Damage {
    at: usize,
    bytes: Vec<u8>,
}

impl Damage {
    /// Other bytes at a random place of a file.
    fn choose(path: &Path, random: &mut Random) -> Result<Self, Failure> {
        let file = fs::read(path)?;
        let at = usize::try_from(random.below(file.len() as u64)).unwrap_or_default();
        let count = usize::try_from(1 + random.below(BYTES_MAX)).unwrap_or(1);
        let zeroes = random.below(4) == 0;
        let bytes = file.iter().skip(at).take(count);
        let bytes =
            bytes.map(|byte| if zeroes { 0 } else { byte ^ (1 + random.below(255).to_le_bytes()[0]) });
        Ok(Self { at, bytes: bytes.collect() })
    }
}

/// What a store gives from a copy with the damage; `None` when it refuses. A panic is a refusal, too: the guard around
/// every plugin makes it one.
fn open_damaged(
    subject: &dyn Subject,
    image: &Path,
    file: &str,
    damage: &Damage,
) -> Result<Option<Content>, Failure> {
    let folder = tempfile::tempdir()?;
    copy(image, folder.path())?;
    let path = folder.path().join(file);
    let mut bytes = fs::read(&path)?;
    for (byte, damaged) in bytes.iter_mut().skip(damage.at).zip(&damage.bytes) {
        *byte = *damaged;
    }
    fs::write(&path, bytes)?;
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let store = subject.open(folder.path(), 0).ok()?;
        everything(store.as_ref()).ok()
    }));
    Ok(opened.unwrap_or_default())
}

/// The files with contents.
fn files(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut files = Vec::new();
    for file in folder.read_dir()? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if file.metadata()?.len() > 0 && !name.ends_with(".lock") {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}

fn copy(from: &Path, to: &Path) -> Held {
    for file in from.read_dir()? {
        let file = file?;
        fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}
