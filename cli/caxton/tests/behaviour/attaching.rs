//! `caxton attach`: messages as lines in both directions, and how it ends.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::server::{Server, program};

const RECEIVE: &str = "GET /v1/attachments/secret/messages?after=0&limit=100&wait-ms=10000";

fn attachment() -> Value {
    json!({"kind": "caxton.attachment/v1", "id": "secret", "name": "buyer@caxton", "lease-ms": 30000})
}

fn messages(items: Value, next: u64) -> Value {
    json!({"kind": "caxton.message.list/v1", "items": items, "next": next})
}

fn server() -> Server {
    Server::new().answers("POST /v1/attachments", 201, attachment()).answers(
        "DELETE /v1/attachments/secret",
        200,
        attachment(),
    )
}

fn start(server: &Server, arguments: &[&str]) -> Child {
    let mut command = program(&server.address());
    command.args([&["attach", "buyer"], arguments].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn messages_are_printed_acknowledged_and_the_name_given_back() {
    let propose = json!({"performative": "propose", "sender": "bidder@caxton", "content": "3"});
    let server = server()
        .answers(
            "GET /v1/attachments/secret/messages?after=0&limit=1&wait-ms=10000",
            200,
            messages(json!([{"sequence": 5, "message": propose}]), 5),
        )
        .answers(
            "GET /v1/attachments/secret/messages?after=5&limit=1&wait-ms=0",
            200,
            messages(json!([]), 5),
        );
    let (ran, seen) = server.run(&["attach", "buyer", "--count", "1", "--group", "buyers"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), propose);
    assert_eq!(seen[0].json()["groups"], json!(["buyers"]));
    assert_eq!(seen.last().unwrap().line, "DELETE /v1/attachments/secret");
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
}

#[test]
fn lines_of_stdin_are_sent_and_a_refused_one_is_told() {
    let item =
        |status: u64| json!({"status": status, "code": "CX0302", "detail": "nobody answers", "fix": ""});
    let to = "POST /v1/attachments/secret/messages";
    let server = server()
        .answers(RECEIVE, 200, messages(json!([]), 0))
        .answers(to, 207, json!({"items": [item(202)]}))
        .answers(to, 207, json!({"items": [item(404)]}));
    let mut child = start(&server, &[]);
    let seen = server.start();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(stderr.next().unwrap().unwrap(), "attached as buyer@caxton");
    let lines =
        b"{\"performative\":\"inform\",\"receiver\":[\"a\"]}\nno JSON\n{\"performative\":\"inform\"}\n";
    child.stdin.take().unwrap().write_all(lines).unwrap();
    assert_eq!(stderr.next().unwrap().unwrap(), "error: a line of stdin is not JSON");
    let refused = stderr.find(|line| line.as_ref().unwrap().contains("CX0302")).unwrap();
    assert_eq!(refused.unwrap(), "error: a message was refused [CX0302]");
    let pid = i32::try_from(child.id()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::INT)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let seen = seen.lock().unwrap();
    let sent: Vec<Value> =
        seen.iter().filter(|seen| seen.line == to).map(crate::server::Seen::json).collect();
    assert_eq!(sent[0], json!({"messages": [{"performative": "inform", "receiver": ["a"]}]}));
    assert!(seen.iter().any(|seen| seen.line == "DELETE /v1/attachments/secret"));
}

#[test]
fn a_name_that_is_taken_is_6() {
    let server =
        Server::new().refuses("POST /v1/attachments", 409, "CX0420", "an agent `buyer@caxton` exists");
    assert_eq!(server.run(&["attach", "buyer"]).0.code, Some(6));
}
