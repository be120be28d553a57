//! Room on the disk that is kept for bad times: when the disk is full it is given up, so that what was delivered can
//! still be removed, and it is taken again before anything new is written.
//!
//! Without it a full disk would hold a store in place: removing writes too.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

use super::beside;

/// Bytes written at a time where a file system cannot allocate.
const CHUNK_BYTES: usize = 64 * 1024;

/// The file that takes up the room.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// A reserve of so many bytes beside the file at `path`, not yet taken; zero bytes are always held.
    pub fn new(path: &Path, bytes: u64) -> Self {
        Self { path: beside(path, ".reserve"), bytes, held: bytes == 0 }
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// True when the room is there.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Takes the room, unless it is there.
    ///
    /// # Errors
    /// Those of the file, such as a full disk; nothing is left of it then.
    pub fn take(&mut self) -> io::Result<()> {
        if self.held {
            return Ok(());
        }
        let made = make(&self.path, self.bytes);
        match &made {
            Ok(()) => self.held = true,
            Err(_) => self.give_up(),
        }
        made
    }

    /// Gives the room to the store.
    pub fn give_up(&mut self) {
        // A file that cannot be removed gives no room; the next write says so.
        let _ = std::fs::remove_file(&self.path);
        self.held = self.bytes == 0;
    }
}

fn make(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().create(true).write(true).truncate(true).open(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(&file, bytes),
        done => done.map_err(io::Error::from),
    }
}

fn fill(mut file: &File, bytes: u64) -> io::Result<()> {
    let chunk = [0xa5; CHUNK_BYTES];
    let mut left = bytes;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        file.write_all(chunk.get(..part).unwrap_or(&chunk))?;
        left -= part as u64;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn takes_up_room_until_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let mut reserve = Reserve::new(&path, 1_000_000);
        assert!(!reserve.is_held());
        reserve.take().unwrap();
        let blocks = beside(&path, ".reserve").metadata().unwrap().blocks();
        assert!(reserve.is_held() && blocks * 512 >= 1_000_000, "{blocks}");
        reserve.give_up();
        assert!(!reserve.is_held() && !beside(&path, ".reserve").exists());
    }

    #[test]
    fn filling_writes_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("filled");
        fill(&File::create(&path).unwrap(), 100_001).unwrap();
        assert_eq!(path.metadata().unwrap().len(), 100_001);
    }

    #[test]
    fn nothing_is_left_of_a_reserve_that_could_not_be_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        // No file system has so much.
        let mut reserve = Reserve::new(&path, u64::MAX / 4);
        assert!(reserve.take().is_err());
        assert!(!reserve.is_held() && !beside(&path, ".reserve").exists());
    }

    #[test]
    fn a_reserve_of_nothing_is_always_held() {
        let folder = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::new(&folder.path().join("store"), 0);
        reserve.give_up();
        assert!(reserve.is_held());
    }
}
