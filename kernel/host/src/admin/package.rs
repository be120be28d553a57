//! Packages: components that carry an agent's manifest.
//!
//! What a deployment leaves out comes from the package. Where both speak, the deployment may ask for less than the package
//! names and never for more; a key that the package leaves out is the deployment's alone.

use caxton_abi::Code;
use caxton_core::Bus;
use caxton_runtime::CompiledComponent;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    Admin, Refused,
    agents::{CONFIG_BYTES_MAX, full_name, words},
    documents::{ManifestLimits, Restart},
};

/// Bytes of a package's version.
const VERSION_BYTES_MAX: usize = 64;

/// The keys in which a deployment may ask for a part of what the package names.
const LISTS: [&str; 3] = ["capabilities", "groups", "grants"];
/// The keys that a deployment takes from the package as they are.
const WHOLE: [&str; 3] = ["name", "restart", "config"];

/// The manifest inside of a component.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Package {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<ManifestLimits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart: Option<Restart>,
    /// The delivery class in which its author means it to be asked: for people and tools, the server does not use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<Class>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Map<String, Value>>,
}

/// A delivery class by its name.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Class {
    Volatile,
    Acked,
    Durable,
}

impl Package {
    /// Reads the package of a component, if it has one.
    ///
    /// # Errors
    /// [`Code::PACKAGE_INVALID`], naming the key.
    pub(super) fn of(bus: &Bus, compiled: &CompiledComponent) -> Result<Option<Self>, Refused> {
        compiled.info().package.as_deref().map(|bytes| Self::read(bus, bytes)).transpose()
    }

    fn read(bus: &Bus, bytes: &[u8]) -> Result<Self, Refused> {
        let invalid = |why: String| {
            Refused::new(Code::PACKAGE_INVALID, format!("the manifest inside of the component: {why}"))
        };
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(invalid("expected a JSON object".to_owned()));
        }
        let package: Self = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        package.check(bus).map_err(|refused| invalid(refused.message))?;
        Ok(package)
    }

    fn check(&self, bus: &Bus) -> Result<(), Refused> {
        let wrong = |message: String| Err(Refused::new(Code::PACKAGE_INVALID, message));
        if let Some(name) = &self.name {
            full_name(bus, name)?;
            if name.contains(['@', ':']) {
                return wrong(format!("`name` is {name:?}, expected a name without platform and scheme"));
            }
        }
        let plain = |text: &String| {
            (1..=VERSION_BYTES_MAX).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
        };
        if let Some(version) = self.version.as_ref().filter(|version| !plain(version)) {
            return wrong(format!(
                "`version` is {version:?}, expected 1 to {VERSION_BYTES_MAX} characters without blanks"
            ));
        }
        words(self.capabilities.as_deref().unwrap_or_default(), "capabilities")?;
        words(self.groups.as_deref().unwrap_or_default(), "groups")?;
        words(self.grants.as_deref().unwrap_or_default(), "grants")?;
        self.limits.iter().try_for_each(ManifestLimits::check)?;
        let config = self.config.as_ref().and_then(|config| serde_json::to_vec(config).ok());
        match config.map(|config| config.len()).filter(|bytes| *bytes > CONFIG_BYTES_MAX) {
            Some(bytes) => wrong(format!("`config` has {bytes} bytes, the limit is {CONFIG_BYTES_MAX}")),
            None => Ok(()),
        }
    }

    /// Lays a deployment over the package.
    ///
    /// # Errors
    /// [`Code::PACKAGE_WIDENED`] with what the deployment asks for beyond the package.
    fn complete(&self, asked: &mut Map<String, Value>) -> Result<(), Refused> {
        let packed = match serde_json::to_value(self) {
            Ok(Value::Object(packed)) => packed,
            _ => Map::new(),
        };
        for key in LISTS {
            let (Some(allowed), Some(wanted)) = (packed.get(key), asked.get(key)) else { continue };
            // What is no list of texts is refused when the manifest is read.
            let (allowed, wanted) = (allowed.as_array(), wanted.as_array());
            let allows = |word: &&Value| !allowed.is_some_and(|allowed| allowed.contains(word));
            if let Some(word) = wanted.and_then(|wanted| wanted.iter().find(allows)) {
                return Err(widened(&format!("`{key}` has {word}"), &packed, key));
            }
        }
        let limits = packed.get("limits").and_then(Value::as_object);
        if let (Some(allowed), Some(wanted)) = (limits, asked.get("limits").and_then(Value::as_object)) {
            let above = |(key, value): &(&String, &Value)| {
                let max = allowed.get(*key).and_then(Value::as_u64);
                max.zip(value.as_u64()).is_some_and(|(max, value)| value > max)
            };
            if let Some((key, value)) = wanted.iter().find(above) {
                return Err(widened(&format!("`limits.{key}` is {value}"), allowed, key));
            }
        }
        for key in LISTS.iter().chain(&WHOLE) {
            take(&packed, asked, key);
        }
        if let Some(limits) = limits {
            let own = asked.entry("limits").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(own) = own {
                limits.keys().for_each(|key| take(limits, own, key));
            }
        }
        Ok(())
    }
}

