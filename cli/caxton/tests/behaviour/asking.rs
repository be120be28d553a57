//! Commands that talk to agents: send, ask, cnp.

use serde_json::{Value, json};

use crate::server::{Ran, Server, program};

const ASK: &str = "POST /v1/agents/echo/ask?performative=request&timeout-ms=30000";
const ANSWERED: &str = "caxton-performative: inform\r\ncaxton-conversation-id: 7\r\ncaxton-sender: echo@caxton\r\ncontent-type: text/plain\r\n";

#[test]
fn answers_content_is_all_that_stdout_gets() {
    let (ran, seen) = Server::new()
        .answers_raw(ASK, 200, ANSWERED, b"hello\nthere".to_vec())
        .run(&["ask", "echo", "hello"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "hello\nthere"));
    assert_eq!(ran.stderr, "inform from echo@caxton, conversation 7\n");
    assert_eq!(seen[0].body, b"hello");
}

#[test]
fn file_goes_with_its_name_and_parameters_as_headers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a b.txt");
    std::fs::write(&file, [0xff, 0x00]).unwrap();
    let line = "POST /v1/agents/echo/ask?performative=query-ref&timeout-ms=1500&file=a%20b.txt";
    let arguments = [
        "ask",
        "echo",
        "--file",
        file.to_str().unwrap(),
        "-p",
        "query-ref",
        "--timeout",
        "1.5s",
        "--param",
        "X-depth=3",
    ];
    let (ran, seen) = Server::new().answers_raw(line, 200, ANSWERED, b"ok".to_vec()).run(&arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "ok"), "{}", ran.stderr);
    assert_eq!(seen[0].body, [0xff, 0x00]);
    let headers = &seen[0].headers;
    assert!(
        headers.contains("x-acl-depth: 3") && headers.contains("content-type: application/octet-stream"),
        "{headers}"
    );
}

