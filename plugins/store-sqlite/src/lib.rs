//! Plugin store-sqlite: keeps bytes under ordered keys in one SQLite file, and is sure of what it keeps.
//!
//! ```text
//!   server ── write ──▶ one connection: BEGIN IMMEDIATE … COMMIT, back when fdatasync returned
//!          ── get, read ──▶ another connection, beside the writing one
//!   PATH        the data            PATH-wal, PATH-shm    SQLite's own
//!   PATH.lock   who uses it         PATH.reserve          room for a full disk
//! ```
//!
//! A disk that is full refuses what adds (`store-full`) and goes on with what removes, in the reserve; the first change
//! that adds after there is room again takes the reserve back. Any other error of a write ends writing (`store-failed`)
//! until the file was opened again and verified: after a failed sync nobody knows what the disk holds.
//!
//! Verifying is reading everything: SQLite's own check, a checksum over each key and value, and the number of entries.
//! It costs time in proportion to the file, at each start. What it cannot find is in the module `wal`.

mod database;
mod entries;
mod fault;
mod schema;
mod wal;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use caxton_plugin::{
    Code, Error, Health, Host, Payload, Plugin, Ports, Store, StoreEntry, StoreOp,
    storage::{self, Lock},
};
use database::Database;
use rusqlite::Connection;
use serde::Deserialize;
use writer::{Status, Writer};

/// The plugin's table of the server's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The file; its folder is made.
    pub path: PathBuf,
    /// Room kept on the disk so that delivered messages can be removed when it is full; 0 for none.
    pub reserve_bytes: u64,
    /// Memory for pages of the file, for each of two connections.
    pub cache_bytes: u32,
}

/// The reserve is twice what the write-ahead log grows to, so that a checkpoint and removals always fit into it. The
/// cache holds some ten thousand small messages; what the server works with is in its own memory.
impl Default for Config {
    fn default() -> Self {
        Self {
            path: PathBuf::from("caxton-data/store.sqlite"),
            reserve_bytes: 8 * 1024 * 1024,
            cache_bytes: 16 * 1024 * 1024,
        }
    }
}

/// Smallest reserve that helps: a checkpoint and a few removals fit.
const RESERVE_BYTES_MIN: u64 = 256 * 1024;

impl Config {
    fn check(&self) -> Result<(), Error> {
        let wrong = if self.path.as_os_str().is_empty() {
            "`path` is empty, expected a file; remove it to get the default"
        } else if self.reserve_bytes != 0 && self.reserve_bytes < RESERVE_BYTES_MIN {
            "`reserve_bytes` is below 262144; raise it, or set 0 for none"
        } else {
            return Ok(());
        };
        Err(Error::new(Code::PLUGIN_CONFIG_INVALID, wrong))
    }
}

/// The store.
pub struct Sqlite {
    config: Config,
    /// Taken after `writer` where both are. Dropped before it, so that the writer is the last one and empties the log.
    reader: Mutex<Option<Connection>>,
    writer: Mutex<Option<Writer>>,
    /// Apart from the writer, so that health never waits for a disk.
    status: Arc<Mutex<Status>>,
    lock: Mutex<Option<Lock>>,
}

impl Sqlite {
    fn open(&self) -> Result<(), Error> {
        let database = Database::open(&self.config)?;
        *held(&self.reader) = Some(database.reader);
        *held(&self.writer) =
            Some(Writer::new(database.writer, database.entries, &self.config, self.status.clone()));
        Ok(())
    }

    fn with_reader<T>(&self, read: impl FnOnce(&Connection) -> Result<T, fault::Fault>) -> Result<T, Error> {
        let reader = held(&self.reader);
        let connection = reader.as_ref().ok_or_else(not_open)?;
        read(connection).map_err(|fault| {
            let error = fault.while_reading(&self.config.path);
            // An entry that changed under us says that others may have, too.
            writer::fail(&self.status, error.message());
            error
        })
    }
}

impl Plugin for Sqlite {
    type Config = Config;

    fn create(_host: Host, config: Config) -> Result<Self, Error> {
        config.check()?;
        schema::check_engine()?;
        let (writer, reader, lock) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self { config, writer, reader, status: Arc::default(), lock })
    }

    fn ports(self: &Arc<Self>) -> Ports {
        Ports::store(self.clone())
    }

    async fn start(&self) -> Result<(), Error> {
        storage::make_folder_of(&self.config.path)?;
        *held(&self.lock) = Some(Lock::take(&self.config.path)?);
        self.open()
    }

    async fn stop(&self) -> Result<(), Error> {
        let writer = held(&self.writer).take();
        drop(held(&self.reader).take());
        let closed = writer.map_or(Ok(()), Writer::close);
        drop(held(&self.lock).take());
        closed
    }

    fn health(&self) -> Health {
        match &*held(&self.status) {
            Status::Running => Health::Running,
            Status::Full(reason) | Status::Failed(reason) => Health::Degraded(reason.clone()),
        }
    }
}

impl Store for Sqlite {
    fn write(&self, changes: &[StoreOp]) -> Result<(), Error> {
        storage::check(changes)?;
        held(&self.writer).as_mut().ok_or_else(not_open)?.write(changes)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Payload>, Error> {
        self.with_reader(|connection| entries::get(connection, key))
    }

    fn read(
        &self,
        from: &[u8],
        until: &[u8],
        entries_max: u32,
        bytes_max: u64,
    ) -> Result<Vec<StoreEntry>, Error> {
        self.with_reader(|connection| entries::read(connection, from, until, entries_max, bytes_max))
    }

    fn reopen(&self) -> Result<(), Error> {
        if held(&self.lock).is_none() {
            return Err(not_open());
        }
        // Closed first: what the old connections hold in memory is what is not trusted.
        let mut writer = held(&self.writer);
        drop(held(&self.reader).take());
        drop(writer.take());
        let opened = Database::open(&self.config);
        let database = opened.inspect_err(|error| writer::fail(&self.status, error.message()))?;
        *held(&self.reader) = Some(database.reader);
        *writer = Some(Writer::new(database.writer, database.entries, &self.config, self.status.clone()));
        Ok(())
    }
}

fn not_open() -> Error {
    let message = "the store is not open: it was not started, was stopped, or could not be opened again; \
                   open it again, and see its health for the reason";
    Error::new(Code::STORE_FAILED, message)
}

/// Every change under these locks is complete, so a poisoned one holds a usable state.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

caxton_plugin::plugin!(Sqlite, "../plugin.json");

#[cfg(test)]
mod tests;
