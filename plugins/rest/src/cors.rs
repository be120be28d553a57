//! Cross-origin requests of web pages whose origins the operator allows; without such origins nothing here runs.
//!
//! No credentials are allowed, so `*` gives a page no more than any other program on the machine has.

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

/// What a page may send.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE");
/// What a page may send beside what every page may; user parameters are headers with names of their own.
const HEADERS: HeaderValue = HeaderValue::from_static("accept, content-type, last-event-id, traceparent");
/// What a page may read beside what every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "allow, caxton-conversation-id, caxton-performative, caxton-sender, retry-after",
);
/// Seconds for which a browser may keep the answer to a preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// Any origin.
const ANY: &str = "*";

/// Which web page sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The operator allows none of another origin, so it does not matter.
    Any,
    /// None, or none that the operator allows.
    Unknown,
    /// One that the operator allows, with what `Access-Control-Allow-Origin` says to it.
    Allowed(HeaderValue),
}

impl Page {
    pub(crate) fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// True for `*`, and for `SCHEME://HOST[:PORT]` as a browser writes it.
pub(crate) fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let bare =
        uri.scheme_str().zip(uri.authority()).map(|(scheme, authority)| format!("{scheme}://{authority}"));
    text == ANY
        || (bare.as_deref() == Some(text) && !text.contains('@') && HeaderValue::from_str(text).is_ok())
}

/// What `Access-Control-Allow-Origin` says to a request; `None` when its page is not allowed.
pub(crate) fn allowed(origins: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    if origins.iter().any(|allowed| allowed == ANY) {
        return Some(HeaderValue::from_static(ANY));
    }
    let is = |allowed: &String| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
    origins.iter().any(is).then(|| origin.clone())
}

/// True for a browser's question whether it may send a page's request.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that question. The headers that the browser asks for are allowed as they are, since any `X-Acl-` may be
/// one.
pub(crate) fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned().unwrap_or(HEADERS);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

/// Writes what an answer says to the browser; caches are told that it differs by origin.
pub(crate) fn mark(headers: &mut HeaderMap, page: Page) {
    if page == Page::Any {
        return;
    }
    headers.append(header::VARY, HeaderValue::from(header::ORIGIN));
    let Page::Allowed(allowed) = page else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for text in ["*", "https://app.example.org", "http://127.0.0.1:3000", "http://[::1]:80"] {
            assert!(is_origin(text), "{text}");
        }
        for text in [
            "",
            "null",
            "example.org",
            "https://a.org/",
            "https://a.org/x",
            "https://u@a.org",
            "https://*.a.org?",
            "/",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }
}
