//! What the file says of itself, and the refusals of files that are not ours or not of this version.

use std::path::Path;

use caxton_plugin::{Code, Error};
use rusqlite::Connection;

use crate::fault::Fault;

/// `CXst`, in the file's header: what `file` and SQLite's tools show.
const APPLICATION_ID: i32 = 0x4358_7374;
/// The version of the file: since 2, entries have a checksum that takes eight bytes at a step.
const SCHEMA_VERSION: i32 = 2;
/// The oldest version that this one goes on with; entries of it are read as they are.
const SCHEMA_VERSION_MIN: i32 = 1;
/// Oldest SQLite without the race between a checkpoint and a writer that could lose a commit (fixed in 3.51.3).
const ENGINE_MIN: i32 = 3_051_003;

/// The reserve's promise needs a file that can shrink, hence `auto_vacuum`; it can only be set on an empty file.
const CREATE: &str = "
    PRAGMA auto_vacuum = INCREMENTAL;
    BEGIN;
    CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE header (one INTEGER PRIMARY KEY CHECK (one = 1), entries INTEGER NOT NULL);
    INSERT INTO header VALUES (1, 0);
    PRAGMA application_id = 1129870196;
    PRAGMA user_version = 2;
    COMMIT;
";

/// Refuses an SQLite that could lose a commit.
///
/// # Errors
/// [`Code::PLUGIN_CREATE_FAILED`] with both versions.
pub(crate) fn check_engine() -> Result<(), Error> {
    if rusqlite::version_number() >= ENGINE_MIN {
        return Ok(());
    }
    let message = format!(
        "the library has SQLite {}, expected 3.51.3 or newer, which does not lose commits: build it with the bundled one",
        rusqlite::version()
    );
    Err(Error::new(Code::PLUGIN_CREATE_FAILED, message))
}

/// Makes the tables in an empty file.
pub(crate) fn create(connection: &Connection) -> Result<(), Fault> {
    Ok(connection.execute_batch(CREATE)?)
}

/// Refuses files of other programs and of other versions.
///
/// # Errors
/// [`Code::PLUGIN_START_FAILED`] for those, [`Code::STORE_FAILED`] for what cannot be read.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<(), Error> {
    let pragma = |name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0)).map_err(Fault::from)
    };
    let found = pragma("application_id").and_then(|id| Ok((id, pragma("user_version")?)));
    let (id, version) = found.map_err(|fault| fault.while_opening(path))?;
    let wrong = match (id, version) {
        (APPLICATION_ID, SCHEMA_VERSION_MIN..=SCHEMA_VERSION) => return Ok(()),
        (APPLICATION_ID, newer) if newer > SCHEMA_VERSION => {
            format!("is of version {newer}, expected {SCHEMA_VERSION}: install a newer server")
        }
        (APPLICATION_ID, older) => {
            format!(
                "is of version {older}, expected {SCHEMA_VERSION}: start it once with the server that wrote it"
            )
        }
        (foreign, _) => format!(
            "belongs to another program (application id {foreign:#010x}, expected {APPLICATION_ID:#010x}): \
             set `path` to a file of the store's own"
        ),
    };
    Err(Error::new(Code::PLUGIN_START_FAILED, format!("`{}` {wrong}", path.display())))
}

/// Says that entries of this version are in the file, so that older servers refuse it.
pub(crate) fn renew(connection: &Connection) -> Result<(), Fault> {
    let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version < SCHEMA_VERSION {
        connection.execute_batch(&format!("PRAGMA user_version = {SCHEMA_VERSION}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_says_whose_it_is() {
        let connection = Connection::open_in_memory().unwrap();
        create(&connection).unwrap();
        assert_eq!(check(&connection, Path::new("x")), Ok(()));
    }

    #[test]
    fn the_bundled_engine_is_new_enough() {
        assert_eq!(check_engine(), Ok(()));
    }
}
