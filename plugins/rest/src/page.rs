//! `GET /docs`: a page that shows the description of the HTTP surface and tries it.
//!
//! Its three files are compiled in. It loads nothing from elsewhere, and its policy does not let it.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};

/// What the page may load: its own files and the server's answers.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
);

/// The page's files.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> [(&'static str, MethodRouter<S>); 3] {
    [
        ("/docs", get(async || file("text/html; charset=utf-8", include_str!("../page/index.html")))),
        (
            "/docs/page.js",
            get(async || file("text/javascript; charset=utf-8", include_str!("../page/page.js"))),
        ),
        ("/docs/page.css", get(async || file("text/css; charset=utf-8", include_str!("../page/page.css")))),
    ]
}

fn file(media: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
