//! Plugin rest: messages, agents, conversations, deployment and health over HTTP and JSON.
//!
//! ```text
//!   HTTP ── server (connections, time limits) ── app (routes, problem documents)
//!             │ control: one verb of the server each                 ──▶ Host::invoke
//!             │ messages, ask: as `rest@PLATFORM`                    ──▶ Host::submit
//!             └ the SDK's asking: who waits for which answer         ◀── Endpoint::deliver
//! ```
//!
//! The resources and documents are described in `docs/reference/control.md`. There is no authentication yet, so it
//! listens on loopback only, unless told otherwise.

mod accept;
mod app;
mod ask;
mod attachments;
mod batch;
mod config;
mod control;
mod conversations;
mod cors;
mod dead_letters;
mod direct;
mod handover;
mod input;
mod jobs;
mod messages;
mod news;
mod openapi;
mod origin;
mod page;
mod parts;
mod phase;
mod polling;
mod problem;
mod reloading;
mod retry;
mod revisions;
mod server;
mod shared;
mod sse;
mod stalling;
mod stream;
mod trace;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use app::App;
use caxton_plugin::{Code, Endpoint, Envelope, Error, Host, Payload, Plugin, Ports};
pub use config::Config;
use serde_json::{Value, json};
use server::{Door, Server};
use shared::Shared;

/// The local name of the endpoint, in whose name clients send.
const ENDPOINT: &str = "rest";

/// The transport.
pub struct Rest {
    listen: SocketAddr,
    shared: Arc<Shared>,
    server: Mutex<Option<Arc<Server>>>,
}

impl Plugin for Rest {
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, Error> {
        let listen = config.check()?;
        Ok(Self { listen, shared: Arc::new(Shared::new(host, config)), server: Mutex::new(None) })
    }

    fn ports(self: &Arc<Self>) -> Ports {
        Ports::endpoint(self.clone())
    }

    async fn start(&self) -> Result<(), Error> {
        let shared = &self.shared;
        shared.asking.set_address(shared.host.claim(ENDPOINT)?);
        let started = Server::start(self.listen, &shared.config, App::new(shared.clone())).await;
        let server = started.inspect_err(|_| self.release())?;
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(server));
        Ok(())
    }

    async fn drain(&self, deadline: Duration) -> Result<(), Error> {
        match self.server() {
            Some(server) => server.drain(deadline, self.door().await).await,
            None => Ok(()),
        }
    }

    /// `handover`: where the next instance listens, and from where it counts.
    async fn invoke(&self, verb: &str, _request: Payload) -> Result<Payload, Error> {
        match (verb, self.server()) {
            ("handover", Some(server)) => {
                let mut keys = json!({
                    "listen": server.address().to_string(),
                    "reply_with": self.shared.asking.numbers_for_the_next(),
                });
                if let (Some(keys), Some(number)) = (keys.as_object_mut(), server.listener()) {
                    keys.insert("listener".to_owned(), number.into());
                }
                Ok(Payload::from(keys.to_string()))
            }
            (other, _) => Err(Error::unknown_verb(other)),
        }
    }

    async fn stop(&self) -> Result<(), Error> {
        if let Some(server) = self.server() {
            server.stop();
        }
        self.release();
        Ok(())
    }
}

impl Rest {
    /// The address that it listens on; `None` before the start.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server().map(|server| server.address())
    }

    /// The listener stays for questions of health when the whole server drains; at a reload another instance has it.
    async fn door(&self) -> Door {
        /// The server answers from memory; one that does not is ending.
        const HEALTH: Duration = Duration::from_millis(500);
        let health = self.shared.host.invoke("server.health", &json!({}));
        let drains = match tokio::time::timeout(HEALTH, health).await {
            Ok(Ok(health)) => health.get("draining").and_then(Value::as_bool).unwrap_or(false),
            Ok(Err(_)) | Err(_) => false,
        };
        if drains { Door::StaysForHealth } else { Door::Closes }
    }

    /// Gives the endpoint's address back, if it is claimed.
    fn release(&self) {
        match self.shared.asking.set_address(0) {
            0 => {}
            address => self.shared.host.release(address),
        }
    }

    fn server(&self) -> Option<Arc<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Endpoint for Rest {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        batch.into_iter().map(|answer| self.shared.asking.deliver(answer)).collect()
    }
}

caxton_plugin::plugin!(Rest, "../plugin.json");

#[cfg(test)]
mod tests;
