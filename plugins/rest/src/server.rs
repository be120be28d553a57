//! The listener and its connections: bounded in number, closed when slow, drained at the end.
//!
//! Connections are served by hyper itself, because axum's server has no time limit for a request's head. A connection
//! over the limit gets a 429 at once, so a crowd of idle ones cannot make callers wait without an answer.

use std::{convert::Infallible, net::SocketAddr, path::Path, pin::pin, sync::Arc, time::Duration};

use axum::{body::Body, http::Request};
use caxton_plugin::{Code, Error};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tracing::{debug, info, warn};

use crate::{
    app::App,
    config::Config,
    handover,
    phase::{Phase, reached},
    problem::Problem,
    stalling::Stalling,
};

/// Bytes of a request's head, which also bounds what is buffered of a connection.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Headers of a request.
const HEADERS_MAX: usize = 100;
/// How long to wait after the system refused a connection, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long before the end of a drain those who still wait are told, so that the answers can be written.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A listener that serves.
pub(crate) struct Server {
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    /// Closed when every connection that was there before the drain has ended.
    connections: watch::Sender<()>,
    /// Tells the listener to end before the rest does.
    listening: watch::Sender<bool>,
    slots: Arc<Semaphore>,
    connections_max: usize,
    /// The listener's file number.
    number: i32,
}

/// How a drain ends the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// At once: another instance listens on the same socket.
    Closes,
    /// It stays, so that health can be asked for until the stop; everything else gets a 503.
    StaysForHealth,
}

impl Server {
    /// Binds and begins to serve in the background.
    ///
    /// # Errors
    /// When the address cannot be bound, or its file cannot be written.
    pub(crate) async fn start(address: SocketAddr, config: &Config, app: App) -> Result<Self, Error> {
        let listener = match config.listener {
            0 => bind(address).await?,
            number => match handover::inherit(number, address)? {
                Some(listener) => listener,
                None => bind(address).await?,
            },
        };
        let address = listener.local_addr()?;
        let number = handover::number(&listener);
        publish(address, &config.addr_file)?;
        let connections_max = config.connections_max.min(Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(connections_max));
        let phase = app.phase().clone();
        let watched = phase.subscribe();
        let (connections, connected) = watch::channel(());
        let (listening, listens) = watch::channel(true);
        let serving = Serving {
            app,
            slots: slots.clone(),
            phase: watched,
            connected: Some(connected),
            header_timeout: config.header_timeout(),
            write_timeout: config.request_timeout(),
        };
        tokio::spawn(accept(listener, serving, listens, too_many(connections_max)));
        info!(%address, "listening");
        Ok(Self { address, phase, connections, listening, slots, connections_max, number })
    }

    /// The file number of the listener, for the next instance of this process; `None` when it listens no more.
    pub(crate) fn listener(&self) -> Option<i32> {
        (!self.listening.is_closed()).then_some(self.number)
    }

    /// The bound address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new connection, and where the door stays for health no new request, and waits until those that run are
    /// answered.
    ///
    /// # Errors
    /// When some are not answered in time; [`Server::stop`] ends them.
    pub(crate) async fn drain(&self, deadline: Duration, door: Door) -> Result<(), Error> {
        let last_words = LAST_WORDS.min(deadline / 4);
        if door == Door::Closes {
            self.listening.send_replace(false);
            self.listening.closed().await;
        }
        self.phase.send_replace(if door == Door::Closes { Phase::Handing } else { Phase::Draining });
        if tokio::time::timeout(deadline - last_words, self.connections.closed()).await.is_ok() {
            return Ok(());
        }
        self.phase.send_replace(Phase::GivingUp);
        if tokio::time::timeout(last_words, self.connections.closed()).await.is_ok() {
            return Ok(());
        }
        let open = self.connections_max.saturating_sub(self.slots.available_permits());
        let message = format!("{open} connections were not done within {} ms", deadline.as_millis());
        Err(Error::new(Code::PLUGIN_TIMED_OUT, message))
    }

    /// Ends every connection.
    pub(crate) fn stop(&self) {
        self.phase.send_replace(Phase::Stopped);
    }
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

/// What each connection needs.
#[derive(Clone)]
struct Serving {
    app: App,
    slots: Arc<Semaphore>,
    phase: watch::Receiver<Phase>,
    /// Held by each connection that a drain waits for.
    connected: Option<watch::Receiver<()>>,
    header_timeout: Duration,
    write_timeout: Duration,
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        let message =
            format!("cannot listen on {address}: {error}; set `listen` to a free address, or port 0");
        Error::new(Code::PLUGIN_START_FAILED, message)
    })
}

async fn accept(
    listener: TcpListener,
    mut serving: Serving,
    mut listens: watch::Receiver<bool>,
    too_many: String,
) {
    let mut draining = serving.phase.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = listens.wait_for(|listens| !listens) => return,
            () = reached(&mut serving.phase, Phase::Stopped) => return,
            () = reached(&mut draining, Phase::Draining), if serving.connected.is_some() => {
                // The drain does not wait for those who only ask for health.
                serving.connected = None;
                continue;
            }
        };
        match accepted {
            Ok((stream, _)) => match serving.slots.clone().try_acquire_owned() {
                Ok(slot) => {
                    tokio::spawn(serve(stream, serving.clone(), slot));
                }
                Err(_) => refuse(&stream, &too_many),
            },
            Err(error) => {
                warn!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The answer to a connection over the limit, written without reading its request.
fn too_many(connections_max: usize) -> String {
    let detail = format!("{connections_max} connections are open, which is the limit (connections_max)");
    let document = Problem::new(Code::TOO_MANY_WAITING, detail).document("", None).to_string();
    format!(
        "HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\nretry-after: 1\r\n\
         content-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{document}",
        document.len()
    )
}

/// Says that there are too many, if the connection takes it at once, and closes.
fn refuse(stream: &TcpStream, too_many: &str) {
    if let Err(error) = stream.try_write(too_many.as_bytes()) {
        debug!(%error, "a connection over the limit was closed");
    }
}

/// Serves one connection to its end; holds its slot until then.
async fn serve(stream: TcpStream, serving: Serving, _slot: OwnedSemaphorePermit) {
    let Serving { app, mut phase, connected: _connected, header_timeout, write_timeout, .. } = serving;
    let late = *phase.borrow() >= Phase::Draining;
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "no low delay for a connection");
    }
    let answer = move |request: Request<Incoming>| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(app.answer(request.map(Body::new)).await) }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        // One request of health each, so that the last answers are not cut off.
        .keep_alive(!late)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(Stalling::new(stream, write_timeout)), service_fn(answer));
    let mut connection = pin!(connection);
    let mut stopped = phase.clone();
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = reached(&mut stopped, Phase::Stopped), if late => return,
        () = reached(&mut phase, Phase::Draining), if !late => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = reached(&mut stopped, Phase::Stopped) => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke off");
    }
}
