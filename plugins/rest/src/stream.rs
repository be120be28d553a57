//! Streams of what the server's operations give: a long poll after the other, each from where the last one ended.
//!
//! The number of streams is bounded. The first poll is made before the stream begins, so that a wrong id is a plain
//! problem; what goes wrong later is an event `problem`. A drain ends a stream with an event `end`.

use std::{sync::Arc, time::Duration};

use axum::{
    http::{HeaderMap, HeaderName, Uri},
    response::Response,
};
use caxton_plugin::{Code, Payload};
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    accept::{self, Form},
    control::document,
    input,
    phase::{Phase, reached},
    polling::poll,
    problem::Problem,
    shared::Shared,
    sse::{self, Chunk, Place, Source},
};

/// The header with which a client says where its last stream ended.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The shortest time between two polls that brought nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// What an operation's answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A list that grows; an event for each of its `items`.
    Items,
    /// A document that changes; an event for each new `version`.
    Document,
}

impl Kind {
    /// The key of the request that says what the caller has.
    fn cursor(self) -> &'static str {
        match self {
            Self::Items => "after",
            Self::Document => "version",
        }
    }
}

/// Answers with one document, or with a stream when the client asks for one.
///
/// # Errors
/// As the operation's, when it fails at the start; 406 for a form that there is none of; CX0608 when there are too many
/// streams.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    uri: &Uri,
    verb: &'static str,
    kind: Kind,
    mut request: Map<String, Value>,
) -> Result<Response, Problem> {
    if accept::form(headers)? == Form::Document {
        return poll(shared, verb, &request).await.map(document);
    }
    if let Some(last) = headers.get(LAST_EVENT_ID) {
        let number = last.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
        let wrong = || {
            input::invalid(
                "the header Last-Event-ID is the `id` of an event, a number; leave it out to begin anew",
            )
        };
        request.insert(kind.cursor().to_owned(), json!(number.ok_or_else(wrong)?));
        request.remove("tail");
    }
    request.insert("wait-ms".to_owned(), json!(0));
    let slot = slot(shared)?;
    let began = poll(shared, verb, &request).await?;
    request.insert("wait-ms".to_owned(), json!(shared.config.keep_alive_ms));
    let place = Place::of(shared, headers, uri);
    let mut stream = Polls { shared: shared.clone(), verb, kind, request, begun: false, place, _slot: slot };
    let mut first = Chunk::first();
    let goes_on = stream.write(&began, &mut first) != News::Over;
    Ok(sse::response(first, goes_on.then_some(stream)))
}

/// A place among the streams that may be open.
///
/// # Errors
/// CX0608 when there is none.
pub(crate) fn slot(shared: &Shared) -> Result<OwnedSemaphorePermit, Problem> {
    shared.streams.clone().try_acquire_owned().map_err(|_| {
        let detail =
            format!("{} streams are open, which is the limit (streams_max)", shared.config.streams_max);
        Problem::new(Code::TOO_MANY_WAITING, detail)
    })
}

/// What a poll brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Some,
    None,
    /// Nothing more will come.
    Over,
}

/// A stream of polls.
struct Polls {
    shared: Arc<Shared>,
    verb: &'static str,
    kind: Kind,
    request: Map<String, Value>,
    /// A first document went out.
    begun: bool,
    place: Place,
    _slot: OwnedSemaphorePermit,
}

impl Source for Polls {
    async fn next(mut self) -> (Chunk, Option<Self>) {
        let mut chunk = Chunk::default();
        let mut phase = self.shared.phase.subscribe();
        let answer = tokio::select! {
            biased;
            () = reached(&mut phase, Phase::Handing) => None,
            answer = poll(&self.shared, self.verb, &self.request) => Some(answer),
        };
        match answer {
            None => {
                chunk.end(false);
                (chunk, None)
            }
            Some(Err(problem)) => {
                chunk.problem(problem, &self.place);
                (chunk, None)
            }
            Some(Ok(answer)) => match self.write(&answer, &mut chunk) {
                News::Some => (chunk, Some(self)),
                News::Over => (chunk, None),
                News::None => {
                    // An operation that does not hold its caller must not be asked without pause.
                    tokio::time::sleep(PAUSE).await;
                    chunk.alive();
                    (chunk, Some(self))
                }
            },
        }
    }
}

impl Polls {
    /// Writes what an answer has and moves the cursor on.
    fn write(&mut self, answer: &Payload, chunk: &mut Chunk) -> News {
        let Ok(document) = serde_json::from_slice::<Value>(answer.as_slice()) else {
            chunk.problem(Problem::new(Code::INTERNAL, format!("`{}` gave no JSON", self.verb)), &self.place);
            return News::Over;
        };
        match self.kind {
            Kind::Items => self.items(&document, chunk),
            Kind::Document => self.version(&document, chunk),
        }
    }

    fn items(&mut self, list: &Value, chunk: &mut Chunk) -> News {
        let number = |key: &str| list.get(key).and_then(Value::as_u64);
        let items = list.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if let Some(lost) = number("lost").filter(|lost| *lost > 0) {
            chunk.event("lost", None, &json!({"lost": lost}));
        }
        for item in items {
            chunk.event("message", item.get("sequence").and_then(Value::as_u64), item);
        }
        if let Some(next) = number("next") {
            self.request.insert("after".to_owned(), json!(next));
            // Counts from the end of the list only once.
            self.request.remove("tail");
        }
        match list.get("over").and_then(Value::as_bool) {
            Some(true) if items.is_empty() => {
                chunk.end(true);
                News::Over
            }
            _ if items.is_empty() => News::None,
            _ => News::Some,
        }
    }

    fn version(&mut self, document: &Value, chunk: &mut Chunk) -> News {
        let version = document.get("version").and_then(Value::as_u64);
        let known = self.request.get("version").and_then(Value::as_u64);
        let news = version != known || (known.is_none() && !self.begun);
        if news {
            self.begun = true;
            chunk.event("message", version, document);
            self.request.extend(version.map(|version| ("version".to_owned(), json!(version))));
        }
        let ended = document.get("ended").is_some_and(|ended| !ended.is_null());
        match (ended, news) {
            (true, _) => {
                chunk.end(true);
                News::Over
            }
            (false, true) => News::Some,
            (false, false) => News::None,
        }
    }
}
