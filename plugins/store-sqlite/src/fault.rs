//! Why the engine could not do what it was asked, sorted by what it means for the store.

use std::path::Path;

use caxton_plugin::{Code, Error};
use rusqlite::{ErrorCode, ffi};

/// A fault of the engine or of the data.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite's own.
    Engine(rusqlite::Error),
    /// The data is not what was written.
    Damaged(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl Fault {
    /// True when there was no room. A failed sync is never one, whatever its cause: after it nobody knows what the disk
    /// holds.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Engine(rusqlite::Error::SqliteFailure(error, _)) => {
                // The index of the write-ahead log is a file, too, and grows before anything is written.
                error.code == ErrorCode::DiskFull || error.extended_code == ffi::SQLITE_IOERR_SHMSIZE
            }
            Self::Engine(_) | Self::Damaged(_) => false,
        }
    }

    pub(crate) fn while_reading(&self, path: &Path) -> Error {
        let message = format!(
            "`{}` could not be read: {self}; open the store again, which verifies it",
            path.display()
        );
        Error::new(Code::STORE_FAILED, message)
    }

    pub(crate) fn while_opening(&self, path: &Path) -> Error {
        let message = format!(
            "`{}` could not be opened: {self}; restore it from a backup, or move it away to begin anew",
            path.display()
        );
        Error::new(Code::STORE_FAILED, message)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Engine(rusqlite::Error::SqliteFailure(error, text)) => {
                let text = text.clone().unwrap_or_else(|| error.to_string());
                write!(f, "{text} (SQLite error {})", error.extended_code)
            }
            Self::Engine(error) => error.fmt(f),
            Self::Damaged(what) => f.write_str(what),
        }
    }
}
