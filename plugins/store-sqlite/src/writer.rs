//! The writing connection: transactions, and what becomes of the store when one fails.
//!
//! ```text
//!            no room                        room again, and a change that adds
//!   running ─────────▶ full (reserve given up; removes only) ─────────▶ running (reserve taken)
//!      └──── any other error ────▶ failed: nothing is written until it is opened again and verified
//! ```

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use caxton_plugin::{
    Code, Error, StoreOp,
    storage::{self, Reserve},
};
use rusqlite::{Connection, TransactionBehavior};
use tracing::{info, warn};

use crate::{Config, database::leave_log, entries::Changing, fault::Fault, held};

/// Bytes of a page; SQLite's default.
const PAGE_BYTES: u64 = 4096;
/// Pages of the write-ahead log at which it is copied into the file; SQLite's default.
const LOG_PAGES_MAX: u64 = 1000;
/// Fewest such pages, so that a small reserve does not make every commit a checkpoint.
const LOG_PAGES_MIN: u64 = 32;
/// A log that is larger, after a large value for example, is cut off.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How the store is.
#[derive(Debug, Default)]
pub(crate) enum Status {
    /// It takes changes.
    #[default]
    Running,
    /// The disk is full: it takes changes that only remove.
    Full(String),
    /// It takes no changes.
    Failed(String),
}

/// Pages of the log before it is copied: half the reserve, so that the copy and further removals fit into it.
pub(crate) fn log_pages_max(reserve_bytes: u64) -> u64 {
    match reserve_bytes {
        0 => LOG_PAGES_MAX,
        bytes => (bytes / 2 / PAGE_BYTES).clamp(LOG_PAGES_MIN, LOG_PAGES_MAX),
    }
}

/// Notes that nothing is written any more, unless that is known.
pub(crate) fn fail(status: &Mutex<Status>, reason: &str) {
    let mut status = held(status);
    if !matches!(*status, Status::Failed(_)) {
        warn!(reason, "the store failed");
        *status = Status::Failed(reason.to_owned());
    }
}

/// The only one who writes.
pub(crate) struct Writer {
    connection: Connection,
    path: PathBuf,
    log: PathBuf,
    /// As in the file's header.
    entries: i64,
    reserve: Reserve,
    status: Arc<Mutex<Status>>,
}

impl Writer {
    /// Begins to write to a verified file with so many entries; takes the reserve, and is full when there is no room for
    /// it.
    pub(crate) fn new(
        connection: Connection,
        entries: i64,
        config: &Config,
        status: Arc<Mutex<Status>>,
    ) -> Self {
        let path = config.path.clone();
        let log = storage::beside(&path, "-wal");
        let reserve = Reserve::new(&path, config.reserve_bytes);
        let mut writer = Self { connection, path, log, entries, reserve, status };
        match writer.reserve.take() {
            Ok(()) => writer.set(Status::Running),
            Err(error) => writer.set(Status::Full(writer.no_room(&error))),
        }
        writer
    }

    /// Writes one transaction; see [`caxton_plugin::Store::write`].
    pub(crate) fn write(&mut self, changes: &[StoreOp]) -> Result<(), Error> {
        let removes = storage::only_removes(changes);
        if let Some(reason) = self.failure() {
            return Err(Error::new(Code::STORE_FAILED, reason));
        }
        if !removes {
            self.leave_full()?;
        }
        let mut done = self.apply(changes);
        if done.as_ref().is_err_and(Fault::is_full) {
            self.enter_full();
            // Emptying the log may have made room enough.
            if removes || self.leave_full().is_ok() {
                done = self.apply(changes);
            }
            if done.as_ref().is_err_and(Fault::is_full) {
                self.enter_full();
            }
        }
        done.and_then(|()| self.bound_log()).map_err(|fault| self.refusal(&fault))
    }

    /// Empties the log into the file and closes it.
    pub(crate) fn close(self) -> Result<(), Error> {
        let path = self.path.display().to_string();
        let failed = self.failure().is_some();
        let emptied = if failed { leave_log(&self.connection) } else { self.checkpoint() };
        let closed = self.connection.close().map_err(|(_, error)| Fault::from(error));
        emptied.and(closed).map_err(|fault| {
            let message =
                format!("`{path}` was not closed well: {fault}; nothing is lost, the next start recovers");
            Error::new(Code::STORE_FAILED, message)
        })
    }

