//! Speaks the HTTP surface of a server: typed calls that give a document or say why not.
//!
//! Requests go straight to the server, never through a proxy of the environment. Answers are bounded by
//! [`RESPONSE_BYTES_MAX`]. TLS is not spoken; put a proxy of your own in front where it is needed.

use std::{
    io::{Read, Write as _},
    time::{Duration, Instant},
};

use serde_json::Value;
use ureq::{
    Agent, Body, RequestBuilder,
    http::Response,
    typestate::{WithBody, WithoutBody},
};

use crate::{problem::Problem, text::safe};

/// The server that is spoken to when nothing else is said.
pub const SERVER_DEFAULT: &str = "http://127.0.0.1:8400";
/// Larger answers are refused: the largest content, as base64 in JSON, fits four times.
pub const RESPONSE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one call may take when the caller does not wait for agents.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an upload may take: the server compiles the component before it answers.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);
/// What a call that waits for agents allows on top of the wait, for the way there and back.
const WAIT_MARGIN: Duration = Duration::from_secs(5);

/// Why a call gave no document.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one that can be called.
    #[error("`{url}` is not an address such as {SERVER_DEFAULT}: {why}")]
    Address {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No connection, or it broke.
    #[error("no server answers at {server}: {source}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// What the connection said.
        source: Box<ureq::Error>,
    },
    /// The connection was there and ended before an answer came.
    #[error("the server at {server} closed the connection before it answered: {source}")]
    BrokenOff {
        /// The server's address.
        server: String,
        /// What the connection said.
        source: Box<ureq::Error>,
    },
    /// The request cannot be written as HTTP, for example a header with a line break.
    #[error("the request cannot be sent: {source}")]
    Request {
        /// What is wrong with it.
        source: Box<ureq::Error>,
    },
    /// The server took longer than the call allows.
    #[error("the server at {server} did not answer in time")]
    Timeout {
        /// The server's address.
        server: String,
    },
    /// The server refused.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// The answer is not a document of the contract.
    #[error("the answer of {server} to {call} is not a document of this contract: {why}")]
    Contract {
        /// The server's address.
        server: String,
        /// Method and path.
        call: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// After which time the same call may succeed: the server is full, and said when to come back.
    pub fn come_back_after(&self) -> Option<Duration> {
        match self {
            Self::Problem(problem) if problem.status == 429 => problem.retry_after,
            _ => None,
        }
    }
}

/// An answer as it came: used where the body is the content of a message and not a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAnswer {
    /// The content.
    pub body: Vec<u8>,
    /// The answer's performative; empty when the server did not say.
    pub performative: String,
    /// The conversation that the exchange was; empty when the server did not say.
    pub conversation: String,
    /// Who answered; empty when the server did not say.
    pub sender: String,
}

/// A client of one server; connections are kept and reused.
#[derive(Debug)]
pub struct Client {
    server: String,
    agent: Agent,
    verbose: bool,
}

impl Client {
    /// A client of the server at `url`, such as `http://127.0.0.1:8400`. Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Address`] when `url` does not begin with `http://` and a host.
    pub fn new(url: &str) -> Result<Self, Error> {
        let server = url.trim_end_matches('/').to_owned();
        let address = |why| Error::Address { url: url.to_owned(), why };
        let host = server.strip_prefix("http://").ok_or_else(|| address("it does not begin with http://"))?;
        if host.is_empty() || host.contains(|found: char| found.is_whitespace() || found.is_control()) {
            return Err(address("it names no host"));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(CALL_TIMEOUT))
            .user_agent(concat!("caxton/", env!("CARGO_PKG_VERSION")));
        Ok(Self { server, agent: config.build().new_agent(), verbose: false })
    }

    /// The same client, which tells on stderr each call and how long it took.
    #[must_use]
    pub fn verbose(self, verbose: bool) -> Self {
        Self { verbose, ..self }
    }

