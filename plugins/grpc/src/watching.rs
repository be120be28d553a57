//! A stream from an operation that waits for news: it is asked again and again with the cursor of the last answer.
//!
//! A list gives each of its items, and how many were lost before; a document is given whenever its version is another.
//! The stream ends when a document has ended, or a list is over.

use std::{sync::Arc, time::Duration};

use caxton_plugin::{Code, Error, Host};
use caxton_proto::{Operation, transcode::to_json};
use prost_reflect::DynamicMessage;
use serde_json::{Map, Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status,
    body::Body,
    codegen::http::{Request, Response},
    server::Grpc,
};
use tower::service_fn;

use crate::{
    arriving::Arriving,
    call::{Call, overdue},
    codec::Dynamic,
    operations,
    phase::{Phase, given_up, reached},
    refusal,
    shared::Shared,
};

/// Items that wait for a client that reads slowly; then we ask for no more.
const ITEMS_WAITING_MAX: usize = 16;
/// How long one question waits for news, in milliseconds.
const WAIT_MS: u64 = 30_000;
/// The pause after an answer with nothing new, so that an operation that does not wait is not asked without end.
const PAUSE: Duration = Duration::from_millis(20);
/// Items of one question.
const LIMIT: u64 = 100;

type Items = mpsc::Sender<Result<DynamicMessage, Status>>;

/// Answers a call with a stream.
pub(crate) async fn stream(
    shared: Arc<Shared>,
    operation: &'static Operation,
    call: Call,
    request: Request<Body>,
) -> Response<Body> {
    let (bytes_max, silent_max) = (shared.config.message_bytes_max, shared.config.request_timeout());
    let work = service_fn(move |request: tonic::Request<DynamicMessage>| {
        let shared = shared.clone();
        async move {
            let begun = begin(&shared, operation, call, request.get_ref());
            begun.map(tonic::Response::new).map_err(|error| call.refuse(&error))
        }
    });
    let request = request.map(|body| Arriving::new(body, silent_max));
    let mut grpc = Grpc::new(Dynamic::of(&operation.method)).max_decoding_message_size(bytes_max);
    grpc.server_streaming(work, request).await
}

fn begin(
    shared: &Arc<Shared>,
    operation: &'static Operation,
    call: Call,
    message: &DynamicMessage,
) -> Result<ReceiverStream<Result<DynamicMessage, Status>>, Error> {
    let slot = shared.stream()?;
    let Value::Object(request) = to_json(message).map_err(|fault| refusal::fault(&fault))? else {
        return Err(Error::new(Code::INTERNAL, "a request is an object"));
    };
    let (items, stream) = mpsc::channel(ITEMS_WAITING_MAX);
    let watch = Watch { host: shared.host.clone(), operation, request, items };
    let until = call.until(Duration::from_millis(shared.config.ask_timeout_ms_max));
    let mut phase = shared.phase.subscribe();
    tokio::spawn(async move {
        let (items, left) = (watch.items.clone(), watch.items.clone());
        let end = tokio::select! {
            end = watch.run(slot, until) => end,
            () = reached(&mut phase, Phase::Draining) => Err(given_up()),
            () = left.closed() => return,
        };
        if let Err(error) = end {
            // A client that left needs no last word.
            let _ = items.send(Err(call.refuse(&error))).await;
        }
    });
    Ok(ReceiverStream::new(stream))
}

/// One stream.
struct Watch {
    host: Host,
    operation: &'static Operation,
    /// The next question.
    request: Map<String, Value>,
    items: Items,
}

impl Watch {
    async fn run(mut self, _slot: OwnedSemaphorePermit, until: Option<Instant>) -> Result<(), Error> {
        loop {
            self.request.insert("wait-ms".to_owned(), WAIT_MS.into());
            let question = self.host.invoke(&self.operation.verb, &self.request);
            let answer = match until {
                Some(until) => timeout_at(until, question)
                    .await
                    .map_err(|_| overdue(&self.operation.verb, Duration::ZERO))??,
                None => question.await?,
            };
            let goes_on = match answer.get("items") {
                Some(Value::Array(items)) if answer.get("next").is_some() => {
                    self.list(&answer, items).await?
                }
                _ => self.document(&answer).await?,
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Gives the items of a list; false when no others come.
    async fn list(&mut self, answer: &Value, items: &[Value]) -> Result<bool, Error> {
        let mut lost = answer.get("lost").cloned().unwrap_or(json!(0));
        for item in items {
            let mut item = item.clone();
            if let Value::Object(members) = &mut item {
                members.insert("lost".to_owned(), std::mem::replace(&mut lost, json!(0)));
            }
            if !self.give(&item).await? {
                return Ok(false);
            }
        }
        self.request.remove("tail");
        self.request.insert("limit".to_owned(), LIMIT.into());
        self.request.insert("after".to_owned(), answer.get("next").cloned().unwrap_or(json!(0)));
        if !items.is_empty() {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE).await;
        Ok(!answer.get("over").and_then(Value::as_bool).unwrap_or(false))
    }

    /// Gives a document when it is new; false when it has ended.
    async fn document(&mut self, document: &Value) -> Result<bool, Error> {
        let Some(version) = document.get("version") else {
            let message =
                format!("`{}` answers without a version, so it cannot be watched", self.operation.verb);
            return Err(Error::new(Code::INTERNAL, message));
        };
        if self.request.get("version") == Some(version) {
            tokio::time::sleep(PAUSE).await;
        } else {
            self.request.insert("version".to_owned(), version.clone());
            if !self.give(document).await? {
                return Ok(false);
            }
        }
        Ok(document.get("ended").is_none_or(Value::is_null))
    }

    /// Gives one item; false when the client left.
    async fn give(&self, item: &Value) -> Result<bool, Error> {
        let message = operations::answer(&self.operation.verb, &self.operation.method.output(), item)?;
        Ok(self.items.send(Ok(message)).await.is_ok())
    }
}
