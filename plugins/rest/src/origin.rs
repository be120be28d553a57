//! Who may call: no web page of another origin, and on loopback only under a name of this machine.
//!
//! A browser on this machine lends its pages our loopback. Origin tells most of them apart; a page whose own name was
//! made to point at 127.0.0.1 (DNS rebinding) is its own origin, but its name stands in Host. This is no
//! authentication: what is not a browser writes what it likes into both.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header, uri::Authority};
use caxton_plugin::Code;

use crate::{
    config::Config,
    cors::{self, Page},
    problem::Problem,
};

/// The names under which the server may be called.
#[derive(Clone)]
pub(crate) struct Names {
    /// True where others can reach the server anyway, so its names are not known.
    any: bool,
    allowed: Arc<[String]>,
    /// Origins whose pages may call.
    origins: Arc<[String]>,
}

impl Names {
    pub(crate) fn of(config: &Config) -> Self {
        let listen = config.listen.parse::<SocketAddr>();
        let any = listen.is_ok_and(|address| !address.ip().is_loopback());
        let origins = config.cors_origins.clone().into();
        Self { any, allowed: config.hosts_allowed.clone().into(), origins }
    }

    /// Which web page sent a request, as far as it matters.
    pub(crate) fn page(&self, headers: &HeaderMap) -> Page {
        match self.origins.as_ref() {
            [] => Page::Any,
            origins => cors::allowed(origins, headers).map_or(Page::Unknown, Page::Allowed),
        }
    }

    /// True when every Host is one of ours. No browser leaves it out, so a request without it is not a page's.
    fn admit(&self, headers: &HeaderMap) -> bool {
        self.any || headers.get_all(header::HOST).iter().all(|host| self.admits(host))
    }

    fn admits(&self, host: &HeaderValue) -> bool {
        // What most clients send needs no parsing.
        if host.as_bytes().starts_with(b"127.0.0.1:")
            && host.as_bytes().iter().skip(10).all(u8::is_ascii_digit)
        {
            return true;
        }
        let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
        let name = authority.host();
        let is = |allowed: &str| name.eq_ignore_ascii_case(allowed);
        is("localhost") || is_loopback(name) || self.allowed.iter().any(|allowed| is(allowed))
    }
}

/// True for an address of loopback as a URL has it: IPv6 in brackets.
fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Why a request is refused that a browser sent for a web page that is not ours; `None` for others.
pub(crate) fn refusal(names: &Names, headers: &HeaderMap, page: &Page) -> Option<Problem> {
    if !names.admit(headers) {
        return Some(refuse(
            "the Host header is no name of this machine's loopback; call 127.0.0.1 or localhost, or add the name to \
             `hosts_allowed` of plugin rest",
        ));
    }
    let detail = "a web page of another origin sent the request; call the server from outside a browser, or add the origin \
                  to `cors_origins` of plugin rest";
    (!page.is_allowed() && foreign(headers)).then(|| refuse(detail))
}

fn refuse(detail: &str) -> Problem {
    Problem::new(Code::CONTROL_REQUEST_INVALID, detail).status(StatusCode::FORBIDDEN)
}

/// Only browsers send Origin; they send it with everything but simple reads, whose answers they keep from the page.
fn foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    !authority.is_some_and(|(_, authority)| authority.as_bytes().eq_ignore_ascii_case(host))
}
