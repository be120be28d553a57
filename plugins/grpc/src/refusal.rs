//! Errors as gRPC statuses: one table from our codes, and rich details (google.rpc) that say code, fix and when to retry.
//!
//! The same table stands in `docs/reference/grpc.md`.

use std::{collections::HashMap, time::Duration};

use caxton_plugin::{Code, Error, TraceContext, asking::traceparent, code::Entry, retry};
use caxton_proto::transcode::Fault;
use serde_json::Value;
use tonic::{Status, codegen::http};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of our codes in `google.rpc.ErrorInfo`.
pub(crate) const DOMAIN: &str = "caxton";
/// Bytes of a value of the metadata of `ErrorInfo`, which crosses as a header.
const VALUE_BYTES_MAX: usize = 512;
/// Bytes of a status' message, which crosses as a header.
const MESSAGE_BYTES_MAX: usize = 2048;
/// Components and packages: what is uploaded is not valid.
const COMPONENTS: std::ops::RangeInclusive<u16> = 401..=412;

/// The status of a code.
pub(crate) fn grpc_code(code: Code) -> tonic::Code {
    match code {
        Code::CONTROL_UNKNOWN_VERB | Code::METHOD_NOT_ALLOWED => tonic::Code::Unimplemented,
        Code::AGENT_EXISTS | Code::CONVERSATION_EXISTS | Code::ID_CONFLICT | Code::DUPLICATE => {
            tonic::Code::AlreadyExists
        }
        Code::PLUGIN_BUSY | Code::UPGRADE_RUNNING => tonic::Code::Aborted,
        Code::CANCELLED => tonic::Code::Cancelled,
        _ => match http_status(code) {
            400 | 415 => tonic::Code::InvalidArgument,
            422 if COMPONENTS.contains(&code.0) => tonic::Code::InvalidArgument,
            403 => tonic::Code::PermissionDenied,
            404 => tonic::Code::NotFound,
            408 | 410 | 504 => tonic::Code::DeadlineExceeded,
            409 | 422 => tonic::Code::FailedPrecondition,
            413 | 429 | 507 => tonic::Code::ResourceExhausted,
            502 | 503 => tonic::Code::Unavailable,
            _ => tonic::Code::Internal,
        },
    }
}

/// The status that the code has over HTTP.
pub(crate) fn http_status(code: Code) -> u16 {
    match code {
        // What was asked before has no answer to give.
        Code::DUPLICATE => 409,
        _ => code.entry().map_or(500, |entry| entry.http_status),
    }
}

/// The status of an error.
pub(crate) fn of(error: &Error) -> Status {
    with_trace(error, None)
}

/// The status of an error of a call that belongs to a trace.
pub(crate) fn with_trace(error: &Error, trace: Option<&TraceContext>) -> Status {
    let code = error.code();
    let mut details = ErrorDetails::new();
    details.set_error_info(code.to_string(), DOMAIN, metadata(error, trace));
    if let Some(seconds) = retry::after_seconds(code, http_status(code)) {
        details.set_retry_info(Some(Duration::from_secs(seconds)));
    }
    if let Some(field) = field(error) {
        details.add_bad_request_violation(field, error.message());
    }
    Status::with_error_details(grpc_code(code), cut(error.message(), MESSAGE_BYTES_MAX), details)
}

/// The error of a request that JSON cannot say.
pub(crate) fn fault(fault: &Fault) -> Error {
    let detail = serde_json::json!({"field": fault.path()});
    Error::new(Code::CONTROL_REQUEST_INVALID, fault.to_string()).with_detail(detail)
}

fn metadata(error: &Error, trace: Option<&TraceContext>) -> HashMap<String, String> {
    let code = error.code();
    let mut found: HashMap<String, String> = HashMap::new();
    if let Some(Value::Object(members)) = error.detail() {
        for (name, value) in members {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            found.insert(name.clone(), cut(&text, VALUE_BYTES_MAX).to_owned());
        }
    }
    found.insert("name".to_owned(), code.slug().to_owned());
    found.insert(
        "fix".to_owned(),
        code.entry().map_or("see the message", |entry: &Entry| entry.fix).to_owned(),
    );
    found.insert("status".to_owned(), http_status(code).to_string());
    if let Some(trace) = trace.filter(|trace| !trace.trace.is_none()) {
        found.insert("trace-id".to_owned(), format!("{:032x}", trace.trace.to_u128()));
    }
    found
}

