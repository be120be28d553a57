//! Compiled components on disk, by digest and engine, each with a tag that only this server's key can make.
//!
//! Machine code is trusted blindly by the engine, so a file is loaded only when its tag shows that this server wrote
//! it. The directory and the key are readable by the server's user alone. The oldest files go when there are too many
//! bytes.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wasmtime::{Engine, component::Component};

use crate::error::RuntimeError;

/// A block of SHA-256, the longest key that HMAC takes as it is (RFC 2104).
const KEY_BYTES: usize = 64;
const KEY_FILE: &str = "key";
/// Group and others.
const FOREIGN_WRITE: u32 = 0o022;

/// The cache directory.
pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
    bytes_max: u64,
}

impl Cache {
    /// Opens the directory, made with its key when missing.
    pub(crate) fn open(dir: &Path, bytes_max: u64) -> Result<Self, RuntimeError> {
        let failed = |reason: String| RuntimeError::Cache { path: dir.to_owned(), reason };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| failed(error.to_string()))?;
        let mode = fs::metadata(dir).map_err(|error| failed(error.to_string()))?.permissions().mode();
        if mode & FOREIGN_WRITE != 0 {
            return Err(failed("others may write to it: run `chmod 700` on it".to_owned()));
        }
        let key = read_or_make_key(&dir.join(KEY_FILE)).map_err(|error| failed(format!("key: {error}")))?;
        Ok(Self { dir: dir.to_owned(), key, bytes_max })
    }

    /// Loads what [`Cache::store`] wrote under the name; `None` when it is missing or foreign.
    ///
    /// # Errors
    /// The engine's, when the code is of another engine or needs more than the pool's slots have.
    pub(crate) fn load(&self, name: &str, engine: &Engine) -> Option<wasmtime::Result<Component>> {
        let path = self.code_path(name);
        let code = fs::read(&path).ok()?;
        let tag = fs::read(self.tag_path(name)).ok()?;
        if self.mac(name, &code).verify_slice(&tag).is_err() {
            tracing::warn!(file = %path.display(), "compiled component has no valid tag and is not used");
            return None;
        }
        drop(code);
        // SAFETY: the tag shows that the file holds what this server's compiler produced under this name, unchanged,
        // and nobody but the server's user can write to the directory, so the file stays as it is while it is mapped.
        Some(unsafe { Component::deserialize_file(engine, &path) })
    }

    /// Writes machine code that this server's compiler produced, and makes room for it.
    pub(crate) fn store(&self, name: &str, code: &[u8]) -> io::Result<()> {
        self.prune(u64::try_from(code.len()).unwrap_or(u64::MAX))?;
        self.write(&self.tag_path(name), &self.mac(name, code).finalize().into_bytes())?;
        self.write(&self.code_path(name), code)
    }

    fn code_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.cwasm"))
    }

    fn tag_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.tag"))
    }

    fn mac(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(code);
        mac
    }

    /// Replaces the file in one step, so that a reader sees the old or the new one.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        drop(file);
        fs::rename(&partial, path)
    }

    fn prune(&self, coming: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if entry.path().extension().is_some_and(|extension| extension == "cwasm") {
                files.push((meta.modified()?, meta.len(), entry.path()));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, len, _)| len).sum::<u64>().saturating_add(coming);
        for (_, len, path) in files {
            if total <= self.bytes_max {
                break;
            }
            fs::remove_file(&path)?;
            // The tag may be missing already.
            let _ = fs::remove_file(path.with_extension("tag"));
            total = total.saturating_sub(len);
        }
        Ok(())
    }
}

fn read_or_make_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let mut key = [0; KEY_BYTES];
            fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
            file.write_all(&key)?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::read(path)?.try_into().map_err(|_| io::Error::other("not 64 bytes long: remove it"))
        }
        Err(error) => Err(error),
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
