//! Plugin grpc: everything that the server does, over gRPC.
//!
//! ```text
//!   HTTP/2 ── server (listener, connections) ── service (which method, panics, the server's end)
//!               │ operations, watching: a method is a control operation; its message <-> JSON by descriptor ──▶ Host::invoke
//!               │ messages: Send, Ask, AskStream, as `grpc@PLATFORM`                                       ──▶ Host::submit
//!               │ attach: an agent outside of the server, over the operations of the plugin gateway        ──▶ Host::invoke
//!               │ health: grpc.health.v1; reflection
//!               └ refusal: codes as statuses with details of google.rpc
//! ```
//!
//! The contract is `proto/caxton/v1`, the page `docs/reference/grpc.md`. There is no authentication yet, so it listens on
//! loopback only, unless told otherwise.

mod acl;
mod arriving;
mod attach;
mod call;
mod codec;
mod config;
mod connection;
mod health;
mod messages;
mod operations;
mod phase;
mod refusal;
mod server;
mod service;
mod shared;
mod watching;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use caxton_plugin::{Code, Endpoint, Envelope, Error, Host, Payload, Plugin, Ports};
pub use config::Config;
use serde_json::json;
use server::Server;
use shared::Shared;

/// The local name of the endpoint, in whose name clients send.
const ENDPOINT: &str = "grpc";

/// The transport.
pub struct Grpc {
    listen: SocketAddr,
    shared: Arc<Shared>,
    server: Mutex<Option<Arc<Server>>>,
}

impl Plugin for Grpc {
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
        let started = Server::start(self.listen, shared.clone()).await;
        let server = started.inspect_err(|_| self.release())?;
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(server));
        Ok(())
    }

    async fn drain(&self, deadline: Duration) -> Result<(), Error> {
        match self.server() {
            Some(server) => server.drain(deadline).await,
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

impl Grpc {
    /// The address that it listens on; `None` before the start.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server().map(|server| server.address())
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

impl Endpoint for Grpc {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        batch.into_iter().map(|answer| self.shared.asking.deliver(answer)).collect()
    }
}

caxton_plugin::plugin!(Grpc, "../plugin.json");

#[cfg(test)]
mod tests;