/// The field of the request that is not valid: the one of the detail, or what the message names first.
fn field(error: &Error) -> Option<String> {
    if !matches!(error.code(), Code::CONTROL_REQUEST_INVALID | Code::AGENT_MANIFEST_INVALID) {
        return None;
    }
    let told = error.detail().and_then(|detail| detail.get("field")).and_then(Value::as_str);
    let named = || error.message().split('`').nth(1);
    told.or_else(named).map(|field| field.replace('-', "_")).filter(|field| !field.is_empty())
}

fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// Gives a code to what the library refused by itself; other statuses stay as they are.
pub(crate) fn coded(status: Status) -> Status {
    if !status.details().is_empty() {
        return status;
    }
    let error = match status.code() {
        // The library's word for a message over the bound.
        tonic::Code::OutOfRange => Error::new(Code::BODY_TOO_LARGE, status.message()),
        // A compression that the client was not offered.
        tonic::Code::Unimplemented => Error::new(Code::MEDIA_TYPE, status.message()),
        // Frames that are none, a message that broke off or is missing.
        tonic::Code::Internal | tonic::Code::Unknown => {
            Error::new(Code::CONTROL_REQUEST_INVALID, status.message())
        }
        _ => return status,
    };
    of(&error)
}

/// As [`coded`], for the answer to a call that the library refused.
pub(crate) fn coded_response<B: Default>(response: http::Response<B>) -> http::Response<B> {
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != tonic::Code::Ok && status.details().is_empty() => {
            coded(status).into_http()
        }
        _ => response,
    }
}

/// The trace of a call, from its metadata.
pub(crate) fn trace_of(headers: &http::HeaderMap) -> Option<TraceContext> {
    headers.get(traceparent::NAME).and_then(|value| value.to_str().ok()).and_then(traceparent::parse)
}

#[cfg(test)]
mod tests {
    use caxton_plugin::code::ALL;
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn every_code_has_a_status_and_says_what_to_do() {
        for entry in ALL {
            let status = of(&Error::new(entry.code, "x"));
            assert_ne!(status.code(), tonic::Code::Ok, "{}", entry.slug);
            let details = status.get_error_details();
            let info = details.error_info().unwrap();
            assert_eq!((info.reason.clone(), info.domain.as_str()), (entry.code.to_string(), DOMAIN));
            assert_eq!(
                (info.metadata["name"].as_str(), info.metadata["fix"].as_str()),
                (entry.slug, entry.fix)
            );
        }
    }

    #[test]
    fn the_table_of_statuses() {
        for (code, status) in [
            (Code::MAILBOX_FULL, tonic::Code::ResourceExhausted),
            (Code::UNKNOWN_RECEIVER, tonic::Code::NotFound),
            (Code::REPLY_TIMEOUT, tonic::Code::DeadlineExceeded),
            (Code::AGENT_EXISTS, tonic::Code::AlreadyExists),
            (Code::PLUGIN_BUSY, tonic::Code::Aborted),
            (Code::SENDER_FORGED, tonic::Code::PermissionDenied),
            (Code::COMPONENT_NOT_WASM, tonic::Code::InvalidArgument),
            (Code::AGENT_INIT_FAILED, tonic::Code::FailedPrecondition),
            (Code::STORE_FULL, tonic::Code::ResourceExhausted),
            (Code::SHUTTING_DOWN, tonic::Code::Unavailable),
            (Code::CONTROL_UNKNOWN_VERB, tonic::Code::Unimplemented),
            (Code::CANCELLED, tonic::Code::Cancelled),
            (Code::INTERNAL, tonic::Code::Internal),
        ] {
            assert_eq!(grpc_code(code), status, "{code}");
        }
    }

    #[test]
    fn says_when_to_try_again_and_which_field_is_wrong() {
        let full = of(&Error::new(Code::MAILBOX_FULL, "full")).get_error_details();
        assert_eq!(full.retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
        let error = Error::new(Code::CONTROL_REQUEST_INVALID, "unknown field `wait-ms`, expected `id`");
        let details = of(&error).get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "wait_ms");
        assert!(details.retry_info().is_none());
    }
}
