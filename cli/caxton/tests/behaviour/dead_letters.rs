//! Dead letters: listed, described, requeued, purged.

use serde_json::{Value, json};

use crate::server::{Ran, Server, program};

fn letter() -> Value {
    json!({"kind": "caxton.dead-letter/v1", "id": "17", "at": "1970-01-01T00:00:00Z", "code": "CX0301",
        "reason": "mailbox-full", "meaning": "the receiver's mailbox is full", "class": "durable", "message": "m",
        "conversation": "c", "trace": "t", "sender": "rest@caxton", "receiver": "echo@caxton",
        "performative": "request", "protocol": null, "deliveries": 2, "size": 5})
}

#[test]
fn dead_letters_are_listed_with_their_ids() {
    let list = json!({"kind": "caxton.dead-letter.list/v1", "items": [letter()]});
    let line = "GET /v1/dead-letters?limit=50&reason=mailbox-full&agent=echo%3Ax";
    let ran = Server::new().answers(line, 200, list).run(&[
        "get",
        "dead-letters",
        "--reason",
        "mailbox-full",
        "--agent",
        "echo:x",
    ]);
    let table = ran.0.stdout;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "AGE", "REASON", "SENDER", "RECEIVER", "ACT", "CLASS"]);
    assert_eq!(lines[1][2..], ["mailbox-full", "rest@caxton", "echo@caxton", "request", "durable"]);
}

#[test]
fn filters_go_with_dead_letters_only() {
    let ran =
        Ran::of(program("http://127.0.0.1:1").args(["get", "agents", "--reason", "x"]).output().unwrap());
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn describes_a_dead_letter_with_its_content() {
    let mut letter = letter();
    letter["at"] = Value::Null;
    letter["content"] = json!("hello");
    let ran = Server::new()
        .answers("GET /v1/dead-letters/17", 200, letter)
        .run(&["describe", "dead-letter", "17"])
        .0;
    insta::assert_snapshot!(ran.stdout, @"
    id:            17
    code:          CX0301
    reason:        mailbox-full
    class:         durable
    content:       hello
    conversation:  c
    deliveries:    2
    meaning:       the receiver's mailbox is full
    message:       m
    performative:  request
    receiver:      echo@caxton
    sender:        rest@caxton
    size:          5
    trace:         t
    ");
}

fn result(outcomes: &[(&str, &str)]) -> Value {
    let item = |(id, (outcome, code)): (usize, &(&str, &str))| match *code {
        "" => json!({"id": id.to_string(), "outcome": outcome}),
        code => json!({"id": id.to_string(), "outcome": outcome, "code": code}),
    };
    let items: Vec<Value> = (17..).zip(outcomes).map(item).collect();
    json!({"kind": "caxton.dead-letter.result/v1", "items": items})
}

fn requeue(outcomes: &[(&str, &str)], arguments: &[&str]) -> (Ran, Value) {
    let server = Server::new().answers("POST /v1/dead-letters/requeue", 200, result(outcomes));
    let (ran, seen) = server.run(&[&["requeue"], arguments].concat());
    (ran, seen[0].json())
}

#[test]
fn dead_letters_are_requeued_by_id_and_by_reason() {
    let (ran, asked) = requeue(&[("requeued", ""), ("requeued", "")], &["17", "18"]);
    assert_eq!((ran.code, asked), (Some(0), json!({"ids": ["17", "18"]})));
    insta::assert_snapshot!(ran.stdout, @"
    ID  OUTCOME   CODE
    17  requeued  -
    18  requeued  -
    ");
    let (ran, asked) =
        requeue(&[("requeued", "")], &["--all", "--reason", "poison", "--agent", "a", "-o", "name"]);
    assert_eq!(
        (ran.stdout.as_str(), asked),
        ("17\n", json!({"all": true, "reason": "poison", "agent": "a"}))
    );
}

#[test]
fn what_is_refused_again_is_1_and_what_is_unknown_5() {
    let (ran, _) = requeue(&[("requeued", ""), ("refused", "CX0301"), ("unknown", "")], &["--all"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("[CX0301]\n  why: 2 of 3 were not"), "{}", ran.stderr);
    let (ran, _) = requeue(&[("unknown", "")], &["17"]);
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
}

#[test]
fn nothing_to_requeue_is_told_and_no_failure() {
    let (ran, _) = requeue(&[], &["--all"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", "no dead letters\n"));
}

#[test]
fn purging_without_a_terminal_needs_yes() {
    let purge = |arguments: &[&str]| {
        let server = Server::new().answers("POST /v1/dead-letters/purge", 200, result(&[("purged", "")]));
        let (ran, seen) = server.run(&[&["purge"], arguments].concat());
        (ran.code, seen.len(), ran.stderr)
    };
    let (code, calls, told) = purge(&["--all"]);
    assert_eq!((code, calls), (Some(2), 0));
    assert!(told.contains("fix: pass --yes"), "{told}");
    assert_eq!(purge(&["17", "--yes"]), (Some(0), 1, String::new()));
}

#[test]
fn ids_and_all_exclude_each_other_and_one_is_needed() {
    for arguments in
        [&["requeue"][..], &["requeue", "17", "--all"], &["requeue", "17", "--reason", "x"], &["purge"]]
    {
        let ran = Ran::of(program("http://127.0.0.1:1").args(arguments).output().unwrap());
        assert_eq!(ran.code, Some(2), "{arguments:?}");
    }
}
