//! An agent outside of the server, for as long as a stream lasts.
//!
//! Over the operations `attachments.*`, as every other client. The lease of a stream is short and renewed by asking for
//! messages, so an agent whose stream breaks is lost within [`LEASE_MS`] (ruling F7); one that closes leaves by itself.
//! The next messages are asked for when the client has acknowledged all that came.

use std::{sync::Arc, time::Duration};

use caxton_plugin::{Code, Error, Host};
use caxton_proto::{
    pool,
    transcode::{Unknown, from_json, to_json},
    v1::{self, attach_request::Action, attach_response::Event},
};
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    body::Body,
    codegen::http::{Request, Response},
    server::Grpc,
};
use tower::service_fn;

use crate::{
    call::Call,
    codec::Typed,
    phase::{Phase, given_up, reached},
    refusal,
    shared::Shared,
};

/// The method.
pub(crate) const ATTACH: &str = "/caxton.v1.AttachmentService/Attach";

/// The lease of a client that names none: how long after the break of its stream an agent is lost.
const LEASE_MS: u64 = 5000;
/// What is left of the time between two questions: a lease is renewed three times.
const RENEWALS: u64 = 3;
/// The pause after an answer with nothing new, so that an operation that does not wait is not asked without end.
const PAUSE: Duration = Duration::from_millis(20);
/// Messages that come before an acknowledgement.
const DELIVERIES_MAX: u64 = 100;
/// Responses that wait for a client that reads slowly.
const RESPONSES_WAITING_MAX: usize = 16;

type Responses = mpsc::Sender<Result<v1::AttachResponse, Status>>;

/// Answers the call.
pub(crate) async fn attach(shared: Arc<Shared>, call: Call, request: Request<Body>) -> Response<Body> {
    let bytes_max = shared.config.message_bytes_max;
    let work = service_fn(move |request: tonic::Request<Streaming<v1::AttachRequest>>| {
        let shared = shared.clone();
        async move {
            let attached = open(shared, call, request.into_inner()).await;
            attached.map(tonic::Response::new).map_err(|refusal| refusal.status(&call))
        }
    });
    let codec = Typed::<v1::AttachResponse, v1::AttachRequest>::default();
    Grpc::new(codec).max_decoding_message_size(bytes_max).streaming(work, request).await
}

/// Why a stream ends.
enum Refusal {
    /// For a reason of ours.
    Ours(Error),
    /// The client's bytes were no message.
    Library(Status),
}

