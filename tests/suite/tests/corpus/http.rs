//! Messages and requests that must be refused, or passed on untouched.

use std::collections::BTreeMap;

use caxton_kit::server::Server;
use serde::Deserialize;

use super::{
    books_hold, files, missing, server, still_answers,
    wire::{self, Answer},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    send: Send,
    expect: Expect,
}

/// What is sent: a request, or `raw` bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Send {
    method: Option<String>,
    path: String,
    headers: BTreeMap<String, String>,
    /// The body's parts, one after the other.
    body: Vec<Part>,
    /// The whole connection, one character a byte.
    raw: Vec<Part>,
    /// The client closes its side when it has sent everything.
    leaves: bool,
    /// Requests before this one, each on a connection of its own; what they get does not matter.
    first: Vec<Send>,
    /// How often, for one of these.
    times: Option<usize>,
    /// Connections that stay open and idle meanwhile.
    idle: usize,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    Repeated { text: String, times: usize },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    status: u16,
    code: Option<String>,
    #[serde(default)]
    hint: Vec<String>,
}

fn whole(parts: &[Part]) -> String {
    let text = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Repeated { text, times } => text.repeat(*times),
    };
    parts.iter().map(text).collect()
}

fn bytes(send: &Send) -> Vec<u8> {
    let Some(method) = &send.method else { return wire::latin_1(&whole(&send.raw)) };
    let mut headers: Vec<(String, String)> =
        send.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    if !send.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    wire::request(method, &send.path, &headers, whole(&send.body).as_bytes())
}

fn answer(url: &str, send: &Send) -> Answer {
    for before in &send.first {
        (0..before.times.unwrap_or(1)).for_each(|_| drop(answer(url, before)));
    }
    let idle: Vec<_> = (0..send.idle).map(|_| wire::connect(url)).collect();
    let answer = wire::send(url, &bytes(send), send.leaves);
    drop(idle);
    answer
}

fn judge(server: &Server, name: &str, case: &Case) -> Option<String> {
    let answer = answer(server.url(), &case.send);
    let found = (answer.status, answer.code());
    let expected = (case.expect.status, case.expect.code.clone());
    let text = answer.text();
    let missing = missing(&case.expect.hint, &text);
    let shown: String = text.chars().take(900).collect();
    let wrong = found != expected || !missing.is_empty();
    wrong.then(|| format!("{name}: expected {expected:?}, found {found:?}, without {missing:?}\n{shown}\n"))
}

/// Runs every case on one server and reports all that fail.
fn run(kind: &str) {
    let cases: Vec<files::Named<Case>> = files::cases(kind);
    assert!(cases.len() > 10, "{}", cases.len());
    let server = server();
    let mut failed = Vec::new();
    for files::Named { name, case } in &cases {
        failed.extend(judge(&server, name, case));
        still_answers(&server, name);
    }
    assert!(failed.is_empty(), "{} of {}\n{}", failed.len(), cases.len(), failed.join("\n"));
    books_hold(&server);
}

#[test]
fn bad_messages_are_refused_with_code_and_hint() {
    run("messages");
}

#[test]
fn bad_requests_are_refused_with_code_and_hint() {
    run("http");
}
