//! Plugin store-redb: keeps bytes under ordered keys in one redb file; an engine that is Rust alone.
//!
//! ```text
//!   server ── write ──▶ one transaction, Durability::Immediate: back when fdatasync returned
//!          ── get, read ──▶ a snapshot, beside the writing one
//!   PATH        the data      PATH.lock   who uses it      PATH.reserve   room for a full disk
//! ```
//!
//! It holds the contract that store-sqlite holds, and differs where redb does:
//!
//! - redb goes on after no error of the disk at all. On a full disk this plugin closes the file, gives up the reserve,
//!   opens the file again, which reads all of it, and goes on with what removes. So becoming full costs time in proportion
//!   to the file, and reads wait meanwhile.
//! - The file shrinks by moving entries to its front (compaction), which is tried once after removals on a full disk, and
//!   needs room itself.
//! - Checksums are compared when the file is opened, page by page, and not again when an entry is read.
//! - Of two copies of its root redb takes the older one when the newer one is damaged: then the last transaction is
//!   missing, as after a crash.

mod engine;
mod fault;

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use caxton_plugin::{
    Code, Error, Health, Host, Payload, Plugin, Ports, Store, StoreEntry, StoreOp,
    storage::{self, Lock, Reserve},
};
use fault::Fault;
use redb::Database;
use serde::Deserialize;
use std::sync::Arc;
use tracing::{info, warn};

/// The plugin's table of the server's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The file; its folder is made.
    pub path: PathBuf,
    /// Room kept on the disk so that delivered messages can be removed when it is full; 0 for none.
    pub reserve_bytes: u64,
    /// Memory for pages of the file.
    pub cache_bytes: usize,
}