/// Takes a key that was not asked for; null is not asked for.
fn take(packed: &Map<String, Value>, asked: &mut Map<String, Value>, key: &str) {
    let absent = asked.get(key).is_none_or(Value::is_null);
    if let Some(value) = packed.get(key).filter(|value| absent && !value.is_null()) {
        asked.insert(key.to_owned(), value.clone());
    }
}

fn widened(what: &str, packed: &Map<String, Value>, key: &str) -> Refused {
    let allowed = packed.get(key).map(ToString::to_string).unwrap_or_default();
    Refused::new(Code::PACKAGE_WIDENED, format!("{what}, the component's package allows {allowed}"))
}

impl Admin {
    /// Reads a deployment's manifest, completed by the package of its component.
    pub(super) fn manifest<T: DeserializeOwned>(&self, mut asked: Map<String, Value>) -> Result<T, Refused> {
        let component = asked.get("component").and_then(Value::as_str);
        // A component that is not stored is refused when the manifest is carried out.
        if let Some(compiled) = component.and_then(|digest| self.components.find(digest).ok())
            && let Some(package) = Package::of(&self.bus, &compiled)?
        {
            package.complete(&mut asked)?;
        }
        serde_json::from_value(Value::Object(asked))
            .map_err(|error| Refused::new(Code::CONTROL_REQUEST_INVALID, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::{bench::bench, documents::Manifest};

    fn read(package: Value) -> Result<Package, Refused> {
        Package::read(&bench().admin.bus, package.to_string().as_bytes())
    }

    fn complete(package: Value, asked: Value) -> Result<Value, Refused> {
        let Value::Object(mut asked) = asked else { panic!("{asked}") };
        read(package).unwrap().complete(&mut asked)?;
        // What is complete is a manifest.
        serde_json::from_value::<Manifest>(Value::Object(asked.clone())).unwrap();
        Ok(Value::Object(asked))
    }

    #[test]
    fn what_a_deployment_leaves_out_comes_from_the_package() {
        let package = json!({"name": "greeter", "version": "1.2.0", "capabilities": ["greet", "wave"], "class": "acked",
            "limits": {"turn-ms-max": 100, "mailbox-messages-max": 9}, "restart": "never", "config": {"a": 1}});
        let asked = json!({"component": "sha256:x", "capabilities": ["greet"], "limits": {"turn-ms-max": 50},
            "config": {"b": 2}});
        assert_eq!(
            complete(package.clone(), asked).unwrap(),
            json!({"component": "sha256:x", "name": "greeter", "capabilities": ["greet"], "config": {"b": 2},
                "limits": {"turn-ms-max": 50, "mailbox-messages-max": 9}, "restart": "never"})
        );
        let bare = complete(package, json!({"name": "other", "config": null})).unwrap();
        assert_eq!((&bare["name"], &bare["config"]), (&json!("other"), &json!({"a": 1})));
        assert_eq!(bare["capabilities"], json!(["greet", "wave"]));
    }

    #[test]
    fn a_deployment_asks_for_no_more_than_the_package_names() {
        let package = json!({"capabilities": ["greet"], "grants": [], "groups": ["a"], "limits": {"memory-bytes-max": 1000}});
        for (asked, what) in [
            (
                json!({"capabilities": ["greet", "fly"]}),
                "`capabilities` has \"fly\", the component's package allows [\"greet\"]",
            ),
            (
                json!({"grants": ["wasi:http"]}),
                "`grants` has \"wasi:http\", the component's package allows []",
            ),
            (json!({"groups": ["b"]}), "`groups` has \"b\", the component's package allows [\"a\"]"),
            (
                json!({"limits": {"memory-bytes-max": 1001}}),
                "`limits.memory-bytes-max` is 1001, the component's package allows 1000",
            ),
        ] {
            let refused = complete(package.clone(), asked).unwrap_err();
            assert_eq!((refused.code, refused.message.as_str()), (Code::PACKAGE_WIDENED, what));
        }
        let silent = complete(json!({}), json!({"groups": ["b"], "limits": {"turn-ms-max": 5}})).unwrap();
        assert_eq!(silent["groups"], json!(["b"]));
    }

    #[test]
    fn a_package_that_is_not_valid_names_the_key() {
        for (package, key) in [
            (json!({"capabilites": []}), "capabilites"),
            (json!({"component": "sha256:x"}), "component"),
            (json!({"name": "a b"}), "a b"),
            (json!({"name": "group:x"}), "`name`"),
            (json!({"version": ""}), "`version`"),
            (json!({"groups": ["a:b"]}), "`groups`"),
            (json!({"limits": {"turn-ms-max": 0}}), "`limits.turn-ms-max`"),
            (json!({"limits": {"turns": 1}}), "turns"),
            (json!({"class": "fast"}), "fast"),
            (json!({"config": 1}), "expected a map"),
            (json!([]), "expected a JSON object"),
        ] {
            let refused = read(package).map(|_| key).unwrap_err();
            assert_eq!(refused.code, Code::PACKAGE_INVALID, "{key}");
            assert!(refused.message.contains(key), "{key}: {refused}");
        }
    }
}
