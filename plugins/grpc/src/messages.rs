//! Messages of clients: sent, asked with one answer, asked with answers as they come.

use std::{sync::Arc, time::Duration};

use caxton_plugin::{
    Code, Error,
    asking::{Accepted, Answer, Answers, MESSAGES_MAX, Outgoing, TIMEOUT_MS, traceparent},
    retry,
};
use caxton_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status,
    body::Body,
    codegen::http::{Request, Response},
    server::Grpc,
};
use tower::service_fn;

use crate::{
    acl,
    arriving::Arriving,
    call::Call,
    codec::Typed,
    phase::{Phase, given_up, reached},
    refusal,
    shared::Shared,
};

/// The methods.
pub(crate) const SEND: &str = "/caxton.v1.MessageService/SendMessages";
pub(crate) const ASK: &str = "/caxton.v1.MessageService/Ask";
pub(crate) const ASK_STREAM: &str = "/caxton.v1.MessageService/AskStream";

/// Answers that wait for a client that reads slowly; others wait before it.
const ANSWERS_WAITING_MAX: usize = 16;

/// `SendMessages`: one outcome each, in order.
pub(crate) async fn send(shared: Arc<Shared>, call: Call, request: Request<Body>) -> Response<Body> {
    let (bytes_max, silent_max) = (shared.config.message_bytes_max, shared.config.request_timeout());
    let work = service_fn(move |request: tonic::Request<v1::SendMessagesRequest>| {
        let shared = shared.clone();
        async move {
            let sent = send_all(&shared, &call, request.into_inner().messages).await;
            sent.map(tonic::Response::new).map_err(|error| call.refuse(&error))
        }
    });
    let request = request.map(|body| Arriving::new(body, silent_max));
    let codec = Typed::<v1::SendMessagesResponse, v1::SendMessagesRequest>::default();
    Grpc::new(codec).max_decoding_message_size(bytes_max).unary(work, request).await
}

async fn send_all(
    shared: &Shared,
    call: &Call,
    messages: Vec<v1::Message>,
) -> Result<v1::SendMessagesResponse, Error> {
    if messages.is_empty() || messages.len() > MESSAGES_MAX {
        let message =
            format!("in `messages`: expected 1 to {MESSAGES_MAX} messages, found {}", messages.len());
        return Err(Error::new(Code::CONTROL_REQUEST_INVALID, message));
    }
    let read = |message| -> Result<Outgoing, Error> {
        let (message, delivery) = acl::read(message)?;
        shared.asking.sender(call.trace).outgoing(message, delivery)
    };
    let results = shared.asking.send_read(messages.into_iter().map(read).collect()).await?;
    let mut response = v1::SendMessagesResponse::default();
    for result in results {
        match &result {
            Ok(accepted) if accepted.duplicate => response.duplicates += 1,
            Ok(_) => response.accepted += 1,
            Err(_) => response.refused += 1,
        }
        response.items.push(outcome(result, call));
    }
    Ok(response)
}

fn outcome(result: Result<Accepted, Error>, call: &Call) -> v1::SendOutcome {
    use v1::send_outcome::Outcome;
    match result {
        Ok(accepted) => {
            let status = if accepted.duplicate { 200 } else { 202 };
            v1::SendOutcome { outcome: Some(Outcome::Accepted(self::accepted(accepted))), status }
        }
        Err(error) => {
            let problem = problem(&error, call);
            let status = problem.status;
            v1::SendOutcome { outcome: Some(Outcome::Refused(problem)), status }
        }
    }
}

fn accepted(found: Accepted) -> v1::Accepted {
    let refused = found.refused.into_iter().map(|(receiver, code)| v1::RefusedCopy {
        receiver,
        code: code.to_string(),
        reason: code.slug().to_owned(),
    });
    v1::Accepted {
        id: found.id.to_string(),
        class: acl::class_of(found.class) as i32,
        conversation_id: found.conversation_id,
        receiver: found.receivers,
        duplicate: found.duplicate,
        refused: refused.collect(),
    }
}

/// The problem of one message, as it stands over HTTP.
fn problem(error: &Error, call: &Call) -> v1::Problem {
    let code = error.code();
    let status = refusal::http_status(code);
    let conversation =
        error.detail().and_then(|detail| detail.get("conversation-id")).and_then(|id| id.as_str());
    v1::Problem {
        r#type: format!("urn:caxton:error:{code}"),
        title: code.slug().to_owned(),
        status: u32::from(status),
        detail: error.message().to_owned(),
        code: code.to_string(),
        fix: code.entry().map_or("see the detail", |entry| entry.fix).to_owned(),
        trace_id: call.trace.map(|trace| format!("{:032x}", trace.trace.to_u128())),
        retry_after_ms: retry::after_seconds(code, status).map(|seconds| seconds * 1000),
        conversation_id: conversation.map(str::to_owned),
        ..v1::Problem::default()
    }
}

