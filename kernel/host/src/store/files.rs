//! The components of deployed agents as files, named by their digest, so that the agents can come back.
//!
//! Bounds: [`FILES_MAX`]. A file is whole or absent: it is written beside its place, synced and renamed.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use sha2::{Digest, Sha256};

use super::writer::lock;

/// Files that are kept; of those that no agent needs, the oldest goes first. Twice what a server keeps compiled.
const FILES_MAX: usize = 512;

/// The folder of the files.
pub struct Files {
    dir: PathBuf,
    writing: Mutex<()>,
}

impl Files {
    /// Names the folder; it is made with the first file.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, writing: Mutex::default() }
    }

    /// Keeps a component's bytes. `needed` are digests of which no file is removed to make room.
    ///
    /// # Errors
    /// The file system's.
    pub fn keep(&self, digest: &str, bytes: &[u8], needed: &BTreeSet<String>) -> io::Result<()> {
        let _one_at_a_time = lock(&self.writing);
        let path = self.path(digest)?;
        if path.is_file() {
            return Ok(());
        }
        fs::create_dir_all(&self.dir)?;
        self.sweep(needed, FILES_MAX - 1)?;
        let partial = path.with_extension("partial");
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        File::open(&self.dir)?.sync_all()
    }

    /// True when a component's bytes are kept.
    pub fn has(&self, digest: &str) -> bool {
        self.path(digest).is_ok_and(|path| path.is_file())
    }

    /// Reads a component's bytes, at most `bytes_max`, and checks them.
    ///
    /// # Errors
    /// It is missing, too large, or not what its name says.
    pub fn read(&self, digest: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let path = self.path(digest)?;
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        let found = format!("sha256:{:x}", Hex(&Sha256::digest(&bytes)));
        if bytes.len() as u64 > bytes_max || found != digest {
            let text = format!("{} has digest {found}, expected {digest}", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(bytes)
    }

    /// Removes files that nobody needs until `files_max` are left, the oldest first, and what a write left behind.
    ///
    /// # Errors
    /// The file system's.
    pub fn sweep(&self, needed: &BTreeSet<String>, files_max: usize) -> io::Result<()> {
        let needed: BTreeSet<PathBuf> = needed.iter().filter_map(|digest| self.path(digest).ok()).collect();
        let (mut unneeded, mut count) = (Vec::new(), 0_usize);
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("partial") => fs::remove_file(&path)?,
                Some("wasm") => {
                    count += 1;
                    if !needed.contains(&path) {
                        unneeded.push((fs::metadata(&path)?.modified()?, path));
                    }
                }
                _ => {}
            }
        }
        unneeded.sort();
        let surplus = count.saturating_sub(files_max);
        unneeded.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
    }

    fn path(&self, digest: &str) -> io::Result<PathBuf> {
        let hex = digest.strip_prefix("sha256:").filter(|hex| {
            hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        });
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, format!("`{digest}` is no digest"));
        Ok(Path::new(&self.dir).join(hex.ok_or_else(invalid)?).with_extension("wasm"))
    }
}

/// Bytes as lower-case hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl std::fmt::LowerHex for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(bytes: &[u8]) -> String {
        format!("sha256:{:x}", Hex(&Sha256::digest(bytes)))
    }

    #[test]
    fn what_is_kept_is_read_back_and_a_changed_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path().join("deployed"));
        let name = digest(b"one");
        files.keep(&name, b"one", &BTreeSet::new()).unwrap();
        assert_eq!(files.read(&name, 3).unwrap(), b"one");
        assert!(files.read(&name, 2).is_err());
        fs::write(files.path(&name).unwrap(), b"two").unwrap();
        assert!(files.read(&name, 3).unwrap_err().to_string().contains("expected sha256:"));
    }

    #[test]
    fn only_what_no_agent_needs_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path().into());
        let [one, two] = [b"one", b"two"].map(|bytes| {
            files.keep(&digest(bytes), bytes, &BTreeSet::new()).unwrap();
            digest(bytes)
        });
        fs::write(dir.path().join("left.partial"), b"x").unwrap();
        files.sweep(&BTreeSet::from([two.clone()]), 0).unwrap();
        assert_eq!((files.has(&one), files.has(&two)), (false, true));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_digest_cannot_leave_the_folder() {
        let files = Files::new("somewhere".into());
        assert!(!files.has("sha256:../../etc/passwd"));
        assert!(files.keep("../x", b"", &BTreeSet::new()).is_err());
    }
}