    /// The server's address, without a slash at the end.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Gets the document at `path`, which begins with a slash.
    ///
    /// # Errors
    /// Every kind of [`Error`] but [`Error::Address`].
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        self.document("GET", path, || self.without_body(self.agent.get(self.url(path))))
    }

    /// Gets the document at `path` and waits up to `wait` longer than a call usually may.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn get_and_wait(&self, path: &str, wait: Duration) -> Result<Value, Error> {
        let request =
            || self.agent.get(self.url(path)).config().timeout_global(Some(wait + WAIT_MARGIN)).build();
        self.document("GET", path, || self.without_body(request()))
    }

    /// Gets the document at `path` within `budget`, and gives up on everything else.
    pub fn get_within(&self, path: &str, budget: Duration) -> Option<Value> {
        let request = self.agent.get(self.url(path)).config();
        let request = request.timeout_connect(Some(budget)).timeout_global(Some(budget)).build();
        self.document("GET", path, || self.without_body(request)).ok()
    }

    /// Deletes what is at `path` and gives its last document.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn delete(&self, path: &str) -> Result<Value, Error> {
        self.document("DELETE", path, || self.without_body(self.agent.delete(self.url(path))))
    }

    /// Posts a document to `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post(&self, path: &str, document: &Value) -> Result<Value, Error> {
        self.document("POST", path, || self.send_json(self.agent.post(self.url(path)), document))
    }

    /// Posts a document to `path` and waits up to `wait` longer than a call usually may.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post_and_wait(&self, path: &str, document: &Value, wait: Duration) -> Result<Value, Error> {
        let request =
            self.agent.post(self.url(path)).config().timeout_global(Some(wait + WAIT_MARGIN)).build();
        self.document("POST", path, || self.send_json(request, document))
    }

    /// Puts a document to `path` and waits up to `wait` longer than a call usually may.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn put_and_wait(&self, path: &str, document: &Value, wait: Duration) -> Result<Value, Error> {
        let request =
            self.agent.put(self.url(path)).config().timeout_global(Some(wait + WAIT_MARGIN)).build();
        self.document("PUT", path, || self.send_json(request, document))
    }

    /// Puts bytes of a media type to `path`; may take longer than other calls, up to five minutes.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn put(&self, path: &str, media_type: &str, bytes: &[u8]) -> Result<Value, Error> {
        let request = self.agent.put(self.url(path)).config().timeout_global(Some(UPLOAD_TIMEOUT)).build();
        let request = request.content_type(media_type);
        self.document("PUT", path, || request.send(bytes).map_err(|error| self.broken(error)))
    }

    /// Posts raw content to `path` with extra headers, waits up to `wait`, and gives the raw content of the answer.
    ///
    /// # Errors
    /// As [`Client::get`]; an answer that is `failure`, `refuse` or `not-understood` is a [`Error::Problem`].
    pub fn ask_raw(
        &self,
        path: &str,
        headers: &[(String, String)],
        content: &[u8],
        wait: Duration,
    ) -> Result<RawAnswer, Error> {
        let mut request =
            self.agent.post(self.url(path)).config().timeout_global(Some(wait + WAIT_MARGIN)).build();
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let begun = Instant::now();
        let response = request.send(content).map_err(|error| self.broken(error));
        self.tell("POST", path, begun, &response);
        let mut response = response?;
        let body = self.body(&mut response)?;
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        Ok(RawAnswer {
            body,
            performative: header("caxton-performative"),
            conversation: header("caxton-conversation-id"),
            sender: header("caxton-sender"),
        })
    }

    /// Posts a document to `path` and gives the answer as a stream of server-sent events, for at most `wait`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post_for_events(
        &self,
        path: &str,
        document: &Value,
        wait: Duration,
    ) -> Result<impl Read + use<>, Error> {
        let request =
            self.agent.post(self.url(path)).config().timeout_global(Some(wait + WAIT_MARGIN)).build();
        let begun = Instant::now();
        let response = self.send_json(request.header("accept", "text/event-stream"), document);
        self.tell("POST", path, begun, &response);
        let mut response = response?;
        if response.status().is_success() {
            return Ok(response.into_body().into_reader());
        }
        // A status that is no success always is an error.
        Err(self.body(&mut response).err().unwrap_or(Error::Timeout { server: self.server.clone() }))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    fn without_body(&self, request: RequestBuilder<WithoutBody>) -> Result<Response<Body>, Error> {
        request.call().map_err(|error| self.broken(error))
    }

    fn send_json(
        &self,
        request: RequestBuilder<WithBody>,
        document: &Value,
    ) -> Result<Response<Body>, Error> {
        request
            .content_type("application/json")
            .send(document.to_string())
            .map_err(|error| self.broken(error))
    }

    fn document(
        &self,
        method: &str,
        path: &str,
        call: impl FnOnce() -> Result<Response<Body>, Error>,
    ) -> Result<Value, Error> {
        let begun = Instant::now();
        let response = call();
        self.tell(method, path, begun, &response);
        let body = self.body(&mut response?)?;
        serde_json::from_slice(&body).map_err(|error| Error::Contract {
            server: self.server.clone(),
            call: format!("{method} {path}"),
            why: error.to_string(),
        })
    }

    fn tell(&self, method: &str, path: &str, begun: Instant, response: &Result<Response<Body>, Error>) {
        if !self.verbose {
            return;
        }
        let outcome = match response {
            Ok(response) => response.status().as_u16().to_string(),
            Err(error) => error.to_string(),
        };
        let millis = begun.elapsed().as_millis();
        // Nothing can be done about a closed stderr.
        drop(writeln!(
            std::io::stderr(),
            "{}",
            safe(&format!("{method} {}{path}: {outcome}, {millis} ms", self.server))
        ));
    }

    fn body(&self, response: &mut Response<Body>) -> Result<Vec<u8>, Error> {
        let status = response.status();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let body = response.body_mut().with_config().limit(RESPONSE_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| self.broken(error))?;
        if status.is_success() {
            return Ok(body);
        }
        let mut problem = Problem::of(status.as_u16(), &body);
        problem.retry_after = problem.retry_after.or(retry_after);
        Err(Error::Problem(Box::new(problem)))
    }

    fn broken(&self, source: ureq::Error) -> Error {
        let server = self.server.clone();
        match source {
            // A connection that does not open in time is a server that is not there.
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                Error::Unreachable { server, source: Box::new(source) }
            }
            ureq::Error::Timeout(_) => Error::Timeout { server },
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => Error::Request { source: Box::new(source) },
            source if broken_off(&source) => Error::BrokenOff { server, source: Box::new(source) },
            source => Error::Unreachable { server, source: Box::new(source) },
        }
    }
}

