//! The plugin around the engine: manifest, configuration, ports, picture.

use std::sync::Arc;

use caxton_plugin::{Plugin, config, manifest::Manifest, testing::FakeHost};
use caxton_protocols::{Config, Protocols, picture::mermaid, tables};

const MANIFEST: &str = include_str!("../../plugin.json");

fn read(table: &str) -> Result<Config, caxton_plugin::Error> {
    config::read::<Config>(&Manifest::parse(MANIFEST)?, "protocols", table)
}

#[test]
fn offers_a_protocol_port_for_its_three_tokens() {
    let plugin = Arc::new(Protocols::create(FakeHost::new().host(), Config::default()).unwrap());
    let port = plugin.ports().protocol.unwrap();
    assert_eq!(port.protocols(), ["fipa-contract-net", "fipa-request", "fipa-cancel-meta-protocol"]);
}

#[test]
fn the_manifests_defaults_are_the_defaults() {
    let manifest = Manifest::parse(MANIFEST).unwrap();
    let properties = manifest.config.unwrap().properties;
    let table: serde_json::Map<_, _> =
        properties.into_iter().map(|(key, schema)| (key, schema["default"].clone())).collect();
    assert_eq!(table.len(), 11);
    assert_eq!(read(&serde_json::Value::Object(table).to_string()).unwrap(), Config::default());
}

#[test]
fn an_unknown_key_is_refused() {
    assert!(
        read(r#"{"decision_timeout":1}"#)
            .unwrap_err()
            .message()
            .contains("did you mean `decision_timeout_ms`")
    );
}

#[test]
fn a_time_of_zero_is_refused_with_its_key() {
    for (key, config) in [
        ("decision_timeout_ms", Config { decision_timeout_ms: 0, ..Config::default() }),
        ("reject_grace_ms", Config { reject_grace_ms: 0, ..Config::default() }),
    ] {
        let error = Protocols::create(FakeHost::new().host(), config).err().unwrap();
        assert!(error.message().contains(&format!("`{key}` is 0")), "{error}");
    }
}

#[test]
fn the_pictures_in_the_documentation_are_those_of_the_tables() {
    assert_eq!(mermaid(&tables::CONTRACT_NET), include_str!("../../docs/contract-net.mmd"));
    assert_eq!(mermaid(&tables::REQUEST), include_str!("../../docs/request.mmd"));
}
