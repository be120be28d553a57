//! Which operations the server answers itself, and which it hands to a plugin: the family of a verb, the text before its
//! first dot, decides.
//!
//! A family that the server has is never a plugin's. What a plugin answers, refuses or adds as detail reaches the caller
//! as it is.

use std::sync::Arc;

use caxton_abi::{Code, Payload};

use super::{Admin, Refused};

/// The families that the server answers itself.
pub const OWN: [&str; 8] =
    ["server", "components", "agents", "plugins", "conversations", "dead-letters", "events", "logs"];

/// The families that the plugin `gateway` is known for.
const GATEWAYS: [&str; 3] = ["jobs", "attachments", "contract-nets"];

/// The longest name of a family.
const FAMILY_BYTES_MAX: usize = 64;

/// True for what can be the name of a family: lower-case letters, digits and dashes.
pub fn is_family(text: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=FAMILY_BYTES_MAX).contains(&text.len()) && text.chars().all(good)
}

impl Admin {
    /// Runs an operation, of the server or of a plugin. Dropping the future gives a plugin's operation up.
    ///
    /// # Errors
    /// [`Code::CONTROL_UNKNOWN_VERB`], [`Code::CONTROL_REQUEST_INVALID`], or the operation's own refusal.
    pub async fn invoke(self: &Arc<Self>, verb: &str, request: Payload) -> Result<Payload, Refused> {
        let Some((family, _)) = verb.split_once('.') else { return Err(unknown(verb)) };
        if OWN.contains(&family) {
            return self.operate(verb, request.as_slice()).await.map(Payload::from);
        }
        let instance = self.readiness.serving(family).ok_or_else(|| not_offered(verb, family))??;
        Ok(instance.serve(verb, request, self.readiness.stops()).await?)
    }
}

/// The answer to a verb that nobody has.
pub(super) fn unknown(verb: &str) -> Refused {
    let verb = verb.escape_default();
    Refused::new(Code::CONTROL_UNKNOWN_VERB, format!("there is no operation `{verb}`"))
}

fn not_offered(verb: &str, family: &str) -> Refused {
    let text = match GATEWAYS.contains(&family) {
        true => format!(
            "there is no operation `{}`: no plugin offers `{family}`, configure the plugin `gateway`",
            verb.escape_default()
        ),
        false => format!(
            "there is no operation `{}`: neither the server nor a plugin offers `{}`",
            verb.escape_default(),
            family.escape_default()
        ),
    };
    Refused::new(Code::CONTROL_UNKNOWN_VERB, text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        admin::{PluginDocument, PluginView, bench::bench},
        plugin::{Failure, Instance},
    };

    /// A configured plugin that lists `jobs` and does not run.
    struct Failed;

    impl PluginView for Failed {
        fn view(&self) -> PluginDocument {
            panic!("it is not asked")
        }
        fn serves(&self, family: &str) -> Option<Result<Arc<Instance>, Failure>> {
            (family == "jobs").then(|| Err(Failure::new(Code::PLUGIN_UNAVAILABLE, "it failed")))
        }
    }

    #[tokio::test]
    async fn the_family_of_a_verb_says_who_answers_it() {
        let bench = bench();
        let code = async |verb: &str| bench.ask(verb, json!({})).await.map_err(|refused| refused.code);
        assert!(code("agents.list").await.is_ok());
        for verb in ["agents.fly", "jobs.get", "cars.drive", "agents", "", "handover", ".x"] {
            assert_eq!(code(verb).await, Err(Code::CONTROL_UNKNOWN_VERB), "{verb}");
        }
        bench.admin.readiness.add(Arc::new(Failed));
        assert_eq!(code("jobs.get").await, Err(Code::PLUGIN_UNAVAILABLE));
        assert_eq!(code("attachments.open").await, Err(Code::CONTROL_UNKNOWN_VERB));
        assert_eq!(code("agents.fly").await, Err(Code::CONTROL_UNKNOWN_VERB));
    }

    #[test]
    fn a_family_is_a_short_word() {
        assert!(OWN.iter().chain(&GATEWAYS).all(|family| is_family(family)));
        let long = "a".repeat(FAMILY_BYTES_MAX + 1);
        assert!(["", "Jobs", "a.b", "a b", &long].iter().all(|family| !is_family(family)));
    }

    #[test]
    fn what_the_gateway_offers_is_said_to_be_its() {
        let refused = not_offered("jobs.create", "jobs");
        assert_eq!(refused.code, Code::CONTROL_UNKNOWN_VERB);
        assert!(refused.message.ends_with("configure the plugin `gateway`"), "{refused}");
        assert!(not_offered("cars.drive", "cars").message.ends_with("offers `cars`"));
    }
}
