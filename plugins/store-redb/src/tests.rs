//! What the contract does not show: whose file it is, what the configuration says, how health and messages read.

use std::path::Path;

use caxton_plugin::{
    manifest::Manifest,
    testing::{FakeHost, block_on},
};
use redb::TableDefinition;
use serde_json::{Value, json};

use super::*;

fn config(folder: &Path) -> Config {
    Config { path: folder.join("data/store.redb"), reserve_bytes: RESERVE_BYTES_MIN, ..Config::default() }
}

fn created(config: Config) -> Redb {
    Redb::create(FakeHost::new().host(), config).unwrap()
}

fn started(config: Config) -> Redb {
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

#[test]
fn a_store_that_was_stopped_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = started(config(folder.path()));
    store.write(&[put("key", 100)]).unwrap();
    block_on(store.stop()).unwrap();
    assert_eq!(store.write(&[]).unwrap_err().code(), Code::STORE_FAILED);
    assert!(started(config(folder.path())).get(b"key").unwrap().is_some());
}

#[test]
fn refuses_a_newer_an_older_and_a_foreign_file() {
    let cases = [
        (Some(2), "is of version 2, expected 1: install a newer server"),
        (Some(0), "is of version 0, expected 1: start it once with the server that wrote it"),
        (None, "belongs to another program: set `path` to a file of the store's own"),
    ];
    for (version, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let database = Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        if let Some(version) = version {
            let header: TableDefinition<'_, &str, u64> = TableDefinition::new("caxton-store");
            transaction.open_table(header).unwrap().insert("version", version).unwrap();
        }
        transaction.commit().unwrap();
        drop(database);
        let error = refused(Config { path, ..Config::default() });
        assert_eq!(error.code(), Code::PLUGIN_START_FAILED, "{error}");
        assert!(error.message().contains(expected), "{error}");
    }
}

#[test]
fn refuses_a_file_that_is_not_redbs_or_is_empty() {
    for (content, code, expected) in [
        ("text that is longer than a header", Code::PLUGIN_START_FAILED, "is not a redb file"),
        ("", Code::STORE_FAILED, "it is shorter than a file that the store makes"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        std::fs::write(&path, content).unwrap();
        let error = refused(Config { path, ..Config::default() });
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(expected), "{error}");
    }
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
fn refuses_settings_that_cannot_work() {
    for fault in [json!({"path": ""}), json!({"reserve_bytes": 1})] {
        let config: Config = serde_json::from_value(fault.clone()).unwrap();
        let refused = Redb::create(FakeHost::new().host(), config).map(|_| ());
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