    fn apply(&mut self, changes: &[StoreOp]) -> Result<(), Fault> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut entries = self.entries;
        let mut changing = Changing::new(&transaction)?;
        for change in changes {
            entries += changing.apply(change)?;
        }
        drop(changing);
        transaction.execute("UPDATE header SET entries = ?1", [entries])?;
        transaction.commit()?;
        self.entries = entries;
        Ok(())
    }

    /// The disk has no room: what is reserved serves from now on, and the log is emptied into the file to be used anew.
    fn enter_full(&mut self) {
        self.reserve.give_up();
        if !matches!(*held(&self.status), Status::Full(_)) {
            let reason = format!(
                "the disk of `{}` is full: free space, and it goes on by itself",
                self.path.display()
            );
            warn!(path = %self.path.display(), "the store's disk is full");
            self.set(Status::Full(reason));
        }
        // When this fails, too, the transaction that is tried next says why.
        let _ = self.checkpoint();
    }

    /// Before anything is added the reserve must be there again, so that it can be removed again.
    fn leave_full(&mut self) -> Result<(), Error> {
        if !matches!(*held(&self.status), Status::Full(_)) {
            return Ok(());
        }
        let mut taken = self.reserve.take();
        if taken.is_err() {
            self.shrink().map_err(|fault| self.refusal(&fault))?;
            taken = self.reserve.take();
        }
        taken.map_err(|error| Error::new(Code::STORE_FULL, self.no_room(&error)).retryable())?;
        info!(path = %self.path.display(), "the store's disk has room again");
        self.set(Status::Running);
        Ok(())
    }

    /// Gives pages that removals left free back to the disk.
    fn shrink(&mut self) -> Result<(), Fault> {
        let step = log_pages_max(self.reserve.bytes()) / 2;
        let mut free = self.free_pages()?;
        loop {
            self.connection.execute_batch(&format!("PRAGMA incremental_vacuum({step})"))?;
            self.checkpoint()?;
            let left = self.free_pages()?;
            if left == 0 || left >= free {
                return Ok(());
            }
            free = left;
        }
    }

    fn free_pages(&self) -> Result<u64, Fault> {
        let count: i64 = self.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    fn bound_log(&self) -> Result<(), Fault> {
        let bytes = self.log.metadata().map_or(0, |log| log.len());
        if bytes > LOG_BYTES_MAX {
            // The transaction is done; a checkpoint that finds no room is tried again after the next one.
            self.checkpoint().or_else(|fault| if fault.is_full() { Ok(()) } else { Err(fault) })?;
        }
        Ok(())
    }

    /// Copies the log into the file and cuts it off; a reader that is in between leaves that to the next one.
    fn checkpoint(&self) -> Result<(), Fault> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    fn refusal(&self, fault: &Fault) -> Error {
        if fault.is_full() && self.connection.is_autocommit() {
            return Error::new(Code::STORE_FULL, self.no_room(fault)).retryable();
        }
        let message = format!(
            "`{}` could not be written: {fault}; nothing more is written until it was opened again and verified",
            self.path.display()
        );
        fail(&self.status, &message);
        // What was not synced must not be copied as if it had been.
        let _ = leave_log(&self.connection);
        Error::new(Code::STORE_FAILED, message)
    }

    fn failure(&self) -> Option<String> {
        match &*held(&self.status) {
            Status::Failed(reason) => Some(reason.clone()),
            Status::Running | Status::Full(_) => None,
        }
    }

    fn no_room(&self, cause: &dyn std::fmt::Display) -> String {
        format!(
            "nothing was written to `{}`: {cause}; free space on its disk, room for `reserve_bytes` ({}) included, and it \
             goes on by itself",
            self.path.display(),
            self.reserve.bytes()
        )
    }

    fn set(&self, status: Status) {
        *held(&self.status) = status;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_takes_at_most_half_the_reserve() {
        assert_eq!([0, 1 << 18, 1 << 20, 8 << 20].map(log_pages_max), [1000, 32, 128, 1000]);
    }
}
