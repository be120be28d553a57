//! The configuration: defaults suffice, and what is wrong is refused by name.

use caxton_abi::Code;
use serde_json::{Map, Value, json};

use super::{Bench, Report};
use crate::plugin::Failure;

const GROUP: &str = "configuration";
/// A key that no plugin has.
const UNKNOWN: &str = "caxton_test_no_such_key";

pub(super) async fn check(bench: &Bench, report: &mut Report) {
    let config = &bench.manifest().config;
    let name = "it is created with its defaults";
    let required = config.required.iter().map(|key| (key.clone(), bench.config.get(key).cloned()));
    let required: Option<Map<String, Value>> = required.map(|(key, value)| Some((key, value?))).collect();
    match required {
        None => report.skip(GROUP, name, 43, "it requires keys: give them with --set"),
        Some(required) => {
            let created = bench.create_with(required).await;
            let stopped = match created {
                Ok(instance) => instance.stop().await,
                Err(failure) => Err(failure),
            };
            report.add(GROUP, name, 43, stopped.map_err(|failure| failure.to_string()));
        }
    }
    let unknown = refuses(bench, UNKNOWN, json!(1)).await;
    report.add(GROUP, "a key that its manifest does not list is refused by name", 44, unknown);
    let mut wrong = Ok(());
    for (key, schema) in &config.properties {
        let value = match schema.get("type").and_then(Value::as_str) {
            Some("string") => json!(7),
            Some(_) => json!("caxton-test"),
            None => continue,
        };
        wrong = refuses(bench, key, value).await;
        if wrong.is_err() {
            break;
        }
    }
    report.add(GROUP, "a value of another type is refused with its key", 44, wrong);
}

/// Creates an instance with one wrong key.
async fn refuses(bench: &Bench, key: &str, value: Value) -> Result<(), String> {
    let mut config = bench.config.clone();
    config.insert(key.to_owned(), value.clone());
    match bench.create_with(config).await {
        Ok(instance) => {
            let _of_no_interest = instance.stop().await;
            Err(format!("it was created with `{key}` = {value}, expected {}", Code::PLUGIN_CONFIG_INVALID))
        }
        Err(Failure { code: Code::PLUGIN_CONFIG_INVALID, message, .. }) if message.contains(key) => Ok(()),
        Err(failure) => Err(format!(
            "with `{key}` = {value} it said: {failure}; expected {} and the key's name",
            Code::PLUGIN_CONFIG_INVALID
        )),
    }
}
