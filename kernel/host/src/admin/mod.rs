//! Control operations: one verb, one JSON document in, one out. Every transport offers exactly these.
//!
//! The documents are described in docs/reference/control.md. Requests are parsed strictly; whatever takes longer than a
//! lookup (compiling) runs on a thread that may block.

mod agents;
#[cfg(test)]
mod bench;
mod conversations;
mod dead_letters;
mod documents;
mod news;
mod package;
mod server;
pub mod verbs;
mod versions;

use std::sync::{Arc, OnceLock};

use caxton_abi::Code;
use caxton_core::{Bus, Refusal};
use caxton_runtime::{ComponentError, Runtime};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;

pub use agents::Components;
pub(crate) use agents::{labels, local_name};
pub(crate) use documents::Manifest;
pub use documents::{Plugin as PluginDocument, Reload as ReloadDocument};
pub(crate) use news::WAITING_MAX;
pub use server::{PluginView, Readiness};

use crate::{clock::Clock, fleet::Fleet, pump::Pump, store::Storage};

/// Items that a listing gives at most, whatever was asked for.
const LIST_MAX: usize = 10_000;
/// Items that a listing gives when nothing was asked for.
const LIST_DEFAULT: usize = 50;

/// Components that are taken in at once: one compiles, and each holds up to 64 MiB until it is compiled.
pub(crate) const UPLOADS_MAX: usize = 4;

/// Why an operation was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} [{code}]")]
pub struct Refused {
    /// Its code.
    pub code: Code,
    /// What failed, on what, expected against found.
    pub message: String,
    /// Further detail as a JSON object, or empty.
    pub detail: String,
    /// The same may succeed later.
    pub retryable: bool,
}

impl Refused {
    /// Makes a refusal.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: String::new(), retryable: false }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.detail)
    }
}

impl From<ComponentError> for Refused {
    fn from(error: ComponentError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// A name that an operation is about.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

/// An id that an operation is about.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Identified {
    id: String,
}

/// How much of a list is wanted.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Listing {
    limit: usize,
}

impl Default for Listing {
    fn default() -> Self {
        Self { limit: LIST_DEFAULT }
    }
}

impl Listing {
    fn bounded(&self) -> usize {
        self.limit.min(LIST_MAX)
    }
}

/// No request.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Nothing {}

/// What operations work on.
pub struct Admin {
    pub(crate) bus: Arc<Bus>,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) pump: Arc<Pump>,
    pub(crate) clock: Clock,
    pub(crate) workers: usize,
    pub(crate) components: Components,
    pub(crate) uploads: Arc<Semaphore>,
    /// Places of callers that wait for news.
    pub(crate) waiters: Arc<Semaphore>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) storage: Arc<Storage>,
    /// Set when everything was started.
    pub(crate) fleet: OnceLock<Arc<Fleet>>,
    pub(crate) memory_bytes_max: u64,
    pub(crate) turn_ms_max: u32,
    pub(crate) init_ms_max: u32,
}

