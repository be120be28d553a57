//! A small HTTP/1.1 client for load: one connection that is kept, little work for each request, and ways to break off.
//!
//! It reads bodies with a Content-Length only, which is what the server sends. It speaks to loopback, never through a
//! proxy, and is no client for anything else.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

use crate::Failure;

/// How long a connection may take to open.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes that are written before the client looks whether the server has answered already.
const WRITE_BYTES: usize = 256 * 1024;

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Seconds of `Retry-After`.
    pub retry_after: Option<u64>,
    /// The conversation that the answer names in its head.
    pub conversation: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// True for a status from 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a problem document, such as `CX0301`.
    pub fn code(&self) -> Option<String> {
        self.json().get("code").and_then(Value::as_str).map(str::to_owned)
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
    /// What came after the last answer.
    rest: Vec<u8>,
    open: bool,
}

impl Connection {
    /// Connects to `http://ADDRESS:PORT`; a request may then take as long as `timeout`.
    ///
    /// # Errors
    /// Nobody listens, or the address is none.
    pub fn open(url: &str, timeout: Duration) -> Result<Self, Failure> {
        let host = url.strip_prefix("http://").unwrap_or(url).to_owned();
        let address: SocketAddr = host.parse().map_err(|error| format!("no address in {url:?}: {error}"))?;
        let failed = |error: std::io::Error| format!("cannot connect to {url}: {error}");
        let stream = TcpStream::connect_timeout(&address, CONNECT_MAX).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(timeout)).map_err(failed)?;
        stream.set_write_timeout(Some(timeout)).map_err(failed)?;
        Ok(Self { stream, host, rest: Vec::new(), open: true })
    }

    /// False when the server said that this connection ends, or it broke.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// The connection broke or the answer is not HTTP; whether the server acted is not known then.
    pub fn send(&mut self, method: &str, path: &str, media: &str, body: &[u8]) -> Result<Reply, Failure> {
        let reply = self.exchange(method, path, media, body);
        self.open &= reply.is_ok();
        reply
    }

    fn exchange(&mut self, method: &str, path: &str, media: &str, body: &[u8]) -> Result<Reply, Failure> {
        let mut first = self.head(method, path, media, body.len());
        let (beside, further) = body.split_at(body.len().min(WRITE_BYTES));
        first.extend_from_slice(beside);
        let mut written = self.stream.write_all(&first);
        for chunk in further.chunks(WRITE_BYTES) {
            // A server that refuses a body by its length answers before the body is there.
            if written.is_err() || self.has_answer() {
                self.open = false;
                break;
            }
            written = self.stream.write_all(chunk);
        }
        self.read().map_err(|error| format!("{method} {path}: {error}"))
    }

    fn head(&self, method: &str, path: &str, media: &str, length: usize) -> Vec<u8> {
        let media = if media.is_empty() { String::new() } else { format!("Content-Type: {media}\r\n") };
        format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{media}Content-Length: {length}\r\n\r\n", self.host)
            .into_bytes()
    }

    fn has_answer(&self) -> bool {
        let mut byte = [0];
        let looked = self.stream.set_nonblocking(true).and_then(|()| self.stream.peek(&mut byte));
        let _blocking_again = self.stream.set_nonblocking(false);
        !matches!(&looked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    fn read(&mut self) -> Result<Reply, Failure> {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.rest.len() > HEAD_BYTES_MAX {
                return Err("the answer's head does not end".into());
            }
            self.fill()?;
        };
        let head = String::from_utf8_lossy(self.rest.get(..end).unwrap_or_default()).into_owned();
        let field = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
        };
        let status = head.split_whitespace().nth(1).and_then(|text| text.parse().ok());
        let status = status.ok_or_else(|| format!("not an answer of HTTP: {head:?}"))?;
        let length: usize = field("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        while self.rest.len() < end + length {
            self.fill()?;
        }
        let further = self.rest.split_off(end + length);
        let body = self.rest.split_off(end);
        self.rest = further;
        self.open &= !field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let retry_after = field("retry-after").and_then(|text| text.parse().ok());
        Ok(Reply { status, retry_after, conversation: field("caxton-conversation-id"), body })
    }

    fn fill(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(count) => {
                self.rest.extend_from_slice(buffer.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err("no answer in time".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Sends a request and leaves at once, in one of the ways in which clients do.
    ///
    /// # Errors
    /// The connection broke before.
    pub fn leave(mut self, how: Leaving, path: &str, body: &[u8]) -> Result<(), Failure> {
        let failed = |error: std::io::Error| error.to_string();
        let whole = [self.head("POST", path, "application/json", body.len()).as_slice(), body].concat();
        match how {
            Leaving::InTheMiddle => {
                let half = whole.get(..whole.len().saturating_sub(body.len() / 2)).unwrap_or_default();
                self.stream.write_all(half).map_err(failed)
            }
            Leaving::HalfClosed => {
                self.stream.write_all(&whole).map_err(failed)?;
                self.stream.shutdown(Shutdown::Write).map_err(failed)
            }
            Leaving::Reset => {
                // A socket that is closed with bytes unread resets its connection.
                self.stream.write_all(&self.head("GET", "/healthz", "", 0)).map_err(failed)?;
                self.stream.peek(&mut [0]).map_err(failed)?;
                self.stream.write_all(&whole).map_err(failed)
            }
        }
    }
}

/// How a client leaves without waiting for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// In the middle of the request's body.
    InTheMiddle,
    /// After the request, by closing its direction and then the connection.
    HalfClosed,
    /// After the request, by a reset.
    Reset,
}

/// A client that opens its connection again when it must, without sending a request twice.
#[derive(Debug)]
pub struct Client {
    url: String,
    timeout: Duration,
    connection: Option<Connection>,
}

impl Client {
    /// A client of the server at `url`; connects with the first request.
    pub fn new(url: &str, timeout: Duration) -> Self {
        Self { url: url.to_owned(), timeout, connection: None }
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// No connection, or it broke; whether the server acted is not known then.
    pub fn send(&mut self, method: &str, path: &str, media: &str, body: &[u8]) -> Result<Reply, Failure> {
        let mut connection = match self.connection.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => Connection::open(&self.url, self.timeout)?,
        };
        let reply = connection.send(method, path, media, body);
        self.connection = Some(connection);
        reply
    }

    /// Gets a document.
    ///
    /// # Errors
    /// As for [`Client::send`]; also for a status that is no success.
    pub fn get(&mut self, path: &str) -> Result<Value, Failure> {
        good("GET", path, self.send("GET", path, "", &[])?)
    }

    /// Sends a JSON document and gives the answer, whatever its status.
    ///
    /// # Errors
    /// As for [`Client::send`].
    pub fn json(&mut self, method: &str, path: &str, document: &Value) -> Result<Reply, Failure> {
        self.send(method, path, "application/json", document.to_string().as_bytes())
    }

    /// Sends a JSON document and gives the document of a success.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub fn post(&mut self, path: &str, document: &Value) -> Result<Value, Failure> {
        let reply = self.json("POST", path, document)?;
        good("POST", path, reply)
    }
}

/// The document of a success.
///
/// # Errors
/// The status is none; the message has it and the problem document.
pub fn good(method: &str, path: &str, reply: Reply) -> Result<Value, Failure> {
    match reply.is_success() {
        true => Ok(reply.json()),
        false => Err(format!("{method} {path}: {} {}", reply.status, reply.text())),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// A listener that answers each connection's first bytes with fixed ones.
    fn answering(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _request = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        url
    }

    #[test]
    fn reads_a_refusal_with_its_code_and_when_to_try_again() {
        let url = answering(
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 17\r\n\r\n{\"code\":\"CX0301\"}",
        );
        let reply = Client::new(&url, CONNECT_MAX).send("POST", "/v1/messages", "", b"{}").unwrap();
        assert_eq!((reply.status, reply.retry_after, reply.code()), (429, Some(1), Some("CX0301".into())));
    }

    #[test]
    fn a_connection_that_closes_early_is_an_error_and_not_an_answer() {
        let url = answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
        let error = Client::new(&url, CONNECT_MAX).send("GET", "/", "", &[]).unwrap_err();
        assert_eq!(error, "GET /: the server closed the connection");
    }
}