/// True when there was a connection: a server that stops, or refuses a body without reading it, closes it.
fn broken_off(error: &ureq::Error) -> bool {
    use std::io::ErrorKind as Kind;

    let closed = [Kind::BrokenPipe, Kind::ConnectionReset, Kind::ConnectionAborted, Kind::UnexpectedEof];
    matches!(error, ureq::Error::Io(io) if closed.contains(&io.kind()))
}

/// A name as one segment of a path: every byte that RFC 3986 does not call unreserved is percent-encoded.
pub fn segment(name: &str) -> String {
    use std::fmt::Write as _;

    name.bytes().fold(String::with_capacity(name.len()), |mut path, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => {
                path.push(char::from(byte))
            }
            // Writing to a String cannot fail.
            _ => drop(write!(path, "%{byte:02X}")),
        }
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_an_address_it_cannot_call() {
        for url in ["127.0.0.1:8400", "https://caxton.example", "http://", "http://a b"] {
            assert!(matches!(Client::new(url), Err(Error::Address { .. })), "{url}");
        }
        assert_eq!(Client::new("http://h:1/").unwrap().server(), "http://h:1");
    }

    #[test]
    fn name_stays_one_segment_of_the_path() {
        assert_eq!(segment("bidder-js@caxton"), "bidder-js@caxton");
        assert_eq!(segment("../a?b#c ü"), "..%2Fa%3Fb%23c%20%C3%BC");
    }
}