/// The reserve holds the pages that thousands of removals copy; the cache some ten thousand small messages.
impl Default for Config {
    fn default() -> Self {
        Self {
            path: PathBuf::from("caxton-data/store.redb"),
            reserve_bytes: 8 * 1024 * 1024,
            cache_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Smallest reserve that helps: opening again and a few removals fit.
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

/// How the store is.
#[derive(Debug)]
enum Status {
    /// It takes changes.
    Running,
    /// The disk is full: it takes changes that only remove.
    Full(String),
    /// It takes no changes.
    Failed(String),
}

/// What only the thread that writes has.
struct Writer {
    reserve: Reserve,
    /// Something was removed since the file was last made smaller.
    removed: bool,
    _lock: Lock,
}

/// The store.
pub struct Redb {
    config: Config,
    /// Before `database`, as everywhere: who holds this one may take that one.
    writer: Mutex<Option<Writer>>,
    /// Readers share it; closing and opening it is exclusive. `None` when it could not be opened again.
    database: RwLock<Option<Database>>,
    /// Apart, so that health never waits for a disk.
    status: Mutex<Status>,
}

impl Plugin for Redb {
    type Config = Config;

    fn create(_host: Host, config: Config) -> Result<Self, Error> {
        config.check()?;
        let (writer, database) = (Mutex::default(), RwLock::default());
        Ok(Self { config, writer, database, status: Mutex::new(Status::Running) })
    }

    fn ports(self: &Arc<Self>) -> Ports {
        Ports::store(self.clone())
    }

    async fn start(&self) -> Result<(), Error> {
        storage::make_folder_of(&self.config.path)?;
        let lock = Lock::take(&self.config.path)?;
        let reserve = Reserve::new(&self.config.path, self.config.reserve_bytes);
        let mut writer = Writer { reserve, removed: true, _lock: lock };
        self.open(&mut writer)?;
        *held(&self.writer) = Some(writer);
        Ok(())
    }

    async fn stop(&self) -> Result<(), Error> {
        let writer = held(&self.writer).take();
        drop(self.exclusive().take());
        drop(writer);
        Ok(())
    }

    fn health(&self) -> Health {
        match &*held(&self.status) {
            Status::Running => Health::Running,
            Status::Full(reason) | Status::Failed(reason) => Health::Degraded(reason.clone()),
        }
    }
}

impl Store for Redb {
    fn write(&self, changes: &[StoreOp]) -> Result<(), Error> {
        storage::check(changes)?;
        let mut writer = held(&self.writer);
        let writer = writer.as_mut().ok_or_else(not_open)?;
        let removes = storage::only_removes(changes);
        if let Status::Failed(reason) = &*held(&self.status) {
            return Err(Error::new(Code::STORE_FAILED, reason.clone()));
        }
        if !removes {
            self.leave_full(writer)?;
        }
        let mut done = self.apply(changes);
        if done.as_ref().is_err_and(Fault::is_full) {
            self.enter_full(writer)?;
            if removes {
                done = self.apply(changes);
            }
        }
        writer.removed |= removes && done.is_ok();
        done.map_err(|fault| self.refusal(&fault))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Payload>, Error> {
        self.with_database(|database| engine::get(database, key))
    }

    fn read(
        &self,
        from: &[u8],
        until: &[u8],
        entries_max: u32,
        bytes_max: u64,
    ) -> Result<Vec<StoreEntry>, Error> {
        self.with_database(|database| engine::read(database, from, until, entries_max, bytes_max))
    }

    fn reopen(&self) -> Result<(), Error> {
        let mut writer = held(&self.writer);
        let writer = writer.as_mut().ok_or_else(not_open)?;
        self.open(writer).inspect_err(|error| self.fail(error.message()))
    }
}

impl Redb {
    /// Closes what is open, opens and verifies the file and takes the reserve; the store is full when there is no room
    /// for it.
    fn open(&self, writer: &mut Writer) -> Result<(), Error> {
        // Opening writes, too, so it may need the reserve.
        writer.reserve.give_up();
        self.open_file().map_err(|fault| fault.while_opening(&self.config.path))?;
        let status = match writer.reserve.take() {
            Ok(()) => Status::Running,
            Err(error) => Status::Full(self.no_room(&error)),
        };
        *held(&self.status) = status;
        Ok(())
    }

    fn open_file(&self) -> Result<(), Fault> {
        let mut database = self.exclusive();
        drop(database.take());
        *database = Some(engine::open(&self.config.path, self.config.cache_bytes)?);
        Ok(())
    }

    fn apply(&self, changes: &[StoreOp]) -> Result<(), Fault> {
        let database = self.shared();
        let open = database.as_ref().ok_or_else(Fault::closed)?;
        engine::apply(open, changes)
    }

    /// The disk has no room. redb must be opened again after that, and what is reserved serves from now on.
    fn enter_full(&self, writer: &mut Writer) -> Result<(), Error> {
        warn!(path = %self.config.path.display(), "the store's disk is full");
        writer.reserve.give_up();
        let reason = format!(
            "the disk of `{}` is full: free space, and it goes on by itself",
            self.config.path.display()
        );
        *held(&self.status) = Status::Full(reason);
        self.open_file().map_err(|fault| self.refusal(&fault))
    }

    /// Before anything is added the reserve must be there again, so that it can be removed again.
    fn leave_full(&self, writer: &mut Writer) -> Result<(), Error> {
        if !matches!(*held(&self.status), Status::Full(_)) {
            return Ok(());
        }
        let mut taken = writer.reserve.take();
        if taken.is_err() && writer.removed {
            writer.removed = false;
            self.shrink(writer)?;
            taken = writer.reserve.take();
        }
        taken.map_err(|error| Error::new(Code::STORE_FULL, self.no_room(&error)).retryable())?;
        info!(path = %self.config.path.display(), "the store's disk has room again");
        *held(&self.status) = Status::Running;
        Ok(())
    }

    /// Gives room that removals left in the file back to the disk.
    fn shrink(&self, writer: &mut Writer) -> Result<(), Error> {
        let compacted = match self.exclusive().as_mut() {
            Some(database) => engine::compact(database),
            None => Err(Fault::closed()),
        };
        match compacted {
            Err(fault) if fault.is_full() => self.enter_full(writer),
            done => done.map_err(|fault| self.refusal(&fault)),
        }
    }

    fn with_database<T>(&self, read: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, Error> {
        let database = self.shared();
        read(database.as_ref().ok_or_else(not_open)?).map_err(|fault| {
            let error = fault.while_reading(&self.config.path);
            self.fail(error.message());
            error
        })
    }

    fn refusal(&self, fault: &Fault) -> Error {
        if fault.is_full() {
            return Error::new(Code::STORE_FULL, self.no_room(fault)).retryable();
        }
        let message = format!(
            "`{}` could not be written: {fault}; nothing more is written until it was opened again and verified",
            self.config.path.display()
        );
        self.fail(&message);
        Error::new(Code::STORE_FAILED, message)
    }

    fn fail(&self, reason: &str) {
        let mut status = held(&self.status);
        if !matches!(*status, Status::Failed(_)) {
            warn!(reason, "the store failed");
            *status = Status::Failed(reason.to_owned());
        }
    }

    fn no_room(&self, cause: &dyn std::fmt::Display) -> String {
        format!(
            "nothing was written to `{}`: {cause}; free space on its disk, room for `reserve_bytes` ({}) included, and it \
             goes on by itself",
            self.config.path.display(),
            self.config.reserve_bytes
        )
    }

    fn shared(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Option<Database>> {
        self.database.write().unwrap_or_else(PoisonError::into_inner)
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

caxton_plugin::plugin!(Redb, "../plugin.json");

#[cfg(test)]
mod tests;