impl Admin {
    /// Runs an operation of the server's own.
    async fn operate(self: &Arc<Self>, verb: &str, request: &[u8]) -> Result<Vec<u8>, Refused> {
        match verb {
            "server.status" => self.waiting(request, |admin, _: Nothing| Ok(admin.status())).await,
            "server.health" => self.waiting(request, |admin, _: Nothing| Ok(admin.health())).await,
            "components.put" => {
                let place = Arc::clone(&self.uploads).try_acquire_owned().map_err(|_| too_many_uploads())?;
                let bytes = request.to_vec();
                self.blocking(move |admin| {
                    // Held until the compiler is done, also when nobody waits for the answer any more.
                    let _place = place;
                    answer(&admin.put_component(&bytes)?)
                })
                .await
            }
            "components.list" => self.plain(request, |_: Nothing| Ok(self.list_components())),
            "agents.deploy" => {
                // As it was written first: a key that stands twice, at any depth, is refused with its place.
                parse::<Manifest>(request)?;
                let manifest: Manifest = self.manifest(parse(request)?)?;
                self.blocking(move |admin| {
                    let agent = admin.deploy(manifest.clone())?;
                    admin.storage.deployments().put(&agent.name, &manifest);
                    answer(&agent)
                })
                .await
            }
            "agents.apply" => {
                let application = versions::Application::read(self, request)?;
                let admin = Arc::clone(self);
                self.to_its_end(async move { answer(&admin.apply(application).await?) }).await
            }
            "agents.promote" => self.waiting(request, |admin, named: Named| admin.promote(&named.name)).await,
            "agents.rollback" => {
                let named: Named = parse(request)?;
                let admin = Arc::clone(self);
                self.to_its_end(async move { answer(&admin.rollback(&named.name).await?) }).await
            }
            "agents.list" => self.plain(request, |_: Nothing| Ok(self.list_agents())),
            "agents.get" => self.plain(request, |named: Named| self.get_agent(&named.name)),
            "agents.delete" => {
                self.waiting(request, |admin, named: Named| {
                    let last = admin.delete_agent(&named.name)?;
                    admin.storage.deployments().remove(&last.name);
                    Ok(last)
                })
                .await
            }
            "plugins.list" => self.waiting(request, |admin, _: Nothing| Ok(admin.list_plugins())).await,
            "plugins.get" => self.waiting(request, |admin, named: Named| admin.get_plugin(&named.name)).await,
            "plugins.reload" => self.reload_plugin(parse(request)?).await,
            "server.config" => {
                let Nothing {} = parse(request)?;
                self.config().await
            }
            "server.reload" => {
                let Nothing {} = parse(request)?;
                self.reload_server().await
            }
            "conversations.list" => {
                self.waiting(request, |admin, listing: Listing| {
                    Ok(admin.list_conversations(listing.bounded()))
                })
                .await
            }
            "conversations.get" => answer(&self.watch_conversation(parse(request)?).await?),
            "events.list" => answer(&self.list_events(parse(request)?).await?),
            "logs.list" => answer(&self.list_logs(parse(request)?).await?),
            "dead-letters.list" => self.plain(request, |asked| self.list_dead_letters(&asked)),
            "dead-letters.get" => self.plain(request, |found: Identified| self.get_dead_letter(&found.id)),
            "dead-letters.requeue" => answer(&self.requeue_dead_letters(&parse(request)?).await?),
            "dead-letters.purge" => self.plain(request, |chosen| self.purge_dead_letters(&chosen)),
            _ => Err(verbs::unknown(verb)),
        }
    }

    /// An operation that may wait for a lock that a plugin's call holds: it must not hold up the thread that asks.
    async fn waiting<T, A, F>(self: &Arc<Self>, request: &[u8], run: F) -> Result<Vec<u8>, Refused>
    where
        T: DeserializeOwned + Send + 'static,
        A: Serialize,
        F: FnOnce(&Self, T) -> Result<A, Refused> + Send + 'static,
    {
        let request = parse(request)?;
        self.blocking(move |admin| answer(&run(admin, request)?)).await
    }

    /// An operation that only looks things up.
    fn plain<T: DeserializeOwned, A: Serialize>(
        &self,
        request: &[u8],
        run: impl FnOnce(T) -> Result<A, Refused>,
    ) -> Result<Vec<u8>, Refused> {
        answer(&run(parse(request)?)?)
    }

    /// Goes on with an operation also when nobody waits for its answer any more.
    async fn to_its_end<F>(&self, run: F) -> Result<Vec<u8>, Refused>
    where
        F: Future<Output = Result<Vec<u8>, Refused>> + Send + 'static,
    {
        let panicked = |error| Err(Refused::new(Code::INTERNAL, format!("the server panicked: {error}")));
        tokio::spawn(run).await.unwrap_or_else(panicked)
    }

    /// An operation that may take seconds.
    async fn blocking<F>(self: &Arc<Self>, run: F) -> Result<Vec<u8>, Refused>
    where
        F: FnOnce(&Self) -> Result<Vec<u8>, Refused> + Send + 'static,
    {
        self.off_thread(run).await
    }

    /// Runs something on a thread that may block.
    async fn off_thread<A, F>(self: &Arc<Self>, run: F) -> Result<A, Refused>
    where
        A: Send + 'static,
        F: FnOnce(&Self) -> Result<A, Refused> + Send + 'static,
    {
        let admin = Arc::clone(self);
        match tokio::task::spawn_blocking(move || run(&admin)).await {
            Ok(done) => done,
            Err(error) => {
                Err(Refused::new(Code::INTERNAL, format!("the operation ended without an answer: {error}")))
            }
        }
    }
}

fn too_many_uploads() -> Refused {
    Refused::new(
        Code::TOO_MANY_WAITING,
        format!("{UPLOADS_MAX} components are being taken in: upload this one again later"),
    )
}

/// Reads a request; an empty one is the empty object.
fn parse<T: DeserializeOwned>(request: &[u8]) -> Result<T, Refused> {
    let request = if request.is_empty() { b"{}" } else { request };
    serde_json::from_slice(request)
        .map_err(|error| Refused::new(Code::CONTROL_REQUEST_INVALID, error.to_string()))
}

fn answer<A: Serialize>(document: &A) -> Result<Vec<u8>, Refused> {
    serde_json::to_vec(document).map_err(|error| Refused::new(Code::INTERNAL, error.to_string()))
}
