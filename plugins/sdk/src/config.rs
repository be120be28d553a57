//! From the operator's table to the author's configuration type: unknown keys refused, the place named.
//!
//! The server hands the table over as JSON. Keys that the manifest's `config.properties` does not list are refused here
//! even where the author's type would ignore them; nested keys are the author's type's business, which should say
//! `#[serde(deny_unknown_fields, default)]`.

use caxton_abi::Code;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Error, manifest::Manifest};

/// A configuration without keys.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Reads an instance's table.
///
/// # Errors
/// [`Code::PLUGIN_CONFIG_INVALID`], with the key's path and the nearest known key.
pub fn read<C: DeserializeOwned>(manifest: &Manifest, instance: &str, table: &str) -> Result<C, Error> {
    let table = if table.is_empty() { "{}" } else { table };
    let refuse = |path: &str, why: String| {
        let place = if path == "." { String::new() } else { format!("key `{path}`: ") };
        let message = format!("configuration of plugin `{instance}`: {place}{why}");
        Error::new(Code::PLUGIN_CONFIG_INVALID, message)
            .with_detail(serde_json::json!({"instance": instance, "path": path}))
    };
    let value: Value = serde_json::from_str(table).map_err(|error| refuse(".", error.to_string()))?;
    let known = manifest.config.as_ref().map(|config| &config.properties);
    if let (Some(known), Some(keys)) = (known, value.as_object())
        && let Some(unknown) = keys.keys().find(|key| !known.contains_key(*key))
    {
        let hint = nearest(unknown, known.keys().map(String::as_str));
        return Err(refuse(unknown, format!("there is no such key{hint}")));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let text = error.into_inner().to_string();
        let hint = unknown_of(&text).map(|(key, known)| nearest(key, known.into_iter()));
        refuse(&path, text.clone() + &hint.unwrap_or_default())
    })
}

/// The key that was probably meant, as the end of a sentence; all keys when none is near.
fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let best = known
        .iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(key, candidate), *candidate))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((_, candidate)) => format!("; did you mean `{candidate}`?"),
        None if known.is_empty() => "; the plugin has no configuration keys".to_owned(),
        None => format!("; known keys: {}", known.join(", ")),
    }
}

/// Takes serde's sentence on an unknown field apart: the field and the known ones.
fn unknown_of(text: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = text.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let key = quoted.next()?;
    Some((key, quoted.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Config {
        name: String,
        limits: Limits,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Limits {
        depth: u32,
    }

    impl Default for Config {
        fn default() -> Self {
            Self { name: "echo".to_owned(), limits: Limits::default() }
        }
    }

    fn manifest() -> Manifest {
        Manifest::parse(
            r#"{"name":"echo","version":"1.0.0","config":{"properties":{"name":{"type":"string"},"limits":{}}}}"#,
        )
        .unwrap()
    }

    fn refusal(table: &str) -> String {
        let error = read::<Config>(&manifest(), "echo", table).unwrap_err();
        assert_eq!(error.code(), Code::PLUGIN_CONFIG_INVALID);
        error.message().to_owned()
    }

    #[test]
    fn an_empty_table_gives_the_defaults() {
        assert_eq!(read::<Config>(&manifest(), "echo", "").unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        assert_eq!(
            refusal(r#"{"nmae":"x"}"#),
            "configuration of plugin `echo`: key `nmae`: there is no such key; did you mean `name`?"
        );
    }

    #[test]
    fn a_key_that_is_near_to_none_is_refused_with_all() {
        assert!(refusal(r#"{"zzz":1}"#).ends_with("known keys: limits, name"));
    }

    #[test]
    fn a_nested_key_is_named_with_its_path() {
        let text = refusal(r#"{"limits":{"dpeth":1}}"#);
        assert!(text.contains("key `limits.dpeth`"), "{text}");
        assert!(text.ends_with("did you mean `depth`?"), "{text}");
    }

    #[test]
    fn a_wrong_type_is_named_with_its_path() {
        let text = refusal(r#"{"limits":{"depth":"deep"}}"#);
        assert!(text.contains("key `limits.depth`: invalid type: string"), "{text}");
    }

    #[test]
    fn no_config_takes_nothing() {
        let manifest = Manifest::parse(r#"{"name":"x","version":"1.0.0"}"#).unwrap();
        assert!(read::<NoConfig>(&manifest, "x", "{}").is_ok());
        let error = read::<NoConfig>(&manifest, "x", r#"{"a":1}"#).unwrap_err();
        assert!(error.message().ends_with("the plugin has no configuration keys"), "{error}");
    }
}
