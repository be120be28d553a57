//! Keeps the machine code of single functions, so that a component that is nearly equal to an earlier one compiles fast.
//!
//! An edit of a Python or JavaScript agent changes data: the interpreter around it, nearly all of the code, stays. The
//! compiler asks for each function under a key, the SHA-256 of its whole intermediate form and of every setting of the
//! compiler, so what is found is what it would have made. The server keeps what came of each compilation in one file
//! of batches, each with a tag that only its key can make, hands it to the child on standard input, and takes the new
//! functions from the end of the child's output. The child never opens the file.
//!
//! Bounds: [`FUNCTIONS_BYTES_MAX`] for the file, which is started anew when it is full or not whole.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::{FlockOperation, flock};
use sha2::Sha256;
use wasmtime::CacheStore;

/// Bytes of the file: those of four interpreters.
const FUNCTIONS_BYTES_MAX: u64 = 128 << 20;
/// Bytes of a function's key, a SHA-256.
const KEY_BYTES: usize = 32;
/// Bytes of the length before a value.
const LENGTH_BYTES: usize = 4;
/// Bytes of a tag, an HMAC-SHA-256.
const TAG_BYTES: usize = 32;
/// Bytes of a number in the file and at the end of the child's output.
const NUMBER_BYTES: usize = 8;

/// The server's side: the file.
pub(crate) struct Functions {
    path: PathBuf,
    secret: [u8; 64],
    /// What the entries were made by; part of each tag, so that another compiler starts anew.
    compiler: String,
}

/// What the file held.
pub(crate) struct Kept {
    /// The entries of all batches.
    pub(crate) entries: Vec<u8>,
    /// The file ends in a whole batch.
    whole: bool,
}

impl Functions {
    pub(crate) fn new(path: PathBuf, secret: [u8; 64], compiler: String) -> Self {
        Self { path, secret, compiler }
    }

    /// Reads every batch up to the first that is not as this server wrote it.
    pub(crate) fn read(&self) -> Kept {
        let mut bytes = Vec::new();
        // A file that cannot be read is one that is not there: nothing is lost but time.
        let _read = File::open(&self.path)
            .and_then(|file| file.take(FUNCTIONS_BYTES_MAX + 1).read_to_end(&mut bytes));
        let mut entries = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while let Some((batch, after)) = self.batch(rest) {
            entries.extend_from_slice(batch);
            rest = after;
        }
        Kept { entries, whole: rest.is_empty() }
    }

    /// Adds what a compilation made new. Left out while another process writes.
    pub(crate) fn add(&self, kept: &Kept, made: &[u8]) -> io::Result<()> {
        if made.is_empty() && kept.whole {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(());
        }
        let length = u64::try_from(made.len()).unwrap_or(u64::MAX);
        let header = u64::try_from(NUMBER_BYTES + TAG_BYTES).unwrap_or(u64::MAX);
        let full = file.metadata()?.len().saturating_add(length).saturating_add(header) > FUNCTIONS_BYTES_MAX;
        if full || !kept.whole {
            file.set_len(0)?;
        }
        file.seek(SeekFrom::End(0))?;
        let mut batch = Vec::with_capacity(made.len() + NUMBER_BYTES + TAG_BYTES);
        batch.extend_from_slice(&length.to_le_bytes());
        batch.extend_from_slice(&self.tag(made).finalize().into_bytes());
        batch.extend_from_slice(made);
        file.write_all(&batch)
    }

    /// The first batch and what follows it; `None` when it is not whole.
    fn batch<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let (length, rest) = bytes.split_first_chunk::<NUMBER_BYTES>()?;
        let (tag, rest) = rest.split_first_chunk::<TAG_BYTES>()?;
        let (batch, after) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        self.tag(batch).verify_slice(tag).ok()?;
        Some((batch, after))
    }

    fn tag(&self, batch: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.secret.into());
        mac.update(b"functions\0");
        mac.update(self.compiler.as_bytes());
        mac.update(&[0]);
        mac.update(batch);
        mac
    }
}

/// The child's side: what it got, and what it made.
#[derive(Debug)]
pub(crate) struct Store {
    bytes: Vec<u8>,
    known: HashMap<[u8; KEY_BYTES], Range<usize>>,
    made: Mutex<HashMap<[u8; KEY_BYTES], Vec<u8>>>,
}

