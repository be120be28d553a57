//! One process at a time: an advisory lock on a file beside the data.
//!
//! The kernel gives the lock back when the process ends in any way, so a crash leaves nothing to clean up. The process's
//! number in the file is only for the message to the second one.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::Path,
};

use caxton_abi::Code;

use super::beside;
use crate::Error;

/// The right to use a file; given back when it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the right to use the file at `path`.
    ///
    /// # Errors
    /// [`Code::PLUGIN_START_FAILED`] when another process has it, with its number, or the lock cannot be made.
    pub fn take(path: &Path) -> Result<Self, Error> {
        let lock = beside(path, ".lock");
        let failed = |error: io::Error| {
            let message = format!(
                "cannot lock `{}`: {error}; set `path` to a place that the server may write",
                lock.display()
            );
            Error::new(Code::PLUGIN_START_FAILED, message)
        };
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock);
        let mut file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                // On a full disk the number may not be written; the lock holds all the same.
                let _ = note(&mut file);
                Ok(Self { file })
            }
            Err(TryLockError::WouldBlock) => Err(taken(path, &mut file)),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Said aloud, and not left to the closing of the file: a process that is being started has a copy of the open file until
/// it runs its own program.
impl Drop for Lock {
    fn drop(&mut self) {
        // What cannot be unlocked is unlocked when the file is closed.
        let _ = self.file.unlock();
    }
}

fn note(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn taken(path: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    let read = file.take(32).read_to_string(&mut holder);
    let holder = match read.ok().and_then(|_| holder.trim().parse::<u32>().ok()) {
        Some(process) if process == std::process::id() => "this process already".to_owned(),
        Some(process) => format!("process {process}"),
        None => "another process".to_owned(),
    };
    let message = format!(
        "`{}` is in use by {holder}: stop that one, or give this one a `path` of its own",
        path.display()
    );
    Error::new(Code::PLUGIN_START_FAILED, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let first = Lock::take(&path).unwrap();
        let error = Lock::take(&path).unwrap_err();
        let expected = format!("`{}` is in use by this process already:", path.display());
        assert!(error.message().starts_with(&expected), "{error}");
        drop(first);
        assert!(Lock::take(&path).is_ok());
    }

    #[test]
    fn a_copy_of_the_open_file_does_not_keep_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let first = Lock::take(&path).unwrap();
        let _copy = first.file.try_clone().unwrap();
        drop(first);
        assert!(Lock::take(&path).is_ok());
    }

    #[test]
    fn another_process_is_named_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let _first = Lock::take(&path).unwrap();
        std::fs::write(beside(&path, ".lock"), "4194304\n").unwrap();
        let error = Lock::take(&path).unwrap_err();
        assert!(error.message().contains("is in use by process 4194304: stop that one"), "{error}");
    }
}
