//! Commands that read lists which grow, and answers that come in parts.

use serde_json::{Value, json};

use crate::server::{Ran, Server};

fn log(sequence: u64, line: &str) -> Value {
    json!({"sequence": sequence, "time": format!("2026-11-20T12:00:0{sequence}Z"), "level": "info",
        "agent": "echo@caxton", "plugin": null, "conversation": null, "line": line, "fields": {"n": 3}})
}

fn logs(items: &[Value], next: u64, lost: u64) -> Value {
    json!({"kind": "caxton.log.list/v1", "items": items, "next": next, "lost": lost})
}

fn run_logs(arguments: &[&str]) -> Ran {
    let server = Server::new()
        .answers(
            "GET /v1/logs?agent=echo&after=0&limit=1000",
            200,
            logs(&[log(1, "hello"), log(2, "\u{1b}[2J")], 2, 5),
        )
        .answers("GET /v1/logs?agent=echo&after=2&limit=1000", 200, logs(&[], 2, 0));
    server.run(&[&["logs", "echo"], arguments].concat()).0
}

#[test]
fn logs_are_lines_without_escapes_and_what_is_lost_is_told() {
    let ran = run_logs(&[]);
    insta::assert_snapshot!(ran.stdout, @"
    2026-11-20T12:00:01Z INFO  echo@caxton hello n=3
    2026-11-20T12:00:02Z INFO  echo@caxton �[2J n=3
    ");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "5 older ones are not kept any more\n"));
}

#[test]
fn logs_as_json_are_one_list_and_tail_keeps_the_newest() {
    let list: Value = serde_json::from_str(&run_logs(&["-o", "json", "-n", "1"]).stdout).unwrap();
    assert_eq!(list["kind"], "caxton.log.list/v1");
    assert_eq!(list["items"], json!([log(2, "\u{1b}[2J")]));
    assert_eq!(run_logs(&["--since", "1m"]).stdout, "");
}

#[test]
fn following_asks_from_where_it_was_and_writes_json_lines() {
    let server = Server::new()
        .answers("GET /v1/logs?level=warn&after=0&limit=1000&wait-ms=20000", 200, logs(&[log(7, "a")], 7, 0))
        .answers("GET /v1/logs?level=warn&after=7&limit=1000&wait-ms=20000", 200, logs(&[], 7, 0))
        .answers("GET /v1/logs?level=warn&after=7&limit=1000&wait-ms=20000", 200, logs(&[log(8, "b")], 8, 0))
        .refuses("GET /v1/logs?level=warn&after=8&limit=1000&wait-ms=20000", 503, "CX0903", "it stops");
    let ran = server.run(&["logs", "-f", "--level", "warn", "-o", "json"]).0;
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [log(7, "a"), log(8, "b")]);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn events_say_what_changed() {
    let event = json!({"sequence": 7, "time": "2026-11-20T12:00:00Z", "event": "agent.state", "subject": "echo@caxton",
        "state": "failed", "from": "active", "revision": 1, "code": "CX0414", "reason": "it trapped"});
    let list = |items: Value| json!({"kind": "caxton.event.list/v1", "items": items, "next": 7, "lost": 0});
    let server = Server::new()
        .answers("GET /v1/events?after=0&limit=1000", 200, list(json!([event])))
        .answers("GET /v1/events?after=7&limit=1000", 200, list(json!([])));
    insta::assert_snapshot!(server.run(&["events"]).0.stdout, @"2026-11-20T12:00:00Z agent.state echo@caxton active > failed CX0414 it trapped");
}

fn conversation(state: &str, version: u64) -> Value {
    json!({"kind": "caxton.conversation/v1", "id": "c", "protocol": "fipa-request", "state": state, "version": version,
        "end": null, "initiator": "a@caxton", "participants": ["b@caxton"], "started": "2026-11-20T12:00:00Z",
        "ended": null, "messages": 1, "dropped-events": 0, "sessions": [], "events": []})
}

#[test]
fn conversation_is_followed_until_it_is_closed() {
    let server = Server::new()
        .answers("GET /v1/conversations/c", 200, conversation("open", 1))
        .answers("GET /v1/conversations/c?version=1&wait-ms=20000", 200, conversation("open", 1))
        .answers("GET /v1/conversations/c?version=1&wait-ms=20000", 200, conversation("closed", 2));
    let ran = server.run(&["conversation", "show", "c", "--follow", "-o", "jsonl"]).0;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [conversation("open", 1), conversation("closed", 2)]);
}

fn streamed(stream: &str, more: &[&str]) -> (Ran, Value) {
    let headers = "content-type: text/event-stream\r\n";
    let server =
        Server::new().answers_raw("POST /v1/ask?timeout-ms=30000", 200, headers, stream.as_bytes().to_vec());
    let (ran, seen) = server.run(&[&["ask", "writer", "a poem", "--stream"], more].concat());
    assert!(seen[0].headers.contains("accept: text/event-stream"), "{}", seen[0].headers);
    (ran, seen[0].json())
}

const PARTS: &str = "event: message\ndata: {\"performative\":\"inform\",\"content\":\"one \",\"X-Partial\":\"true\"}\n\n\
    : alive\n\nevent: message\ndata: {\"performative\":\"inform\",\"content\":\"two\"}\n\nevent: end\ndata: {}\n\n";

#[test]
fn parts_of_an_answer_are_printed_as_they_come() {
    let (ran, asked) = streamed(PARTS, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "one two"), "{}", ran.stderr);
    assert_eq!(asked, json!({"performative": "request", "receiver": ["writer"], "content": "a poem"}));
    assert_eq!(streamed(PARTS, &["-o", "json"]).0.stdout.lines().count(), 2);
}

#[test]
fn stream_that_ends_badly_is_a_failure() {
    let problem =
        "event: problem\ndata: {\"status\":504,\"code\":\"CX0604\",\"detail\":\"nobody answered\"}\n\n";
    let ran = streamed(problem, &[]).0;
    assert_eq!(ran.code, Some(8), "{}", ran.stderr);
    assert!(ran.stderr.contains("[CX0604]"), "{}", ran.stderr);
    let cut = PARTS.split("event: end").next().unwrap();
    assert_eq!(streamed(cut, &[]).0.code, Some(1));
    let no =
        "event: message\ndata: {\"performative\":\"refuse\",\"content\":\"no\"}\n\nevent: end\ndata: {}\n\n";
    assert_eq!(streamed(no, &[]).0.code, Some(1));
}
