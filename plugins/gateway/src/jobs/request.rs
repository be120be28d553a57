//! The requests on jobs, checked.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use caxton_acl::{Aid, Performative, limits, params};
use caxton_plugin::{
    Code, Error, Payload,
    asking::{TIMEOUT_MS, delivery, full_name},
    class,
};
use serde::Deserialize;

use super::job::{Order, State, Task};
use crate::{
    document::{base64, invalid, within},
    shared::Shared,
};

/// The protocol of a request, so that the loss of the agent is told at once and not by the end of the waiting.
const PROTOCOL: &str = "fipa-request";
/// How many items run at a time when nobody says.
const CONCURRENCY: usize = 16;
/// How long what is over is kept when nobody says.
const TTL_MS: u64 = 3_600_000;
/// Characters of an item's key.
const KEY_CHARS_MAX: usize = 256;

/// `jobs.create`.
#[derive(Deserialize, Hash)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Create {
    agent: String,
    items: Vec<Item>,
    #[serde(default)]
    performative: Option<String>,
    #[serde(default)]
    protocol: Option<String>,
    #[serde(default)]
    class: Option<String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    concurrency: Option<usize>,
    #[serde(default)]
    ttl_ms: Option<u64>,
    #[serde(default)]
    pub(super) id: Option<String>,
}

#[derive(Deserialize, Hash)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Item {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    content_base64: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

/// A job by its id.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) id: String,
}

/// `jobs.list`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    #[serde(default)]
    pub(super) limit: Option<usize>,
}

/// `jobs.get`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Get {
    pub(super) id: String,
    #[serde(default)]
    pub(super) version: Option<u64>,
    #[serde(default)]
    pub(super) wait_ms: Option<u64>,
}

/// `jobs.results`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Results {
    pub(super) id: String,
    #[serde(default)]
    pub(super) after: u64,
    #[serde(default)]
    pub(super) limit: Option<usize>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    pub(super) wait_ms: Option<u64>,
}

impl Results {
    /// The state that the results are to have.
    pub(super) fn state(&self) -> Result<Option<State>, Error> {
        let Some(text) = self.state.as_deref() else { return Ok(None) };
        let ended = [State::Done, State::Failed, State::Cancelled];
        ended.into_iter().find(|state| state.as_str() == text).map(Some).ok_or_else(|| {
            let shown: String = text.chars().take(limits::SHOWN_CHARS_MAX).collect();
            invalid(format!("in `state`: expected done, failed or cancelled, found {shown:?}"))
        })
    }
}

impl Create {
    /// What is asked, and of whom.
    pub(super) fn order(self, shared: &Shared) -> Result<(Order, Vec<Task>), Error> {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let config = &shared.config;
        Aid::new(self.agent.as_str())?;
        let performative = match self.performative.as_deref() {
            Some(text) => text.parse()?,
            None => Performative::Request,
        };
        let default = (performative == Performative::Request).then(|| PROTOCOL.to_owned());
        let timeout_ms = self.timeout_ms.unwrap_or(TIMEOUT_MS.min(config.ask_timeout_ms_max));
        let concurrency = self.concurrency.unwrap_or(CONCURRENCY.min(config.concurrency_max));
        let ttl_ms = self.ttl_ms.unwrap_or(TTL_MS.min(config.ttl_ms_max));
        let order = Order {
            agent: full_name(&shared.host, &self.agent),
            performative,
            protocol: self.protocol.or(default),
            class: self.class.as_deref().map_or(Ok(class::VOLATILE), delivery::parse)?,
            timeout_ms: within("timeout-ms", timeout_ms, 1, config.ask_timeout_ms_max)?,
            concurrency: within("concurrency", concurrency as u64, 1, config.concurrency_max as u64)?
                as usize,
            ttl_ms: within("ttl-ms", ttl_ms, 0, config.ttl_ms_max)?,
            digest: hasher.finish(),
        };
        let count = self.items.len();
        if count == 0 || count > config.job_items_max {
            let max = config.job_items_max;
            return Err(invalid(format!("`items` has {count} items, expected 1 to {max} (job_items_max)")));
        }
        let tasks = self.items.into_iter().enumerate().map(|(index, item)| item.task(index));
        Ok((order, tasks.collect::<Result<_, Error>>()?))
    }
}

impl Item {
    fn task(self, index: usize) -> Result<Task, Error> {
        let place =
            |error: Error| Error::new(error.code(), format!("in `items[{index}]`: {}", error.message()));
        self.read(index).map_err(place)
    }

    fn read(self, index: usize) -> Result<Task, Error> {
        let content = match (self.content, self.content_base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => base64("content-base64", &text)?,
            _ => return Err(invalid("expected one of `content` and `content-base64`")),
        };
        if content.len() > limits::CONTENT_BYTES_MAX {
            let message = format!(
                "the content has {} bytes, expected at most {}",
                content.len(),
                limits::CONTENT_BYTES_MAX
            );
            return Err(Error::new(Code::CONTENT_TOO_LARGE, message));
        }
        if self.parameters.len() > limits::PARAMS_MAX {
            let found = self.parameters.len();
            return Err(invalid(format!("{found} parameters, expected at most {}", limits::PARAMS_MAX)));
        }
        for (name, value) in &self.parameters {
            params::check(name, value)?;
        }
        let key = self.key.unwrap_or_else(|| (index + 1).to_string());
        if key.chars().count() > KEY_CHARS_MAX {
            return Err(invalid(format!("the key is longer than {KEY_CHARS_MAX} characters")));
        }
        Ok(Task { key, content: Payload::from(content), parameters: self.parameters.into_iter().collect() })
    }
}
