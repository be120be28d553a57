//! What the contract does not show: whose file it is, what the configuration says, how health and messages read.

use std::path::Path;

use caxton_plugin::{
    manifest::Manifest,
    testing::{FakeHost, block_on},
};
use serde_json::{Value, json};

use super::*;

fn config(folder: &Path) -> Config {
    Config { path: folder.join("data/store.sqlite"), reserve_bytes: RESERVE_BYTES_MIN, ..Config::default() }
}

fn created(config: Config) -> Sqlite {
    Sqlite::create(FakeHost::new().host(), config).unwrap()
}

fn started(config: Config) -> Sqlite {
    let store = created(config);
    block_on(store.start()).unwrap();
    store
}

fn refused(config: Config) -> Error {
    block_on(created(config).start()).unwrap_err()
}

fn put(key: &str, bytes: usize) -> StoreOp {
    let value = Payload::from(vec![7; bytes]);
    StoreOp { kind: caxton_plugin::store_op::PUT, key: key.as_bytes().to_vec().into(), value }
}

/// A file that the store made, changed by SQL.
fn changed(folder: &Path, sql: &str) -> Config {
    let config = config(folder);
    block_on(started(config.clone()).stop()).unwrap();
    Connection::open(&config.path).unwrap().execute_batch(sql).unwrap();
    config
}

#[test]
fn a_store_that_was_stopped_leaves_one_file_of_data_and_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = started(config(folder.path()));
    store.write(&[put("key", 100)]).unwrap();
    block_on(store.stop()).unwrap();
    let files = folder.path().join("data").read_dir().unwrap();
    let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["store.sqlite", "store.sqlite.lock", "store.sqlite.reserve"]);
    assert_eq!(store.write(&[]).unwrap_err().code(), Code::STORE_FAILED);
    assert!(started(config(folder.path())).get(b"key").unwrap().is_some());
}

#[test]
fn every_commit_waits_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&Config { path: folder.path().join("s"), ..Config::default() }).unwrap();
    let pragma = |name: &str| -> String {
        let sql = format!("PRAGMA {name}");
        database
            .writer
            .query_row(&sql, [], |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    };
    // 2 is FULL, 2 is INCREMENTAL.
    let found = ["journal_mode", "synchronous", "auto_vacuum", "wal_autocheckpoint"].map(pragma);
    assert_eq!(found, ["Text(\"wal\")", "Integer(2)", "Integer(2)", "Integer(1000)"]);
}

#[test]
fn refuses_a_newer_an_older_and_a_foreign_file() {
    let cases = [
        ("PRAGMA user_version = 3", "is of version 3, expected 2: install a newer server"),
        (
            "PRAGMA user_version = 0",
            "is of version 0, expected 2: start it once with the server that wrote it",
        ),
        (
            "PRAGMA application_id = 5",
            "belongs to another program (application id 0x00000005, expected 0x43587374)",
        ),
    ];
    for (sql, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let error = refused(changed(folder.path(), sql));
        assert_eq!(error.code(), Code::PLUGIN_START_FAILED, "{error}");
        assert!(error.message().contains(expected), "{error}");
    }
}

#[test]
fn goes_on_with_a_file_of_version_1_and_leaves_one_of_version_2() {
    let folder = tempfile::tempdir().unwrap();
    // As version 1 wrote it: the sum is FNV-1a.
    let sql = "PRAGMA user_version = 1; UPDATE header SET entries = 1; \
               INSERT INTO entries VALUES (x'6b', x'76', 5890733363502976241)";
    let store = started(changed(folder.path(), sql));
    assert_eq!(store.get(b"k").unwrap().unwrap().as_slice(), b"v");
    store.write(&[put("new", 1)]).unwrap();
    block_on(store.stop()).unwrap();
    let file = Connection::open(&store.config.path).unwrap();
    assert_eq!(file.query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0)).unwrap(), 2);
    drop(file);
    assert!(started(config(folder.path())).get(b"new").unwrap().is_some());
}

