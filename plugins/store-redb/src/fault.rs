//! Why the engine could not do what it was asked, sorted by what it means for the store.

use std::{io, path::Path};

use caxton_plugin::{Code, Error};

/// A fault of the engine, of the data, or of what was found at the path.
#[derive(Debug)]
pub(crate) enum Fault {
    /// redb's own.
    Engine(redb::Error),
    /// The data is not what was written.
    Damaged(String),
    /// A file of another program or version: what it is and what to do.
    Foreign(String),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

impl Fault {
    /// The file could not be opened again before.
    pub(crate) fn closed() -> Self {
        Self::Engine(redb::Error::DatabaseClosed)
    }

    /// True when there was no room.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Engine(redb::Error::Io(error)) => error.kind() == io::ErrorKind::StorageFull,
            Self::Engine(_) | Self::Damaged(_) | Self::Foreign(_) => false,
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
        if let Self::Foreign(what) = self {
            return Error::new(Code::PLUGIN_START_FAILED, format!("`{}` {what}", path.display()));
        }
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
            Self::Engine(error) => error.fmt(f),
            Self::Damaged(what) | Self::Foreign(what) => f.write_str(what),
        }
    }
}
