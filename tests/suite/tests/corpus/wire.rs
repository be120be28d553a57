//! Sends bytes as they are and reads what comes until the server closes; knows no HTTP beyond the shape of an answer.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// Longer than every limit of the server under test.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes between two looks whether the answer came before the body was sent.
const STEP: usize = 64 * 1024;

/// What came back; the status is 0 when nothing did.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The problem's code, or that in the content of a message from the platform.
    pub fn code(&self) -> Option<String> {
        let document = self.document()?;
        let content = document.get("content").and_then(Value::as_str);
        let told: Option<Value> = content.and_then(|content| serde_json::from_str(content).ok());
        let code = |document: &Value| Some(document.get("code")?.as_str()?.to_owned());
        code(&document).or_else(|| code(&told?))
    }

    fn document(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// The head and every text of the document, with its escapes undone.
    pub fn text(&self) -> String {
        let texts = self.document().map(|document| texts(&document)).unwrap_or_default();
        format!("{}\n{}\n{texts}", self.head, self.body)
    }
}

fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(entries) => entries.values().map(texts).collect(),
        _ => String::new(),
    }
}

/// A connection to a URL's address.
pub fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends the bytes and reads the answer. A client that `leaves` closes its side after them.
pub fn send(url: &str, bytes: &[u8], leaves: bool) -> Answer {
    let mut stream = connect(url);
    let mut whole = true;
    for part in bytes.chunks(STEP) {
        // A server that refused early closes while we still write.
        whole = !answered(&stream) && stream.write_all(part).is_ok();
        if !whole {
            break;
        }
    }
    if whole && leaves {
        let _closed_by_the_server = stream.shutdown(Shutdown::Write);
    }
    read(&mut stream)
}

fn answered(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let seen = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    !matches!(seen, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Reads one answer: to the end of its announced body, or until the server closes.
fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut part = [0; 8192];
    loop {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(length) => bytes.extend_from_slice(&part[..length]),
        }
        if is_whole(&bytes) {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    length.is_some_and(|length: usize| bytes.len() >= end + 4 + length)
}

/// A request with a body; the connection ends after it.
pub fn request(method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// The bytes that a text stands for when each of its characters is one byte.
pub fn latin_1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("a character beyond a byte")).collect()
}
