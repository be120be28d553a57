//! The W3C trace context of a request, from its `traceparent` header.

use axum::http::{HeaderMap, HeaderValue};
use caxton_plugin::{TraceContext, asking::traceparent};

/// The header's name.
pub(crate) const HEADER: &str = traceparent::NAME;

/// The request's trace; `None` without the header or when it is not of version 00's form.
pub(crate) fn of(headers: &HeaderMap) -> Option<TraceContext> {
    headers.get(HEADER).and_then(read)
}

/// The trace in a header's value.
pub(crate) fn read(value: &HeaderValue) -> Option<TraceContext> {
    traceparent::parse(value.to_str().ok()?)
}
