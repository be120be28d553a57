//! `caxton send --lines`: a message for each line, an outcome for each message.

use std::{io::Write as _, process::Stdio};

use serde_json::{Value, json};

use crate::server::{Ran, Seen, Server, program};

const LINE: &str = "POST /v1/messages";

fn accepted(id: &str) -> Value {
    json!({"kind": "caxton.accepted/v1", "status": 202, "id": id, "class": "durable"})
}

fn full(millis: u64) -> Value {
    json!({"status": 429, "code": "CX0301", "title": "mailbox-full", "detail": "`a@caxton`: the mailbox is full",
        "fix": "send more slowly", "retry-after-ms": millis})
}

fn list(items: &[Value]) -> Value {
    json!({"kind": "caxton.accepted.list/v1", "items": items})
}

fn run(server: Server, arguments: &[&str], input: &str) -> (Ran, Vec<Seen>) {
    let mut command = program(&server.address());
    command.args([&["send", "a", "--lines"], arguments].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let seen = server.start();
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    let seen = seen.lock().unwrap().clone();
    (ran, seen)
}

#[test]
fn each_line_is_a_message_and_has_its_outcome() {
    let duplicate = json!({"kind": "caxton.accepted/v1", "status": 200, "id": "2", "duplicate": true});
    let server = Server::new().answers(LINE, 207, list(&[accepted("1"), duplicate, accepted("3")]));
    let (ran, seen) = run(server, &["--class", "durable", "--param", "X-k=v"], "one\n\nthree\n");
    assert_eq!(ran.stdout, "1 202 accepted\n2 200 duplicate\n3 202 accepted\n", "{}", ran.stderr);
    let message = |content: &str| json!({"performative": "inform", "receiver": ["a"], "class": "durable", "X-k": "v", "content": content});
    assert_eq!(seen[0].json(), json!([message("one"), message(""), message("three")]));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn nothing_comes_in_and_nothing_is_sent() {
    let (ran, seen) = run(Server::new(), &[], "");
    assert_eq!((ran.code, ran.stdout.as_str(), seen.len()), (Some(0), "", 0));
}

#[test]
fn lines_that_the_server_had_no_room_for_are_sent_again_and_told_in_order() {
    let server = Server::new()
        .answers(LINE, 207, list(&[full(0), accepted("2"), full(0)]))
        .answers(LINE, 207, list(&[accepted("1"), full(0)]))
        .answers(LINE, 207, list(&[accepted("3")]));
    let (ran, seen) = run(server, &[], "one\ntwo\nthree\n");
    assert_eq!(ran.stdout, "1 202 accepted\n2 202 accepted\n3 202 accepted\n", "{}", ran.stderr);
    let sent = |index: usize| -> Vec<String> {
        let list = seen[index].json();
        list.as_array()
            .unwrap()
            .iter()
            .map(|message| message["content"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!((sent(1), sent(2)), (vec!["one".to_owned(), "three".to_owned()], vec!["three".to_owned()]));
}

#[test]
fn refused_lines_are_1_with_the_first_ones_reason() {
    let bad =
        json!({"status": 400, "code": "CX0300", "title": "message-malformed", "detail": "no", "fix": "yes"});
    let server = Server::new().answers(LINE, 207, list(&[accepted("1"), full(0), bad]));
    let (ran, seen) = run(server, &["--no-retry"], "one\ntwo\nthree\n");
    assert_eq!((ran.code, seen.len()), (Some(1), 1));
    assert_eq!(ran.stdout, "1 202 accepted\n- 429 CX0301 mailbox-full\n- 400 CX0300 message-malformed\n");
    insta::assert_snapshot!(ran.stderr, @"
    error: 2 of 3 lines were refused [CX0301]
      why: line 2: `a@caxton`: the mailbox is full
      fix: send more slowly
    ");
}

#[test]
fn lines_without_an_outcome_are_named() {
    let server = Server::new().refuses(LINE, 503, "CX0903", "the server stops");
    let (ran, _) = run(server, &[], "one\ntwo\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("(lines 1 to 2 have no outcome)"), "{}", ran.stderr);
}

#[test]
fn each_line_has_an_id_of_its_own_that_is_the_same_next_time() {
    let ids = || {
        let server = Server::new().answers(LINE, 207, list(&[accepted("1"), accepted("2")]));
        let (_, seen) = run(server, &["--id", "0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"], "one\ntwo\n");
        let list = seen[0].json();
        [list[0]["id"].clone(), list[1]["id"].clone()]
    };
    let [one, two] = ids();
    assert!(one.is_string() && one != two);
    assert_eq!(ids(), [one, two]);
}

#[test]
fn content_and_lines_exclude_each_other() {
    let ran = Ran::of(program("").args(["send", "a", "--lines", "-c", "x"]).output().unwrap());
    assert_eq!(ran.code, Some(2));
}