impl Refusal {
    fn status(self, call: &Call) -> Status {
        match self {
            Self::Ours(error) => call.refuse(&error),
            Self::Library(status) => refusal::coded(status),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

/// Takes the first request and attaches the agent.
async fn open(
    shared: Arc<Shared>,
    call: Call,
    mut requests: Streaming<v1::AttachRequest>,
) -> Result<ReceiverStream<Result<v1::AttachResponse, Status>>, Refusal> {
    let slot = shared.stream()?;
    let waited = tokio::time::timeout(shared.config.request_timeout(), requests.message()).await;
    let first = waited.map_err(|_| expected_open())?.map_err(Refusal::Library)?;
    let Some(Action::Open(mut wanted)) = first.and_then(|request| request.action) else {
        return Err(expected_open().into());
    };
    let lease_ms = *wanted.lease_ms.get_or_insert(LEASE_MS);
    let request = document("OpenAttachmentRequest", &wanted)?;
    let opened = shared.host.invoke("attachments.open", &request).await?;
    let id = opened.get("id").and_then(Value::as_str).map(str::to_owned);
    let id = id.ok_or_else(|| Error::new(Code::INTERNAL, "`attachments.open` answered without an id"))?;
    let (responses, stream) = mpsc::channel(RESPONSES_WAITING_MAX);
    let attached = Attached {
        host: shared.host.clone(),
        id,
        responses,
        renewal: Duration::from_millis((lease_ms / RENEWALS).max(1)),
        acknowledged: 0,
        delivered: 0,
        pause: Duration::ZERO,
    };
    let attachment: v1::Attachment = message("Attachment", &opened)?;
    tokio::spawn(async move {
        let _slot = slot;
        attached.run(shared, call, requests, attachment).await;
    });
    Ok(ReceiverStream::new(stream))
}

fn expected_open() -> Error {
    Error::new(
        Code::CONTROL_REQUEST_INVALID,
        "in `open`: expected it in the first message of the stream; send it first",
    )
}

/// An attached agent.
struct Attached {
    host: Host,
    id: String,
    responses: Responses,
    /// How often the lease is renewed at least.
    renewal: Duration,
    /// The last sequence that the client has acknowledged.
    acknowledged: u64,
    /// The last sequence that went to the client.
    delivered: u64,
    /// Before the next question.
    pause: Duration,
}

/// How a stream goes on.
enum Next {
    Goes,
    /// The agent left by itself.
    Closed,
    /// The client left without a word: the lease ends the agent.
    Lost,
}

impl Attached {
    async fn run(
        mut self,
        shared: Arc<Shared>,
        call: Call,
        requests: Streaming<v1::AttachRequest>,
        attachment: v1::Attachment,
    ) {
        let mut phase = shared.phase.subscribe();
        let (responses, left) = (self.responses.clone(), self.responses.clone());
        let (host, id) = (self.host.clone(), self.id.clone());
        self.tell(Event::Opened(attachment)).await;
        let ended = tokio::select! {
            ended = self.converse(requests) => ended,
            () = left.closed() => return,
            () = reached(&mut phase, Phase::Draining) => {
                // It is our end and not the agent's, so nothing that it promised is void; it may attach again at once.
                let closed = host.invoke("attachments.close", &json!({"id": id})).await;
                Err(Refusal::Ours(closed.err().unwrap_or_else(given_up)))
            }
        };
        if let Err(refusal) = ended {
            // A client that left needs no last word.
            let _ = responses.send(Err(refusal.status(&call))).await;
        }
    }

    /// Passes messages in both directions until one side ends.
    async fn converse(&mut self, mut requests: Streaming<v1::AttachRequest>) -> Result<(), Refusal> {
        let mut renewals = renewals(self.renewal);
        let mut question = None;
        loop {
            if question.is_none() && self.acknowledged == self.delivered {
                question = Some(Box::pin(self.receive(self.renewal)));
            }
            let waits = question.is_some();
            let next = tokio::select! {
                request = requests.message() => self.hear(request.map_err(Refusal::Library)?).await?,
                came = async { question.as_mut()?.await.into() }, if waits => {
                    question = None;
                    let came: Option<Result<Value, Error>> = came;
                    self.deliver(came.transpose()?).await?
                }
                // While messages are not acknowledged nothing is waited for, so the lease is renewed by itself.
                _ = renewals.tick(), if !waits => {
                    self.receive(Duration::ZERO).await?;
                    Next::Goes
                }
            };
            match next {
                Next::Goes => {}
                Next::Closed | Next::Lost => return Ok(()),
            }
        }
    }

    /// Asks for messages; `after` acknowledges those before.
    fn receive(&self, wait: Duration) -> impl Future<Output = Result<Value, Error>> + Send + use<> {
        let request = json!({
            "id": self.id,
            "after": self.acknowledged,
            "limit": DELIVERIES_MAX,
            "wait-ms": wait.as_millis() as u64,
        });
        let (pause, question) = (self.pause, self.host.invoke("attachments.receive", &request));
        async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            question.await
        }
    }

    async fn deliver(&mut self, came: Option<Value>) -> Result<Next, Refusal> {
        let Some(came) = came else { return Ok(Next::Goes) };
        let came: v1::ReceiveMessagesResponse = message("ReceiveMessagesResponse", &came)?;
        self.pause = if came.items.is_empty() { PAUSE } else { Duration::ZERO };
        for delivery in came.items {
            self.delivered = self.delivered.max(delivery.sequence);
            self.tell(Event::Delivery(delivery)).await;
        }
        Ok(Next::Goes)
    }

    async fn hear(&mut self, request: Option<v1::AttachRequest>) -> Result<Next, Refusal> {
        let Some(request) = request else { return Ok(Next::Lost) };
        match request.action {
            Some(Action::Send(group)) => self.send(group).await?,
            Some(Action::Acknowledge(found)) if found.sequence <= self.delivered => {
                self.acknowledged = self.acknowledged.max(found.sequence);
            }
            Some(Action::Acknowledge(found)) => {
                let message = format!(
                    "in `acknowledge.sequence`: expected at most {}, the last that came, found {}",
                    self.delivered, found.sequence
                );
                return Err(Error::new(Code::CONTROL_REQUEST_INVALID, message).into());
            }
            Some(Action::Close(_)) => {
                let closed = self.host.invoke("attachments.close", &json!({"id": self.id})).await?;
                self.tell(Event::Closed(message("Attachment", &closed)?)).await;
                return Ok(Next::Closed);
            }
            Some(Action::Open(_)) => {
                let message =
                    "in `open`: expected it in the first message only; open another stream for another agent";
                return Err(Error::new(Code::CONTROL_REQUEST_INVALID, message).into());
            }
            None => {
                let message = "in `action`: expected one of open, send, acknowledge, close, found none";
                return Err(Error::new(Code::CONTROL_REQUEST_INVALID, message).into());
            }
        }
        Ok(Next::Goes)
    }

    /// Sends a group of messages in the agent's name. A group that is refused as a whole ends the stream.
    async fn send(&mut self, group: v1::AttachSend) -> Result<(), Refusal> {
        let request = v1::SendAttachedMessagesRequest { id: self.id.clone(), messages: group.messages };
        let request = document("SendAttachedMessagesRequest", &request)?;
        let sent = self.host.invoke("attachments.send", &request).await?;
        let sent: v1::SendAttachedMessagesResponse = message("SendAttachedMessagesResponse", &sent)?;
        self.tell(Event::Sent(v1::AttachSent { number: group.number, items: sent.items })).await;
        Ok(())
    }

    /// Tells the client something. One that left is found by the stream's end.
    async fn tell(&self, event: Event) {
        let _ = self.responses.send(Ok(v1::AttachResponse { event: Some(event) })).await;
    }
}

fn renewals(renewal: Duration) -> Interval {
    let mut renewals = interval_at(Instant::now() + renewal, renewal);
    renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renewals
}

/// A typed message as the operation's document.
fn document<T: prost::Message>(name: &str, value: &T) -> Result<Value, Error> {
    let mut made = DynamicMessage::new(descriptor(name)?);
    made.transcode_from(value).map_err(unreadable)?;
    to_json(&made).map_err(|fault| refusal::fault(&fault))
}

/// An operation's document as a typed message.
fn message<T: prost::Message + Default>(name: &str, document: &Value) -> Result<T, Error> {
    let made = from_json(&descriptor(name)?, document, Unknown::Skip).map_err(|fault| {
        Error::new(Code::INTERNAL, format!("the answer is not as the contract says: {fault}"))
    })?;
    made.transcode_to().map_err(unreadable)
}

fn descriptor(name: &str) -> Result<prost_reflect::MessageDescriptor, Error> {
    pool()
        .get_message_by_name(&format!("caxton.v1.{name}"))
        .ok_or_else(|| Error::new(Code::INTERNAL, format!("the contract has no message {name}")))
}

fn unreadable(error: prost::DecodeError) -> Error {
    Error::new(Code::INTERNAL, error.to_string())
}
