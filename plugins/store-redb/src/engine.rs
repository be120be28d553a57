//! redb itself: opening and verifying the file, one transaction, reads from a snapshot.
//!
//! A new file is made under another name and renamed when it is whole, so a file that is empty or half made was never
//! the store's, and is refused.

use std::{fs::File, io, io::Read, ops::Bound, path::Path};

use caxton_plugin::{Payload, StoreEntry, StoreOp, storage, store_op};
use redb::{Builder, Database, Durability, ReadableDatabase, TableDefinition, TableError};

use crate::fault::Fault;

const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
/// What the file says of itself.
const HEADER: TableDefinition<'_, &str, u64> = TableDefinition::new("caxton-store");
/// The version of the tables, in the header.
const VERSION: (&str, u64) = ("version", 1);
/// The first bytes of every redb file.
const MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// Most entries that a read makes room for beforehand.
const ROOM_ENTRIES: u32 = 1024;

/// Opens, verifies and, when there is none, makes the file.
///
/// # Errors
/// When it belongs to another program or version, is damaged, or cannot be read.
pub(crate) fn open(path: &Path, cache_bytes: usize) -> Result<Database, Fault> {
    match File::open(path) {
        Ok(file) => check_kind(file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
        Err(error) => return Err(error.into()),
    }
    let mut database = Builder::new().set_cache_size(cache_bytes).open(path)?;
    check_version(&database)?;
    // Reads every page and compares its checksum.
    if database.check_integrity()? {
        return Ok(database);
    }
    let what = "it was damaged and redb mended it, so its last transaction may be missing: start again to go on with what \
                is there";
    Err(Fault::Damaged(what.to_owned()))
}

fn check_kind(mut file: File) -> Result<(), Fault> {
    let mut start = [0; MAGIC.len()];
    match file.read_exact(&mut start) {
        Ok(()) if start == *MAGIC => Ok(()),
        Ok(()) => Err(Fault::Foreign(
            "is not a redb file, so it is not the store's or it is damaged: set `path` to another file, or restore it from \
             a backup"
                .to_owned(),
        )),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Fault::Damaged("it is shorter than a file that the store makes".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

fn make(path: &Path) -> Result<(), Fault> {
    let unfinished = storage::beside(path, ".new");
    // One that a crash left half made.
    let _ = std::fs::remove_file(&unfinished);
    let database = Database::create(&unfinished)?;
    let transaction = database.begin_write()?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(HEADER)?.insert(VERSION.0, VERSION.1)?;
    transaction.commit()?;
    drop(database);
    std::fs::rename(&unfinished, path)?;
    Ok(storage::sync_folder_of(path)?)
}

fn check_version(database: &Database) -> Result<(), Fault> {
    let foreign = || {
        let what = "belongs to another program: set `path` to a file of the store's own";
        Fault::Foreign(what.to_owned())
    };
    let header = match database.begin_read()?.open_table(HEADER) {
        Ok(header) => header,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Err(foreign()),
    };
    let expected = VERSION.1;
    match header.get(VERSION.0)?.map(|version| version.value()) {
        Some(version) if version == expected => Ok(()),
        Some(newer) if newer > expected => {
            Err(Fault::Foreign(format!("is of version {newer}, expected {expected}: install a newer server")))
        }
        Some(older) => Err(Fault::Foreign(format!(
            "is of version {older}, expected {expected}: start it once with the server that wrote it"
        ))),
        None => Err(foreign()),
    }
}

/// Applies changes as one transaction and returns when they are on the disk.
pub(crate) fn apply(database: &Database, changes: &[StoreOp]) -> Result<(), Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate).map_err(|error| Fault::Damaged(error.to_string()))?;
    let mut entries = transaction.open_table(ENTRIES)?;
    for change in changes {
        let (key, value) = (change.key.as_slice(), change.value.as_slice());
        match change.kind {
            store_op::PUT => drop(entries.insert(key, value)?),
            store_op::REMOVE => drop(entries.remove(key)?),
            _ if key < value => entries.retain_in(key..value, |_, _| false)?,
            _ => {}
        }
    }
    drop(entries);
    Ok(transaction.commit()?)
}

/// The value under a key.
pub(crate) fn get(database: &Database, key: &[u8]) -> Result<Option<Payload>, Fault> {
    let entries = database.begin_read()?.open_table(ENTRIES)?;
    Ok(entries.get(key)?.map(|value| Payload::from(value.value())))
}

/// Entries in order; see [`caxton_plugin::Store::read`].
pub(crate) fn read(
    database: &Database,
    from: &[u8],
    until: &[u8],
    entries_max: u32,
    bytes_max: u64,
) -> Result<Vec<StoreEntry>, Fault> {
    let mut found = Vec::with_capacity(entries_max.min(ROOM_ENTRIES) as usize);
    if !until.is_empty() && until <= from {
        return Ok(found);
    }
    let end = if until.is_empty() { Bound::Unbounded } else { Bound::Excluded(until) };
    let entries = database.begin_read()?.open_table(ENTRIES)?;
    let mut bytes = 0;
    for entry in entries.range::<&[u8]>((Bound::Included(from), end))?.take(entries_max as usize) {
        let (key, value) = entry?;
        bytes += value.value().len() as u64;
        found.push(StoreEntry { key: key.value().to_vec().into(), value: Payload::from(value.value()) });
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(found)
}

/// Moves entries to the front of the file and cuts off what is behind them.
pub(crate) fn compact(database: &mut Database) -> Result<(), Fault> {
    database.compact()?;
    Ok(())
}