#[test]
fn agent_that_says_no_is_1_and_its_words_are_the_cause() {
    let problem = json!({"title": "handler-fault", "status": 422, "code": "CX0316", "fix": "see the fault",
        "detail": "`echo@caxton` answered with refuse", "content": "too busy", "conversation-id": "7"});
    let ran = Server::new().answers(ASK, 422, problem).run(&["ask", "echo", "hello"]).0;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    insta::assert_snapshot!(ran.stderr, @"
    error: cannot ask `echo` [CX0316]
      why: `echo@caxton` answered with refuse: too busy
      fix: see the fault
      see: caxton conversation show 7
    ");
}

#[test]
fn no_answer_in_time_is_8() {
    let ran = Server::new().refuses(ASK, 504, "CX0604", "no answer came").run(&["ask", "echo", "hello"]).0;
    assert_eq!(ran.code, Some(8));
}

#[test]
fn parameter_that_no_header_can_carry_is_a_usage_error() {
    let ran = Server::new().run(&["ask", "echo", "hi", "--param", "X-a=line\nbreak"]).0;
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn json_gives_the_whole_message_and_still_tells_a_failure() {
    let run = |performative: &str| {
        let answer = json!({"performative": performative, "sender": "echo@caxton", "content": "so it is"});
        let server = Server::new().answers("POST /v1/ask?timeout-ms=30000", 200, answer);
        server.run(&["ask", "echo", "hello", "-o", "json", "--param", "X-depth=3"])
    };
    let (ran, seen) = run("inform");
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["content"], "so it is");
    assert_eq!(
        (ran.code, seen[0].json()),
        (
            Some(0),
            json!({"performative": "request", "receiver": ["echo"], "content": "hello", "X-depth": "3"})
        )
    );
    let (ran, _) = run("failure");
    assert_eq!((ran.code, ran.stdout.is_empty()), (Some(1), false));
}

#[test]
fn sent_message_carries_every_option() {
    let accepted = json!({"kind": "caxton.accepted/v1", "id": "1", "conversation-id": "7", "receiver": ["a@caxton", "b@caxton"],
        "class": "acked"});
    let server = Server::new().answers("POST /v1/messages", 202, accepted);
    let (ran, seen) = server.run(&[
        "--quiet",
        "send",
        "a",
        "b",
        "-p",
        "QUERY-IF",
        "-c",
        "x",
        "--protocol",
        "fipa-query",
        "--conversation",
        "7",
        "--reply-by",
        "+2s",
        "--reply-with",
        "r",
        "--in-reply-to",
        "q",
        "--language",
        "json",
        "--ontology",
        "o",
        "--param",
        "X-a=b",
        "--class",
        "acked",
        "--id",
        "0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
    ]);
    insta::assert_snapshot!(ran.stdout, @"
    message:       1
    conversation:  7
    receiver:      a@caxton,b@caxton
    class:         acked
    ");
    assert_eq!(
        seen[0].json(),
        json!({"performative": "query-if", "receiver": ["a", "b"], "content": "x", "protocol": "fipa-query",
            "conversation-id": "7", "reply-by": "+2s", "reply-with": "r", "in-reply-to": "q", "language": "json",
            "ontology": "o", "X-a": "b", "class": "acked", "id": "0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"})
    );
}

#[test]
fn content_can_come_from_stdin() {
    use std::io::Write as _;

    let server = Server::new().answers(
        "POST /v1/messages",
        202,
        json!({"id": "1", "conversation-id": "7", "receiver": []}),
    );
    let mut command = program(&server.address());
    command.args(["send", "a", "-c", "-", "-o", "name"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let seen = server.start();
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from a pipe").unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "7\n"));
    assert_eq!(seen.lock().unwrap()[0].json()["content"], "from a pipe");
}

#[test]
fn message_that_only_some_receivers_got_is_a_failure() {
    let accepted = json!({"id": "1", "conversation-id": "7", "receiver": ["a@caxton", "b@caxton"],
        "refused": [{"receiver": "b@caxton", "code": "CX0301", "reason": "mailbox-full"}]});
    let ran = Server::new().answers("POST /v1/messages", 202, accepted).run(&["send", "a", "b"]).0;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("`b@caxton`: mailbox-full"), "{}", ran.stderr);
}

/// A server that is full for the first call of `line`, and says to come back at once.
fn full_at_first(line: &'static str) -> Server {
    let problem =
        json!({"code": "CX0301", "title": "mailbox-full", "status": 429, "detail": "the mailbox is full"});
    Server::new().answers_raw(line, 429, "retry-after: 0\r\n", problem.to_string().into_bytes())
}

#[test]
fn server_that_is_full_is_asked_again() {
    let accepted = json!({"id": "1", "conversation-id": "7", "receiver": ["a@caxton"], "class": "volatile"});
    let (ran, seen) =
        full_at_first("POST /v1/messages").answers("POST /v1/messages", 202, accepted).run(&["send", "a"]);
    assert_eq!((ran.code, seen.len()), (Some(0), 2), "{}", ran.stderr);
    assert_eq!(ran.stderr, "the mailbox is full: trying again\n");
}

#[test]
fn server_that_is_full_is_asked_once_with_no_retry_and_not_beyond_the_time() {
    for arguments in [&["--no-retry"][..], &["--timeout", "20ms"]] {
        let (ran, seen) = full_at_first("POST /v1/messages").run(&[&["send", "a"], arguments].concat());
        assert_eq!((ran.code, seen.len()), (Some(1), 1), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("[CX0301]"), "{}", ran.stderr);
    }
}

#[test]
fn question_is_asked_again_with_the_time_that_is_left() {
    let seen = full_at_first(ASK).run(&["ask", "echo", "hello"]).1;
    let left: u64 = seen[1].line.rsplit_once("timeout-ms=").unwrap().1.parse().unwrap();
    assert!(seen[0].line == ASK && left < 30_000 && left > 20_000, "{left}");
}

#[test]
fn question_has_its_class_in_both_forms() {
    let raw = "POST /v1/agents/echo/ask?performative=request&timeout-ms=30000&class=durable";
    let server = Server::new().answers_raw(raw, 200, ANSWERED, b"ok".to_vec());
    assert_eq!(server.run(&["ask", "echo", "hi", "--class", "durable"]).0.code, Some(0));
    let answer = json!({"performative": "inform", "content": "ok"});
    let server = Server::new().answers("POST /v1/ask?timeout-ms=30000", 200, answer);
    let (_, seen) = server.run(&["ask", "echo", "hi", "--class", "acked", "-o", "json"]);
    assert_eq!(seen[0].json()["class"], "acked");
}

#[test]
fn contract_net_has_its_class() {
    let net =
        json!({"conversation-id": "7", "bids": [], "winner": "a", "result": "", "outcome": "completed"});
    let server = Server::new().answers("POST /v1/contract-nets", 200, net);
    let (_, seen) = server.run(&["cnp", "a", "--task", "count", "--class", "durable"]);
    assert_eq!(seen[0].json()["class"], "durable");
}

#[test]
fn message_that_was_accepted_before_is_no_failure() {
    let accepted = json!({"id": "1", "conversation-id": "7", "receiver": ["a@caxton"], "class": "durable", "duplicate": true});
    let ran = Server::new().answers("POST /v1/messages", 200, accepted).run(&["send", "a"]).0;
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(0), "it was accepted before and is not delivered twice\n")
    );
}

#[test]
fn work_goes_to_the_winner_only_when_it_is_given() {
    let net =
        json!({"conversation-id": "7", "bids": [], "winner": "a", "result": "", "outcome": "completed"});
    let server = Server::new().answers("POST /v1/contract-nets", 200, net);
    let (_, seen) = server.run(&["cnp", "a", "--task", "count", "--work", "hello world"]);
    assert_eq!(seen[0].json()["work"], "hello world");
}

fn cnp(net: Value) -> (Ran, Value) {
    let (ran, seen) = Server::new().answers("POST /v1/contract-nets", 200, net).run(&[
        "cnp",
        "group:bidders",
        "--task",
        "count",
        "--deadline",
        "500ms",
        "--select",
        "highest",
        "--price-key",
        "cost",
    ]);
    (ran, seen[0].json())
}

#[test]
fn contract_net_shows_bids_winner_and_result() {
    let bid = |agent: &str, price: u64, state: &str| json!({"agent": agent, "price": price, "content": "", "state": state});
    let (ran, asked) = cnp(
        json!({"kind": "caxton.contract-net/v1", "conversation-id": "7", "winner": "a@caxton",
        "bids": [bid("a@caxton", 9, "DONE"), bid("b@caxton", 12, "REJECTED")], "result": "12 words", "outcome": "completed"}),
    );
    insta::assert_snapshot!(ran.stdout, @"
    AGENT     PRICE  STATE     CONTENT
    a@caxton  9      DONE      -
    b@caxton  12     REJECTED  -

    winner:   a@caxton
    outcome:  completed
    result:   12 words
    ");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "see it with `caxton conversation show 7`\n"));
    assert_eq!(
        asked,
        json!({"participants": ["group:bidders"], "task": "count", "deadline-ms": 500, "result-timeout-ms": 30000,
            "select": "highest", "price-key": "cost"})
    );
}

#[test]
fn contract_net_that_nobody_wins_is_1() {
    let net = |outcome| json!({"conversation-id": "7", "bids": [], "winner": null, "result": null, "outcome": outcome});
    assert_eq!(cnp(net("no-bids")).0.code, Some(1));
    assert_eq!(cnp(net("failed")).0.code, Some(1));
}