#[test]
fn refuses_a_file_that_is_not_sqlites_or_is_empty() {
    for (content, code, expected) in [
        ("text that is longer than a header", Code::PLUGIN_START_FAILED, "is not an SQLite file"),
        ("", Code::STORE_FAILED, "it is shorter than a file that the store makes"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        std::fs::write(&path, content).unwrap();
        let error = refused(Config { path, ..Config::default() });
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(expected), "{error}");
    }
}

#[test]
fn an_entry_that_is_missing_is_found_by_the_count() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(changed(folder.path(), "UPDATE header SET entries = 3"));
    assert!(error.message().contains("it holds 0 entries, expected 3"), "{error}");
}

#[test]
fn a_value_that_changed_is_found_when_it_is_read_and_ends_writing() {
    let folder = tempfile::tempdir().unwrap();
    let store = started(config(folder.path()));
    store.write(&[put("key", 10)]).unwrap();
    let other = Connection::open(&store.config.path).unwrap();
    other.execute_batch("UPDATE entries SET value = x'00'").unwrap();
    let error = store.get(b"key").unwrap_err();
    let expected = "the entry under the key 6b6579 has another checksum than it had";
    assert!(error.code() == Code::STORE_FAILED && error.message().contains(expected), "{error}");
    assert_eq!(store.write(&[put("new", 1)]).unwrap_err().code(), Code::STORE_FAILED);
    assert!(matches!(store.health(), Health::Degraded(reason) if reason.contains("6b6579")));
    assert!(store.reopen().unwrap_err().message().contains("6b6579"));
    other.execute_batch("DELETE FROM entries; UPDATE header SET entries = 0").unwrap();
    store.reopen().unwrap();
    assert_eq!((store.health(), store.write(&[put("new", 1)])), (Health::Running, Ok(())));
}

#[test]
fn a_log_without_its_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    std::fs::write(folder.path().join("store.sqlite-wal"), "x").unwrap();
    let error = refused(Config { path, ..Config::default() });
    assert!(error.message().contains("it is missing, and"), "{error}");
}

#[test]
fn without_room_for_the_reserve_it_starts_full_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // No file system has so much.
    let store = started(Config { reserve_bytes: u64::MAX / 4, ..config(folder.path()) });
    let error = store.write(&[put("key", 1)]).unwrap_err();
    assert!(error.code() == Code::STORE_FULL && error.is_retryable(), "{error}");
    let expected = "room for `reserve_bytes` (4611686018427387903) included, and it goes on by itself";
    assert!(error.message().ends_with(expected), "{error}");
    assert!(matches!(store.health(), Health::Degraded(reason) if reason.ends_with(expected)));
}

#[test]
fn a_large_value_does_not_leave_a_large_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = started(config(folder.path()));
    store.write(&[put("key", 20 << 20)]).unwrap();
    let log = folder.path().join("data/store.sqlite-wal").metadata().unwrap().len();
    assert!(log < 1 << 20, "{log}");
}

#[test]
fn refuses_settings_that_cannot_work() {
    for fault in [json!({"path": ""}), json!({"reserve_bytes": 1})] {
        let config: Config = serde_json::from_value(fault.clone()).unwrap();
        let refused = Sqlite::create(FakeHost::new().host(), config).map(|_| ());
        assert_eq!(refused.map_err(|error| error.code()), Err(Code::PLUGIN_CONFIG_INVALID), "{fault}");
    }
}

#[test]
fn refuses_unknown_configuration_keys() {
    assert!(serde_json::from_value::<Config>(json!({"file": "x"})).is_err());
}

#[test]
fn the_manifest_names_the_defaults() {
    let manifest = Manifest::parse(include_str!("../plugin.json")).unwrap();
    let properties = manifest.config.unwrap().properties;
    let defaults = properties.into_iter().map(|(key, schema)| (key, schema["default"].clone())).collect();
    let config: Config = serde_json::from_value(Value::Object(defaults)).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}
