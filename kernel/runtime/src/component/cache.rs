//! Compiled components on disk, by digest and engine, each with a tag that only this server's key can make.
//!
//! Machine code is trusted blindly by the engine, so a file is loaded only when its tag shows that this server wrote
//! it. The directory and the key are readable by the server's user alone. The oldest files go when there are too many
//! bytes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wasmtime::{Engine, component::Component};

use crate::{error::RuntimeError, incremental::Functions};

/// A block of SHA-256, the longest key that HMAC takes as it is (RFC 2104).
const KEY_BYTES: usize = 64;
const KEY_FILE: &str = "key";
/// Functions that components have in common.
const FUNCTIONS_FILE: &str = "functions";
/// Bytes of a file that are read at once.
const PART_BYTES: usize = 64 << 10;
/// Group and others.
const FOREIGN_WRITE: u32 = 0o022;

/// Machine code that is being written; its file goes with this value unless it was finished.
pub(crate) struct Unfinished {
    pub(crate) file: File,
    path: PathBuf,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Not there any more when it was finished.
        let _ = fs::remove_file(&self.path);
    }
}

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

    /// The functions of components that were compiled here by a compiler.
    pub(crate) fn functions(&self, compiler: String) -> Functions {
        Functions::new(self.dir.join(FUNCTIONS_FILE), self.key, compiler)
    }

    /// Loads what [`Cache::finish`] wrote under the name; `None` when it is missing or foreign.
    ///
    /// # Errors
    /// The engine's, when the code is of another engine or needs more than the pool's slots have.
    pub(crate) fn load(&self, name: &str, engine: &Engine) -> Option<wasmtime::Result<Component>> {
        let path = self.code_path(name);
        let mut code = File::open(&path).ok()?;
        let tag = fs::read(self.tag_path(name)).ok()?;
        if self.mac(name, &mut code).ok()?.verify_slice(&tag).is_err() {
            tracing::warn!(file = %path.display(), "compiled component has no valid tag and is not used");
            return None;
        }
        drop(code);
        // SAFETY: the tag shows that the file holds what this server's compiler produced under this name, unchanged,
        // and nobody but the server's user can write to the directory, so the file stays as it is while it is mapped.
        Some(unsafe { Component::deserialize_file(engine, &path) })
    }

    /// Makes a file for the machine code of a component, readable by the server's user alone.
    pub(crate) fn begin(&self, name: &str) -> io::Result<Unfinished> {
        let path = self.dir.join(format!("{name}.cwasm.{}.partial", std::process::id()));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        Ok(Unfinished { file, path })
    }

    /// Keeps machine code that this server's compiler wrote, and makes room for it.
    pub(crate) fn finish(&self, name: &str, mut code: Unfinished) -> io::Result<()> {
        self.prune(code.file.metadata()?.len())?;
        code.file.rewind()?;
        let tag = self.mac(name, &mut code.file)?.finalize().into_bytes();
        self.write(&self.tag_path(name), &tag)?;
        fs::rename(&code.path, self.code_path(name))
    }

    fn code_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.cwasm"))
    }

    fn tag_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.tag"))
    }

    /// The tag of a name and what stands in a file from where it is; the file may be large, so it is read in parts.
    fn mac(&self, name: &str, code: &mut File) -> io::Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(name.as_bytes());
        mac.update(&[0]);
        let mut part = vec![0; PART_BYTES];
        loop {
            let length = code.read(&mut part)?;
            if length == 0 {
                return Ok(mac);
            }
            mac.update(part.get(..length).unwrap_or_default());
        }
    }

    /// Replaces the file in one step, so that a reader sees the old or the new one.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
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
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let mut key = [0; KEY_BYTES];
            File::open("/dev/urandom")?.read_exact(&mut key)?;
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
