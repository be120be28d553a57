//! Plugin gateway: jobs, contract nets and agents outside of the server, for every transport.
//!
//! ```text
//!   a transport ── Host::invoke("jobs.create", …) ── the server ──▶ Plugin::invoke
//!             nets: contract-nets.run   │ as `gateway@PLATFORM`              ──▶ Host::submit
//!             jobs: jobs.*              │ the SDK's asking: who waits for what ◀── Endpoint::deliver
//!             attachments: in the names of agents outside ──▶ Host::attach   ◀── Endpoint::deliver
//! ```
//!
//! The operations and documents are described in `docs/reference/control.md`. Everything is in memory, each bound is a
//! key of [`Config`]. When the plugin drains, jobs begin no further item and those at work may end; when it stops, what is
//! still at work is cancelled and attached agents leave.

mod attachments;
mod config;
mod document;
mod jobs;
mod nets;
mod news;
mod shared;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use caxton_plugin::{Code, Endpoint, Envelope, Error, Host, Payload, Plugin, Ports};
pub use config::Config;
use shared::{Shared, lock};
use tokio::{task::JoinHandle, time::Instant};

/// The local name of the endpoint that asks in jobs and contract nets.
const ENDPOINT: &str = "gateway";
/// How often what is over is looked for, when nothing is known to end earlier.
const TICK_MS: u64 = 1000;

/// The plugin.
pub struct Gateway {
    shared: Arc<Shared>,
    /// Looks for leases and jobs that are over.
    clock: Mutex<Option<JoinHandle<()>>>,
}

impl Plugin for Gateway {
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, Error> {
        config.check()?;
        Ok(Self { shared: Arc::new(Shared::new(host, config)), clock: Mutex::default() })
    }

    fn ports(self: &Arc<Self>) -> Ports {
        Ports::endpoint(self.clone())
    }

    async fn start(&self) -> Result<(), Error> {
        let shared = &self.shared;
        shared.asking.set_address(shared.host.claim(ENDPOINT)?);
        *lock(&self.clock) = Some(tokio::spawn(watch(shared.clone())));
        Ok(())
    }

    /// Waits for contract nets and items at work; what waits to be asked stays where it is.
    async fn drain(&self, deadline: Duration) -> Result<(), Error> {
        /// How often it looks.
        const STEP: Duration = Duration::from_millis(20);
        self.shared.drain();
        let until = Instant::now() + deadline;
        while self.shared.works() && Instant::now() + STEP < until {
            tokio::time::sleep(STEP).await;
        }
        Ok(())
    }

    async fn stop(&self) -> Result<(), Error> {
        let shared = &self.shared;
        shared.drain();
        if let Some(clock) = lock(&self.clock).take() {
            clock.abort();
        }
        shared.jobs.stop(shared.now_ms());
        shared.attachments.stop(shared);
        match shared.asking.set_address(0) {
            0 => {}
            address => shared.host.release(address),
        }
        Ok(())
    }

    async fn invoke(&self, verb: &str, request: Payload) -> Result<Payload, Error> {
        let shared = &self.shared;
        let document = match verb.split_once('.').map(|(family, _)| family) {
            Some("jobs") => jobs::invoke(shared, verb, &request).await,
            Some("attachments") => attachments::invoke(shared, verb, &request).await,
            _ if verb == "contract-nets.run" => nets::run(shared, document::read(&request)?).await,
            _ => Err(Error::unknown_verb(verb)),
        };
        document.map(|document| Payload::from(document.to_string()))
    }
}

impl Endpoint for Gateway {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let shared = &self.shared;
        let own = shared.asking.address();
        let deliver = |message: Envelope| {
            if message.head.receiver == own {
                return shared.asking.deliver(message);
            }
            shared.attachments.deliver(shared, message)
        };
        batch.into_iter().map(deliver).collect()
    }
}

/// Loses agents whose lease is over and forgets jobs that were kept long enough.
async fn watch(shared: Arc<Shared>) {
    loop {
        let now_ms = shared.now_ms();
        shared.attachments.expire(&shared, now_ms);
        shared.jobs.expire(now_ms);
        let next = shared.attachments.next_ms().unwrap_or(u64::MAX).saturating_sub(now_ms).clamp(1, TICK_MS);
        tokio::time::sleep(Duration::from_millis(next)).await;
    }
}

caxton_plugin::plugin!(Gateway, "../plugin.json");

#[cfg(test)]
mod tests;
