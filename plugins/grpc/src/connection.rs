//! Connections: bounded in number, and each ended that does not begin to speak, does not read, or is not wanted any more.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Sleep, sleep},
};
use tokio_stream::Stream;
use tonic::transport::server::Connected;
use tracing::{debug, warn};

use crate::phase::{Phase, reached};

/// What a client of HTTP/2 sends first.
const PREFACE_BYTES: usize = 24;
/// How long to wait after the system refused a connection, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The connections that come to a listener, up to as many as there may be at the same time.
pub(crate) struct Incoming {
    pub(crate) listener: TcpListener,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) limits: Limits,
    pub(crate) phase: watch::Sender<Phase>,
    /// Runs after the system refused a connection.
    pub(crate) pause: Option<Pin<Box<Sleep>>>,
}

/// How long a connection may be silent.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Until it begins to speak HTTP/2.
    pub(crate) preface: Duration,
    /// While we write.
    pub(crate) write: Duration,
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = self.pause.as_mut() {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            let (stream, from) = match ready!(self.listener.poll_accept(context)) {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "no connection could be accepted");
                    self.pause = Some(Box::pin(sleep(ACCEPT_PAUSE)));
                    continue;
                }
            };
            let Ok(slot) = self.slots.clone().try_acquire_owned() else {
                debug!(%from, "a connection over the limit (connections_max) was closed");
                continue;
            };
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "no low delay for a connection");
            }
            return Poll::Ready(Some(Ok(Connection::new(stream, slot, self.limits, &self.phase))));
        }
    }
}

/// A connection that ends by itself.
pub(crate) struct Connection {
    stream: TcpStream,
    limits: Limits,
    /// Runs until the client has begun to speak.
    silent: Option<Pin<Box<Sleep>>>,
    heard: usize,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Ready when the server ends everything.
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    _slot: OwnedSemaphorePermit,
}

impl Connection {
    fn new(
        stream: TcpStream,
        slot: OwnedSemaphorePermit,
        limits: Limits,
        phase: &watch::Sender<Phase>,
    ) -> Self {
        let mut phase = phase.subscribe();
        Self {
            stream,
            limits,
            silent: Some(Box::pin(sleep(limits.preface))),
            heard: 0,
            stalled: None,
            stopped: Box::pin(async move { reached(&mut phase, Phase::Stopped).await }),
            _slot: slot,
        }
    }

    /// Passes on what a write said; fails it when it has waited for too long.
    fn limited<T>(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.stalled = None;
            return wrote;
        }
        let limit = self.limits.write;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some(silent) = self.silent.as_mut() {
            let late = silent.as_mut().poll(context).is_ready();
            self.heard += buffer.filled().len() - before;
            if self.heard >= PREFACE_BYTES {
                self.silent = None;
            } else if late {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limited(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.limited(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.limited(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
