//! Errors as RFC 9457 problem documents, for every status of 400 and above.
//!
//! A handler fails with a [`Problem`]; [`render`] writes the document at the very end, because only there the request is
//! known. It also gives a document to what the HTTP library answers by itself: unknown paths and wrong methods.

use axum::{
    Json,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use caxton_acl::conversation_uid;
use caxton_plugin::{Code, Error, Host, Uid};
use serde_json::{Map, Value, json};
use tracing::{debug, error};

use crate::{retry, trace};

/// The media type of a problem document.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Bytes of the path that `instance` repeats.
const INSTANCE_BYTES_MAX: usize = 1024;

/// Why a request failed.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    code: Code,
    status: StatusCode,
    detail: String,
    trace: Option<Uid>,
    members: Map<String, Value>,
}

impl Problem {
    /// A problem with the status that the code's entry names.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = code.entry().and_then(|entry| StatusCode::from_u16(entry.http_status).ok());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { code, status, detail: detail.into(), trace: None, members: Map::new() }
    }

    /// Adds a member to the document.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Names the conversation, whose id is its trace's.
    pub(crate) fn about(mut self, conversation: Uid, text: &str) -> Self {
        self.trace = Some(conversation);
        self.with("conversation-id", text)
    }

    /// Answers with another status than the code's.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Writes it to the log: a fault of the server as an error, a refusal for who looks closely.
    fn log(&self, method: &Method, uri: &Uri, trace: Uid) {
        let (code, status, path, detail) = (self.code, self.status.as_u16(), uri.path(), &self.detail);
        let trace = trace_id(trace);
        if status == 500 {
            error!(%code, status, %method, path, trace, detail, "a request failed");
        } else {
            debug!(%code, status, %method, path, trace, detail, "a request was refused");
        }
    }

    /// The document for a request's path and trace.
    pub(crate) fn document(self, path: &str, trace: Option<Uid>) -> Value {
        let entry = self.code.entry();
        let mut document = json!({
            "type": format!("urn:caxton:error:{}", self.code),
            "title": self.code.slug(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code.to_string(),
            "fix": entry.map_or("see the detail", |entry| entry.fix),
            "instance": path,
        });
        if let Value::Object(members) = &mut document {
            if let Some(seconds) = retry::after_seconds(self.code, self.status) {
                members.insert("retry-after-ms".to_owned(), json!(seconds * 1000));
            }
            if let Some(trace) = trace.or(self.trace) {
                members.insert("trace-id".to_owned(), json!(trace_id(trace)));
            }
            for (name, value) in self.members {
                members.entry(name).or_insert(value);
            }
        }
        document
    }
}

/// A trace's id as W3C writes it.
fn trace_id(trace: Uid) -> String {
    format!("{:032x}", trace.to_u128())
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = Self::new(error.code(), error.message());
        match error.detail() {
            // What is known of a message stands in the document itself, and its conversation is the trace.
            Some(Value::Object(members)) if members.contains_key("conversation-id") => Self {
                trace: members
                    .get("conversation-id")
                    .and_then(Value::as_str)
                    .map(|text| Uid::from_u128(conversation_uid(text))),
                members: members.clone(),
                ..problem
            },
            Some(context) => problem.with("context", context.clone()),
            None => problem,
        }
    }
}

/// The message says the place, the fault and what to do.
impl From<caxton_acl::Error> for Problem {
    fn from(error: caxton_acl::Error) -> Self {
        Self::new(Code(error.code()), error.to_string())
    }
}

/// Leaves the document to [`render`].
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A panic of a handler; the caller learns nothing of its text.
pub(crate) fn of_panic(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    Problem::new(Code::INTERNAL, "the server's code for this request panicked").into_response()
}

/// What a document repeats of the request.
pub(crate) struct Asked {
    method: Method,
    uri: Uri,
    trace: Option<HeaderValue>,
}

impl Asked {
    pub(crate) fn of(request: &Request) -> Self {
        let trace = request.headers().get(trace::HEADER).cloned();
        Self { method: request.method().clone(), uri: request.uri().clone(), trace }
    }
}

/// Writes the document of a problem; other responses pass.
///
/// A problem without a trace of its request or its conversation gets one, so that it can be found in the log.
pub(crate) fn render(asked: Asked, mut response: Response, host: &Host) -> Response {
    if response.status().as_u16() < 400 {
        return response;
    }
    let Asked { method, uri, trace } = asked;
    let trace = trace.as_ref().and_then(trace::read).map(|context| context.trace);
    let problem = response.extensions_mut().remove::<Problem>();
    let Some(problem) = problem.or_else(|| unrendered(&response, &method, &uri)) else {
        return response;
    };
    let status = problem.status;
    let trace = trace.or(problem.trace).unwrap_or_else(|| host.mint());
    problem.log(&method, &uri, trace);
    let retry_after = retry::after_seconds(problem.code, status);
    let path: String = uri.path().chars().take(INSTANCE_BYTES_MAX).collect();
    let mut rendered = (status, Json(problem.document(&path, Some(trace)))).into_response();
    let headers = rendered.headers_mut();
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    // Allow of a wrong method, Connection of one that is closed.
    for name in [header::ALLOW, header::CONNECTION] {
        if let Some(value) = response.headers_mut().remove(&name) {
            headers.insert(name, value);
        }
    }
    rendered
}

/// The problem of an error that the HTTP library answered by itself; `None` for what is fine or has a document.
fn unrendered(response: &Response, method: &Method, uri: &Uri) -> Option<Problem> {
    let status = response.status();
    if response.headers().contains_key(header::CONTENT_TYPE) {
        return None;
    }
    let path: String = uri.path().chars().take(INSTANCE_BYTES_MAX).collect();
    Some(match status {
        StatusCode::NOT_FOUND => Problem::new(Code::NOT_FOUND, format!("there is no resource `{path}`")),
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(Code::METHOD_NOT_ALLOWED, format!("`{path}` does not take {method}"))
        }
        _ => Problem::new(Code::INTERNAL, format!("the HTTP library answered {status}")).status(status),
    })
}