/// `Ask`: the answer, of whatever act.
pub(crate) async fn ask(shared: Arc<Shared>, call: Call, request: Request<Body>) -> Response<Body> {
    let (bytes_max, silent_max) = (shared.config.message_bytes_max, shared.config.request_timeout());
    let work = service_fn(move |request: tonic::Request<v1::AskRequest>| {
        let shared = shared.clone();
        async move {
            let answer = ask_one(&shared, &call, request.into_inner()).await;
            answer.map_err(|error| call.refuse(&error))
        }
    });
    let request = request.map(|body| Arriving::new(body, silent_max));
    let codec = Typed::<v1::AskResponse, v1::AskRequest>::default();
    Grpc::new(codec).max_decoding_message_size(bytes_max).unary(work, request).await
}

async fn ask_one(
    shared: &Shared,
    call: &Call,
    request: v1::AskRequest,
) -> Result<tonic::Response<v1::AskResponse>, Error> {
    let (question, delivery) = acl::read(asked(request.message)?)?;
    let answer = shared.asking.ask(question, delivery, time(shared, call), call.trace).await?;
    let message = answer.message(&shared.host)?;
    let mut response = tonic::Response::new(v1::AskResponse { message: Some(acl::write(message)) });
    traced(&mut response, &answer);
    Ok(response)
}

/// Names the trace of the answer in the response's metadata.
fn traced<T>(response: &mut tonic::Response<T>, answer: &Answer) {
    let trace = traceparent::write(&answer.envelope.head.trace);
    if let Some(value) = trace.and_then(|text| text.parse().ok()) {
        response.metadata_mut().insert(traceparent::NAME, value);
    }
}

fn asked(message: Option<v1::Message>) -> Result<v1::Message, Error> {
    let missing = "in `message`: expected a message, found none; set it";
    message.ok_or_else(|| Error::new(Code::CONTROL_REQUEST_INVALID, missing))
}

/// How long the caller waits.
fn time(shared: &Shared, call: &Call) -> Duration {
    call.time(Duration::from_millis(TIMEOUT_MS), shared.config.ask_timeout_max())
}

/// `AskStream`: every answer as it comes.
pub(crate) async fn ask_stream(shared: Arc<Shared>, call: Call, request: Request<Body>) -> Response<Body> {
    let (bytes_max, silent_max) = (shared.config.message_bytes_max, shared.config.request_timeout());
    let work = service_fn(move |request: tonic::Request<v1::AskStreamRequest>| {
        let shared = shared.clone();
        async move {
            let answers = ask_all(shared, call, request.into_inner()).await;
            answers.map(tonic::Response::new).map_err(|error| call.refuse(&error))
        }
    });
    let request = request.map(|body| Arriving::new(body, silent_max));
    let codec = Typed::<v1::AskStreamResponse, v1::AskStreamRequest>::default();
    Grpc::new(codec).max_decoding_message_size(bytes_max).server_streaming(work, request).await
}

async fn ask_all(
    shared: Arc<Shared>,
    call: Call,
    request: v1::AskStreamRequest,
) -> Result<ReceiverStream<Result<v1::AskStreamResponse, Status>>, Error> {
    let slot = shared.stream()?;
    let (question, delivery) = acl::read(asked(request.message)?)?;
    let answers = shared.asking.ask_stream(question, delivery, time(&shared, &call), call.trace).await?;
    let (parts, stream) = mpsc::channel(ANSWERS_WAITING_MAX);
    let mut phase = shared.phase.subscribe();
    tokio::spawn(async move {
        let _slot = slot;
        let left = parts.clone();
        tokio::select! {
            () = pass(answers, &parts, &call) => {}
            () = reached(&mut phase, Phase::GivingUp) => {
                // A client that left needs no last word.
                let _ = parts.send(Err(call.refuse(&given_up()))).await;
            }
            // Dropping the answers cancels the question.
            () = left.closed() => {}
        }
    });
    Ok(ReceiverStream::new(stream))
}

async fn pass(
    mut answers: Answers,
    parts: &mpsc::Sender<Result<v1::AskStreamResponse, Status>>,
    call: &Call,
) {
    while let Some(part) = answers.next().await {
        let item = part.and_then(|part| {
            let message = answers.message(&part)?;
            Ok(v1::AskStreamResponse { message: Some(acl::write(message)), last: part.last })
        });
        let item = item.map_err(|error| call.refuse(&error));
        if parts.send(item).await.is_err() {
            return;
        }
    }
}
