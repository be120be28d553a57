//! The file: appended to through a buffer, rotated by size.
//!
//! Two files exist at most, `PATH` and `PATH.1`, so the disk holds no more than twice the configured size.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use caxton_plugin::{Code, Error};

/// Bytes that are gathered before a write: a few hundred lines.
const BUFFER_BYTES: usize = 256 * 1024;

/// An open file of lines.
pub(crate) struct LogFile {
    path: PathBuf,
    bytes_max: u64,
    bytes: u64,
    writer: BufWriter<File>,
}

impl LogFile {
    /// Opens or creates the file for appending.
    ///
    /// # Errors
    /// When the folder does not exist, the path is a folder, or writing is not permitted.
    pub(crate) fn open(path: &Path, bytes_max: u64) -> Result<Self, Error> {
        let (file, bytes) = open(path).map_err(|error| {
            let message = format!(
                "cannot append to `{}`: {error}; create its folder, or set `path` to a file that the server may write",
                path.display()
            );
            Error::new(Code::PLUGIN_START_FAILED, message)
        })?;
        let writer = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { path: path.to_owned(), bytes_max, bytes, writer })
    }

    /// Appends a line that ends in a newline; rotates first when it would not fit.
    pub(crate) fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        let bytes = line.len() as u64;
        if self.bytes_max != 0 && self.bytes > 0 && self.bytes + bytes > self.bytes_max {
            self.rotate()?;
        }
        self.writer.write_all(line)?;
        self.bytes += bytes;
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        self.writer.flush()?;
        let mut older = self.path.clone().into_os_string();
        older.push(".1");
        std::fs::rename(&self.path, older)?;
        let (file, bytes) = open(&self.path)?;
        self.writer = BufWriter::with_capacity(BUFFER_BYTES, file);
        self.bytes = bytes;
        Ok(())
    }
}

fn open(path: &Path) -> std::io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}
