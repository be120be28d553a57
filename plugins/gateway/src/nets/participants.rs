//! Who is called: names as they are, groups and capabilities as the agents that are active in them now.

use caxton_acl::Aid;
use caxton_plugin::{Code, Error, asking::full_name};
use serde::Deserialize;
use serde_json::json;

use crate::shared::Shared;

/// Most participants of one contract net; as many as a message may have receivers.
const PARTICIPANTS_MAX: usize = caxton_acl::limits::RECEIVERS_MAX;

/// What is read of the answer of `agents.list`.
#[derive(Deserialize)]
struct Agents {
    items: Vec<Agent>,
}

#[derive(Deserialize)]
struct Agent {
    name: String,
    state: String,
    #[serde(default)]
    capabilities: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
}

impl Agent {
    /// True when the agent is active and belongs to a group or has a capability, as written without a platform.
    fn belongs(&self, wanted: &str) -> bool {
        let has = |names: &[String], name: &str| names.iter().any(|known| known == name);
        self.state == "active"
            && match wanted.split_once(':') {
                Some(("group", "all")) => true,
                Some(("group", name)) => has(&self.groups, name),
                Some(("capability", name)) => has(&self.capabilities, name),
                _ => false,
            }
    }
}

/// The full names of the participants, each once, in the order given.
///
/// # Errors
/// When nobody is named or belongs to what is named, a name is not valid, or there are too many.
pub(crate) async fn expand(shared: &Shared, named: &[String]) -> Result<Vec<String>, Error> {
    let platform = format!("@{}", shared.host.platform());
    let collective = |name: &str| name.starts_with("group:") || name.starts_with("capability:");
    let agents = match named.iter().any(|name| collective(name)) {
        true => agents(shared).await?,
        false => Vec::new(),
    };
    let mut found: Vec<String> = Vec::new();
    for name in named {
        Aid::new(name.as_str())?;
        let local = name.strip_suffix(&platform).unwrap_or(name);
        let names = match collective(name) {
            true => {
                agents.iter().filter(|agent| agent.belongs(local)).map(|agent| agent.name.clone()).collect()
            }
            false => vec![full_name(&shared.host, name)],
        };
        found.extend(names);
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|name| seen.insert(name.clone()));
    match found.len() {
        0 if named.is_empty() => {
            Err(Error::new(Code::NO_RECEIVER, "`participants` is empty; name agents or a group"))
        }
        0 => Err(Error::new(Code::UNKNOWN_RECEIVER, format!("nobody belongs to `{}`", named.join("`, `")))),
        count if count > PARTICIPANTS_MAX => {
            let detail = format!("expected at most {PARTICIPANTS_MAX} participants, found {count}");
            Err(Error::new(Code::TOO_MANY_RECEIVERS, detail))
        }
        _ => Ok(found),
    }
}

/// The agents of the server and those that are attached here.
async fn agents(shared: &Shared) -> Result<Vec<Agent>, Error> {
    let verb = "agents.list";
    let limit = shared.config.request_timeout();
    let answer =
        tokio::time::timeout(limit, shared.host.invoke(verb, &json!({}))).await.map_err(|_| {
            let message = format!("`{verb}` gave no answer within {} ms", limit.as_millis());
            Error::new(Code::REPLY_TIMEOUT, message)
        })??;
    let agents: Agents = serde_json::from_value(answer).map_err(|error| {
        Error::new(Code::INTERNAL, format!("the server's answer to `{verb}` is not as expected: {error}"))
    })?;
    let attached = shared.attachments.list().into_iter().map(|attached| Agent {
        name: attached.name,
        state: "active".to_owned(),
        capabilities: attached.capabilities,
        groups: attached.groups,
    });
    Ok(agents.items.into_iter().chain(attached).collect())
}
