//! Opening the file: made when it is not there, refused when it is not what was left.
//!
//! A new file is made under another name and renamed when it is whole, so a file that is empty or half made was never
//! the store's, and is refused.

use std::{fs::File, io::Read, path::Path, time::Duration};

use caxton_plugin::{
    Code, Error,
    storage::{self, Reserve},
};
use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{Config, entries, fault::Fault, schema, wal, writer::log_pages_max};

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// How long one connection waits for the other; they meet only at checkpoints.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// An open and verified file.
pub(crate) struct Database {
    pub(crate) writer: Connection,
    pub(crate) reader: Connection,
    /// How many entries it holds.
    pub(crate) entries: i64,
}

impl Database {
    /// Opens, verifies and, when there is none, makes the file.
    ///
    /// # Errors
    /// [`Code::PLUGIN_START_FAILED`] for a file of another program or version, [`Code::STORE_FAILED`] for one that is
    /// damaged or cannot be read.
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        let path = config.path.as_path();
        // Opening writes, too, so it may need the reserve; it is taken again when the file is open.
        Reserve::new(path, config.reserve_bytes).give_up();
        match File::open(path) {
            Ok(file) => check_kind(&file, path)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(path)?,
            Err(error) => return Err(unreadable(path, &error)),
        }
        let log = storage::beside(path, "-wal");
        wal::check(&log).map_err(|fault| fault.while_opening(path))?;
        let writer = connect(config).map_err(|fault| fault.while_opening(path))?;
        schema::check(&writer, path)?;
        let opened = begin(&writer, config).and_then(|()| verify(&writer)).and_then(|entries| {
            schema::renew(&writer)?;
            let reader = connect(config)?;
            reader.execute_batch("PRAGMA query_only = ON")?;
            // The writer closes last and empties the log; after a failure nobody does.
            leave_log(&reader)?;
            Ok((reader, entries))
        });
        let (reader, entries) = opened.map_err(|fault| fault.while_opening(path))?;
        Ok(Self { writer, reader, entries })
    }
}

/// Lets the log stand when the connection is closed, to be verified and recovered at the next opening.
pub(crate) fn leave_log(connection: &Connection) -> Result<(), Fault> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}

fn check_kind(mut file: &File, path: &Path) -> Result<(), Error> {
    let mut start = [0; MAGIC.len()];
    match file.read_exact(&mut start) {
        Ok(()) if start == *MAGIC => Ok(()),
        Ok(()) => {
            let message = format!(
                "`{}` is not an SQLite file, so it is not the store's or it is damaged: set `path` to another file, or \
                 restore it from a backup",
                path.display()
            );
            Err(Error::new(Code::PLUGIN_START_FAILED, message))
        }
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            let cut = Fault::Damaged("it is shorter than a file that the store makes".to_owned());
            Err(cut.while_opening(path))
        }
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let message =
        format!("cannot read `{}`: {error}; give the server's user the right to read it", path.display());
    Error::new(Code::PLUGIN_START_FAILED, message)
}

fn make(path: &Path) -> Result<(), Error> {
    let log = storage::beside(path, "-wal");
    if log.metadata().is_ok_and(|log| log.len() > 0) {
        let alone = Fault::Damaged(format!("it is missing, and `{}` is there", log.display()));
        return Err(alone.while_opening(path));
    }
    let unfinished = storage::beside(path, ".new");
    let failed = |what: &dyn std::fmt::Display| {
        let message = format!(
            "cannot make `{}`: {what}; free space, or set `path` to a place that the server may write",
            path.display()
        );
        Error::new(Code::PLUGIN_START_FAILED, message)
    };
    // One that a crash left half made.
    let _ = std::fs::remove_file(&unfinished);
    let made = Connection::open(&unfinished).map_err(Fault::from).and_then(|file| schema::create(&file));
    made.map_err(|fault| failed(&fault))?;
    let renamed = std::fs::rename(&unfinished, path).and_then(|()| storage::sync_folder_of(path));
    renamed.map_err(|error| failed(&error))
}

fn connect(config: &Config) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&config.path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.execute_batch(&format!(
        "PRAGMA cache_size = -{}; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; \
         PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
        config.cache_bytes / 1024
    ))?;
    Ok(connection)
}

/// Makes every commit wait for the disk, and bounds the log.
fn begin(connection: &Connection, config: &Config) -> Result<(), Fault> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::Damaged(format!("its journal is `{mode}` and cannot be changed to `wal`")));
    }
    let pages = log_pages_max(config.reserve_bytes);
    connection.execute_batch("PRAGMA synchronous = FULL;")?;
    connection.query_row(&format!("PRAGMA wal_autocheckpoint = {pages}"), [], |_| Ok(()))?;
    connection.query_row(&format!("PRAGMA journal_size_limit = {}", pages * 4096), [], |_| Ok(()))?;
    Ok(())
}

/// Reads everything and answers how many entries there are.
fn verify(connection: &Connection) -> Result<i64, Fault> {
    let checked: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if checked != "ok" {
        return Err(Fault::Damaged(format!("SQLite's check found: {checked}")));
    }
    let found = entries::verify(connection)?;
    let expected: i64 = connection.query_row("SELECT entries FROM header", [], |row| row.get(0))?;
    if found != expected {
        return Err(Fault::Damaged(format!("it holds {found} entries, expected {expected}")));
    }
    Ok(found)
}
