//! A method that is a control operation: its message becomes the operation's document, the answer's document a message.

use std::sync::Arc;

use caxton_plugin::{Code, Error, Payload, asking::traceparent};
use caxton_proto::{
    Operation,
    transcode::{Unknown, from_json, to_json},
};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value;
use tonic::{
    Status, Streaming,
    body::Body,
    codegen::http::{Request, Response},
    server::Grpc,
};
use tower::service_fn;

use crate::{arriving::Arriving, call::Call, codec::Dynamic, refusal, shared::Shared};

/// Answers a call of one message with one message.
pub(crate) async fn unary(
    shared: Arc<Shared>,
    operation: &'static Operation,
    call: Call,
    request: Request<Body>,
) -> Response<Body> {
    let (bytes_max, silent_max) = (shared.config.message_bytes_max, shared.config.request_timeout());
    let work = service_fn(move |request: tonic::Request<DynamicMessage>| {
        let shared = shared.clone();
        async move {
            let answer = invoke(&shared, operation, &call, request.get_ref()).await;
            answer.map(tonic::Response::new).map_err(|error| call.refuse(&error))
        }
    });
    let request = request.map(|body| Arriving::new(body, silent_max));
    Grpc::new(Dynamic::of(&operation.method)).max_decoding_message_size(bytes_max).unary(work, request).await
}

async fn invoke(
    shared: &Shared,
    operation: &Operation,
    call: &Call,
    message: &DynamicMessage,
) -> Result<DynamicMessage, Error> {
    let mut request = to_json(message).map_err(|fault| refusal::fault(&fault))?;
    trace(&mut request, operation, call);
    let work = shared.host.invoke(&operation.verb, &request);
    let document = call.operation(&operation.verb, shared.config.ask_timeout_max(), work).await?;
    answer(&operation.verb, &operation.method.output(), &document)
}

/// Gives the call's trace to an operation that sends messages and was not told one.
fn trace(request: &mut Value, operation: &Operation, call: &Call) {
    let takes = operation.method.input().get_field_by_name(traceparent::NAME).is_some();
    if let (true, Value::Object(members), Some(trace)) = (takes, request, call.trace)
        && let Some(text) = traceparent::write(&trace)
    {
        members.entry(traceparent::NAME).or_insert(text.into());
    }
}

/// The message of an answer's document.
///
/// # Errors
/// When the document is not what the contract says.
pub(crate) fn answer(
    verb: &str,
    message: &MessageDescriptor,
    document: &Value,
) -> Result<DynamicMessage, Error> {
    // A newer server may say more than this plugin's contract knows.
    from_json(message, document, Unknown::Skip).map_err(|fault| {
        Error::new(Code::INTERNAL, format!("the answer of `{verb}` is not as the contract says: {fault}"))
    })
}

/// Takes a component in pieces.
pub(crate) async fn put(
    shared: Arc<Shared>,
    operation: &'static Operation,
    call: Call,
    request: Request<Body>,
) -> Response<Body> {
    let (bytes_max, silent_max) = (shared.config.message_bytes_max, shared.config.request_timeout());
    let work = service_fn(move |request: tonic::Request<Streaming<DynamicMessage>>| {
        let shared = shared.clone();
        async move {
            let bytes = collect(&shared, &call, request.into_inner()).await?;
            let work = shared.host.invoke_raw(&operation.verb, Payload::from(bytes));
            let stored = call.operation(&operation.verb, shared.config.ask_timeout_max(), work).await;
            let stored = stored.and_then(|stored| Ok(serde_json::from_slice::<Value>(stored.as_slice())?));
            let stored =
                stored.and_then(|stored| answer(&operation.verb, &operation.method.output(), &stored));
            stored.map(tonic::Response::new).map_err(|error| call.refuse(&error))
        }
    });
    let request = request.map(|body| Arriving::new(body, silent_max));
    let mut grpc = Grpc::new(Dynamic::of(&operation.method)).max_decoding_message_size(bytes_max);
    grpc.client_streaming(work, request).await
}

/// The pieces of a component together, up to `component_bytes_max`.
async fn collect(
    shared: &Shared,
    call: &Call,
    mut pieces: Streaming<DynamicMessage>,
) -> Result<Vec<u8>, Status> {
    let max = shared.config.component_bytes_max;
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.message().await.map_err(refusal::coded)? {
        let chunk = piece.get_field_by_name("chunk");
        let chunk = chunk.as_ref().and_then(|chunk| chunk.as_bytes()).map_or(&[][..], |chunk| chunk);
        if bytes.len() + chunk.len() > max {
            let message = format!("expected at most {max} bytes (component_bytes_max), found more");
            return Err(call.refuse(&Error::new(Code::BODY_TOO_LARGE, message)));
        }
        bytes.extend_from_slice(chunk);
    }
    Ok(bytes)
}