impl Store {
    /// Finds the entries in what the server sent.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let mut known = HashMap::new();
        let mut at = 0;
        while let Some((key, value)) = entry(&bytes, at) {
            at = value.end;
            known.insert(key, value);
        }
        Self { bytes, known, made: Mutex::default() }
    }

    /// The new entries, as [`Store::new`] reads them.
    pub(crate) fn made(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in self.open().iter() {
            let Ok(length) = u32::try_from(value.len()) else { continue };
            out.extend_from_slice(key);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(value);
        }
        out
    }

    fn open(&self) -> MutexGuard<'_, HashMap<[u8; KEY_BYTES], Vec<u8>>> {
        // The map is whole at every moment.
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry(bytes: &[u8], at: usize) -> Option<([u8; KEY_BYTES], Range<usize>)> {
    let (key, rest) = bytes.get(at..)?.split_first_chunk::<KEY_BYTES>()?;
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let begin = at + KEY_BYTES + LENGTH_BYTES;
    (length <= rest.len()).then_some((*key, begin..begin + length))
}

impl CacheStore for Store {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let key: [u8; KEY_BYTES] = key.try_into().ok()?;
        match self.known.get(&key) {
            Some(range) => self.bytes.get(range.clone()).map(Cow::Borrowed),
            // One component holds many functions twice.
            None => self.open().get(&key).cloned().map(Cow::Owned),
        }
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let Ok(key) = key.try_into() else { return false };
        self.open().insert(key, value);
        true
    }
}

/// Ends the child's output: the new functions, and where the machine code before them ends.
pub(crate) fn write_end(output: &mut impl Write, code_bytes: usize, made: &[u8]) -> io::Result<()> {
    output.write_all(made)?;
    output.write_all(&u64::try_from(code_bytes).unwrap_or(u64::MAX).to_le_bytes())
}

/// Takes the end off a child's output; what remains is the machine code.
pub(crate) fn take_end(output: &mut File) -> io::Result<Vec<u8>> {
    let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the compiler's output is cut off");
    let number = u64::try_from(NUMBER_BYTES).unwrap_or_default();
    let ends = output.metadata()?.len().checked_sub(number).ok_or_else(cut)?;
    output.seek(SeekFrom::Start(ends))?;
    let mut code_bytes = [0; NUMBER_BYTES];
    output.read_exact(&mut code_bytes)?;
    let code_bytes = u64::from_le_bytes(code_bytes);
    let length = ends.checked_sub(code_bytes).ok_or_else(cut)?;
    output.seek(SeekFrom::Start(code_bytes))?;
    let mut made = Vec::new();
    output.take(length).read_to_end(&mut made)?;
    output.set_len(code_bytes)?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &tempfile::TempDir, compiler: &str) -> Functions {
        Functions::new(dir.path().join("functions"), [7; 64], compiler.to_owned())
    }

    fn made(keys: &[u8]) -> Vec<u8> {
        let store = Store::new(Vec::new());
        keys.iter().for_each(|key| assert!(store.insert(&[*key; KEY_BYTES], vec![*key; 3])));
        store.made()
    }

    #[test]
    fn what_was_made_is_found_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let functions = file(&dir, "a");
        for key in [1, 2] {
            functions.add(&functions.read(), &made(&[key])).unwrap();
        }
        let store = Store::new(functions.read().entries);
        assert_eq!(store.get(&[2; KEY_BYTES]).as_deref(), Some([2, 2, 2].as_slice()));
        assert_eq!(store.get(&[3; KEY_BYTES]), None);
    }

    #[test]
    fn a_batch_that_was_changed_or_cut_ends_the_file_and_the_next_starts_anew() {
        let dir = tempfile::tempdir().unwrap();
        let functions = file(&dir, "a");
        functions.add(&functions.read(), &made(&[1])).unwrap();
        let one = std::fs::metadata(&functions.path).unwrap().len();
        functions.add(&functions.read(), &made(&[2])).unwrap();
        let mut bytes = std::fs::read(&functions.path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&functions.path, &bytes).unwrap();
        let kept = functions.read();
        assert_eq!((kept.entries, kept.whole), (made(&[1]), false));
        functions.add(&functions.read(), &made(&[3])).unwrap();
        assert_eq!(std::fs::metadata(&functions.path).unwrap().len(), one);
        assert_eq!(functions.read().entries, made(&[3]));
    }

    #[test]
    fn entries_of_another_compiler_are_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let old = file(&dir, "a");
        old.add(&old.read(), &made(&[1])).unwrap();
        assert_eq!(file(&dir, "b").read().entries, Vec::<u8>::new());
    }

    #[test]
    fn the_end_of_an_output_comes_off() {
        let mut output = tempfile::tempfile().unwrap();
        output.write_all(b"code").unwrap();
        write_end(&mut output, 4, b"made").unwrap();
        assert_eq!(take_end(&mut output).unwrap(), b"made");
        assert_eq!(output.metadata().unwrap().len(), 4);
        assert!(take_end(&mut output).is_err());
    }
}
