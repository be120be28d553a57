//! The listener and the end of its life: bounds of HTTP/2, drain, stop.

use std::{net::SocketAddr, os::fd::AsRawFd, path::Path, sync::Arc, time::Duration};

use caxton_plugin::{Code, Error, handover};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tracing::{info, warn};

use crate::{
    config::Config,
    connection::{Incoming, Limits},
    phase::{Phase, reached},
    service::Services,
    shared::Shared,
};

/// Bytes that a client may send on a stream before we have taken them.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same for a connection.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Bytes of the headers of a call.
const HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// Calls that a client may begin and reset before they were looked at; more end the connection.
const RESETS_PENDING_MAX: usize = 20;
/// Faults of a client on its streams that are answered; more end the connection.
const RESETS_ON_FAULTS_MAX: usize = 1024;
/// How long before the end of a drain those who still wait are told, so that the answers can be written.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A listener that serves.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Closed when every connection has ended.
    serving: watch::Sender<()>,
    slots: Arc<Semaphore>,
    connections_max: usize,
    /// The listener's file number.
    number: i32,
}

impl Server {
    /// Binds and begins to serve in the background.
    ///
    /// # Errors
    /// When the address cannot be bound, or its file cannot be written.
    pub(crate) async fn start(address: SocketAddr, shared: Arc<Shared>) -> Result<Self, Error> {
        let config = &shared.config;
        let inherited = match config.listener {
            0 => None,
            number => handover::inherit(number, address)?,
        };
        let listener = match inherited {
            Some(listener) => TcpListener::from_std(listener)?,
            None => bind(address).await?,
        };
        let address = listener.local_addr()?;
        let number = listener.as_raw_fd();
        publish(address, &config.addr_file)?;
        let connections_max = config.connections_max.min(Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(connections_max));
        let incoming = Incoming {
            listener,
            slots: slots.clone(),
            limits: Limits { preface: config.header_timeout(), write: config.request_timeout() },
            phase: shared.phase.clone(),
            pause: None,
        };
        let services = Services::new(shared.clone())?;
        let (serving, served) = watch::channel(());
        let mut phase = shared.phase.subscribe();
        let transport = transport(config);
        tokio::spawn(async move {
            let drains = async move { reached(&mut phase, Phase::Draining).await };
            if let Err(error) = transport.serve_with_incoming_shutdown(services, incoming, drains).await {
                warn!(%error, "the listener ended");
            }
            drop(served);
        });
        info!(%address, "listening");
        Ok(Self { address, shared, serving, slots, connections_max, number })
    }

    /// The bound address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file number of the listener, for the next instance of this process; `None` when it listens no more.
    pub(crate) fn listener(&self) -> Option<i32> {
        (*self.shared.phase.borrow() == Phase::Serving).then_some(self.number)
    }

    /// Takes no new connection and no new call, and waits until those that run are answered.
    ///
    /// # Errors
    /// When some are not answered in time; [`Server::stop`] ends them.
    pub(crate) async fn drain(&self, deadline: Duration) -> Result<(), Error> {
        let last_words = LAST_WORDS.min(deadline / 4);
        self.shared.phase.send_replace(Phase::Draining);
        if tokio::time::timeout(deadline - last_words, self.serving.closed()).await.is_ok() {
            return Ok(());
        }
        self.shared.phase.send_replace(Phase::GivingUp);
        if tokio::time::timeout(last_words, self.serving.closed()).await.is_ok() {
            return Ok(());
        }
        let open = self.connections_max.saturating_sub(self.slots.available_permits());
        let message = format!("{open} connections were not done within {} ms", deadline.as_millis());
        Err(Error::new(Code::PLUGIN_TIMED_OUT, message))
    }

    /// Ends every connection.
    pub(crate) fn stop(&self) {
        self.shared.phase.send_replace(Phase::Stopped);
    }
}

/// HTTP/2 with its bounds. Compressed requests are refused, so none can grow.
fn transport(config: &Config) -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .accept_http1(false)
        .max_concurrent_streams(config.concurrent_streams_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING_MAX))
        .http2_max_local_error_reset_streams(Some(RESETS_ON_FAULTS_MAX))
        .http2_keepalive_interval(Some(config.keepalive_interval()))
        .http2_keepalive_timeout(Some(config.keepalive_timeout()))
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        let message =
            format!("cannot listen on {address}: {error}; set `listen` to a free address, or port 0");
        Error::new(Code::PLUGIN_START_FAILED, message)
    })
}

/// Tells where the server listens; the file appears whole or not at all.
fn publish(address: SocketAddr, file: &Path) -> Result<(), Error> {
    if file.as_os_str().is_empty() {
        return Ok(());
    }
    let mut part = file.to_owned().into_os_string();
    part.push(".part");
    let written = std::fs::write(&part, format!("{address}\n")).and_then(|()| std::fs::rename(&part, file));
    written.map_err(|error| {
        let message = format!(
            "cannot write `{}`: {error}; set `addr_file` to a file that can be written",
            file.display()
        );
        Error::new(Code::PLUGIN_START_FAILED, message)
    })
}
