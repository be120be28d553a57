//! Server-sent events: how they are written, and a body that makes one chunk when the connection has room for it.
//!
//! Nothing is made ahead: the next chunk is asked for when the one before went into the connection. So a client that
//! reads slowly holds one chunk of memory, and one that left ends what was made for it.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    response::Response,
};
use caxton_plugin::Uid;
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::{accept::EVENT_STREAM, problem::Problem, shared::Shared, trace};

/// How long a browser waits before it comes back, in milliseconds.
const RETRY_MS: u32 = 1000;

/// The text of events, as the standard has it (WHATWG HTML, section 9.2).
#[derive(Debug, Default)]
pub(crate) struct Chunk(String);

impl Chunk {
    /// The start of a stream, which also brings the head on its way.
    pub(crate) fn first() -> Self {
        Self(format!("retry: {RETRY_MS}\n\n"))
    }

    /// A comment, which keeps the connection alive.
    pub(crate) fn alive(&mut self) {
        self.0.push_str(":\n\n");
    }

    /// An event with a document, which has no line breaks when it is written compactly.
    pub(crate) fn event(&mut self, name: &str, id: Option<u64>, data: &Value) {
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        self.0.push_str(&format!("event: {name}\n{id}data: {data}\n\n"));
    }

    /// The last event: with `over` nothing more will come, else the client may come back for the rest.
    pub(crate) fn end(&mut self, over: bool) {
        self.event("end", None, &json!({"over": over}));
    }

    /// The last event of a stream that cannot go on.
    pub(crate) fn problem(&mut self, problem: Problem, place: &Place) {
        self.event("problem", None, &problem.document(&place.path, Some(place.trace)));
    }
}

/// What a problem in a stream repeats of its request.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    path: String,
    trace: Uid,
}

impl Place {
    /// The request's path, and its trace or a new one.
    pub(crate) fn of(shared: &Shared, headers: &HeaderMap, uri: &Uri) -> Self {
        let trace = trace::of(headers).map_or_else(|| shared.host.mint(), |context| context.trace);
        Self { path: uri.path().to_owned(), trace }
    }
}

/// What makes a stream, one chunk after the other.
pub(crate) trait Source: Send + Sized + 'static {
    /// Makes the next chunk; without a source after it the stream ends.
    fn next(self) -> impl Future<Output = (Chunk, Option<Self>)> + Send;
}

/// The answer that gives `first` and then what the source makes.
pub(crate) fn response<S: Source>(first: Chunk, source: Option<S>) -> Response {
    let events = Events { first: Some(first), next: source.map(|source| Box::pin(source.next()) as Next<S>) };
    let mut response = Response::new(Body::new(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Proxies of the nginx family would hold events back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

type Next<S> = Pin<Box<dyn Future<Output = (Chunk, Option<S>)> + Send>>;

/// The body of a stream.
struct Events<S> {
    first: Option<Chunk>,
    next: Option<Next<S>>,
}

impl<S: Source> HttpBody for Events<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |chunk: Chunk| Poll::Ready(Some(Ok(Frame::data(Bytes::from(chunk.0)))));
        if let Some(first) = self.first.take() {
            return frame(first);
        }
        let Some(next) = self.next.as_mut() else { return Poll::Ready(None) };
        let (chunk, source) = ready!(next.as_mut().poll(context));
        self.next = source.map(|source| Box::pin(source.next()) as Next<S>);
        frame(chunk)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.next.is_none()
    }
}
