//! Looks whether SQLite's write-ahead log was cut off by a crash or damaged.
//!
//! SQLite takes the log up to the first frame whose checksum is wrong and forgets the rest: right after a crash, when the
//! rest was never acknowledged, and wrong after damage, when it would forget what was. The two differ: each commit waits
//! for the disk before the next one begins, so after a crash at most one commit follows the first bad frame. More than one
//! means damage, and the file is refused. Damage in the last commit looks like a crash and cannot be told from it.
//!
//! The format: <https://www.sqlite.org/walformat.html>.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use crate::fault::Fault;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The magic number without its lowest bit, which says how words are read.
const MAGIC: u32 = 0x377f_0682;
const PAGE_BYTES_MAX: u32 = 65_536;

/// Checks the log at a path; none, or an empty one, is fine.
///
/// # Errors
/// [`Fault::Damaged`] when it lost more than the end of the last transaction, or cannot be read.
pub(crate) fn check(path: &Path) -> Result<(), Fault> {
    let damaged = |what: String| Err(Fault::Damaged(format!("its log `{}` {what}", path.display())));
    let scanned = match File::open(path) {
        Ok(file) => scan(&mut BufReader::with_capacity(1 << 20, file)),
        Err(error) => Err(error),
    };
    match scanned {
        Ok(Scan::Sound) => Ok(()),
        Ok(Scan::NoHeader) => damaged("has a damaged header".to_owned()),
        Ok(Scan::Lost { commits }) => {
            damaged(format!("is damaged and {commits} commits stand behind the damage"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => damaged(format!("cannot be read: {error}")),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Scan {
    Sound,
    NoHeader,
    Lost { commits: u64 },
}

fn scan(log: &mut impl Read) -> io::Result<Scan> {
    let mut bytes = [0; HEADER_BYTES];
    if !fill(log, &mut bytes)? {
        return Ok(Scan::Sound);
    }
    let Some(header) = Header::read(&bytes) else { return Ok(Scan::NoHeader) };
    let mut sum = header.sum;
    let mut frame = vec![0; FRAME_HEADER_BYTES + header.page_bytes as usize];
    let (mut sound, mut commits) = (true, 0);
    while fill(log, &mut frame)? {
        let ours = (word(&frame, 8), word(&frame, 12)) == header.salt;
        if sound {
            sum = header.checksum(sum, frame.get(..8).unwrap_or_default());
            sum = header.checksum(sum, frame.get(FRAME_HEADER_BYTES..).unwrap_or_default());
            sound = ours && (word(&frame, 16), word(&frame, 20)) == sum;
        }
        // Frames of an older log, with other salts, stand behind those of this one.
        commits += u64::from(!sound && ours && word(&frame, 4) != 0);
    }
    Ok(if commits > 1 { Scan::Lost { commits } } else { Scan::Sound })
}

struct Header {
    big_endian: bool,
    page_bytes: u32,
    salt: (u32, u32),
    sum: (u32, u32),
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let magic = word(bytes, 0);
        let mut header = Self {
            big_endian: magic & 1 == 1,
            page_bytes: word(bytes, 8),
            salt: (word(bytes, 16), word(bytes, 20)),
            sum: (0, 0),
        };
        header.sum = header.checksum((0, 0), bytes.get(..24)?);
        let sound = magic & !1 == MAGIC
            && header.sum == (word(bytes, 24), word(bytes, 28))
            && (512..=PAGE_BYTES_MAX).contains(&header.page_bytes);
        sound.then_some(header)
    }

    fn checksum(&self, start: (u32, u32), bytes: &[u8]) -> (u32, u32) {
        let (pairs, _) = bytes.as_chunks::<8>();
        pairs.iter().fold(start, |(first, second), pair| {
            let [a, b, c, d, e, f, g, h] = *pair;
            let read = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
            let first = first.wrapping_add(read([a, b, c, d])).wrapping_add(second);
            (first, second.wrapping_add(read([e, f, g, h])).wrapping_add(first))
        })
    }
}

/// The number at an offset; zero behind the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_be_bytes(*word))
}

/// Reads as many bytes as there is room for; false when there are not so many.
fn fill(log: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log as SQLite writes it: three commits of one frame or more.
    fn log() -> (Vec<u8>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let mode = "PRAGMA journal_mode = WAL";
        connection.query_row(mode, [], |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE t (x)").unwrap();
        let bytes = || std::fs::read(folder.path().join("file-wal")).unwrap();
        let first = bytes().len();
        connection.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        connection.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        (bytes(), first)
    }

    fn scanned(log: &[u8]) -> Scan {
        scan(&mut &log[..]).unwrap()
    }

    #[test]
    fn a_log_as_written_is_sound() {
        assert_eq!(scanned(&log().0), Scan::Sound);
    }

    #[test]
    fn a_log_that_ends_anywhere_is_a_crash() {
        let (log, _) = log();
        for end in (0..log.len()).step_by(509) {
            assert_eq!(scanned(&log[..end]), Scan::Sound, "{end}");
        }
    }

    #[test]
    fn damage_in_front_of_two_commits_is_found() {
        let (mut log, first) = log();
        log[first - 1] ^= 1;
        assert_eq!(scanned(&log), Scan::Lost { commits: 3 });
    }

    #[test]
    fn damage_in_the_last_commit_looks_like_a_crash() {
        let (mut log, _) = log();
        *log.last_mut().unwrap() ^= 1;
        assert_eq!(scanned(&log), Scan::Sound);
    }

    #[test]
    fn a_damaged_header_is_found() {
        let (mut log, _) = log();
        log[17] ^= 1;
        assert_eq!(scanned(&log), Scan::NoHeader);
    }
}
