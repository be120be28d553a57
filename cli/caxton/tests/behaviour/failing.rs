//! How failures are told, and with which exit code.

use std::{io::Read, net::TcpListener, thread};

use serde_json::Value;

use crate::server::{Ran, Server, program};

fn describe(status: u16, code: &str, arguments: &[&str]) -> Ran {
    let server = Server::new().refuses("GET /v1/agents/ecko", status, code, "nobody is called `ecko@caxton`");
    server.run(&[&["describe", "agent", "ecko"], arguments].concat()).0
}

#[test]
fn problem_is_told_on_stderr_with_code_cause_and_fix() {
    let ran = describe(404, "CX0421", &[]);
    insta::assert_snapshot!(ran.stderr, @"
    error: cannot describe `ecko` [CX0421]
      why: nobody is called `ecko@caxton`
      fix: do the other thing
    ");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(5), ""));
}

#[test]
fn problem_is_json_where_json_was_asked_for() {
    let ran = describe(404, "CX0421", &["-o", "json"]);
    let problem: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!((problem["code"].as_str(), ran.stdout.as_str()), (Some("CX0421"), ""));
}

#[test]
fn exit_code_tells_the_kind_of_refusal() {
    let code = |status, code| describe(status, code, &[]).code;
    assert_eq!(code(403, "CX0314"), Some(7));
    assert_eq!(code(409, "CX0311"), Some(6));
    assert_eq!(code(504, "CX0604"), Some(8));
    assert_eq!(code(500, "CX0902"), Some(1));
}

#[test]
fn server_that_is_not_there_is_4_and_says_how_to_start_one() {
    let unused = Server::new().address();
    for arguments in [&["status"][..], &["get", "agents"], &["ask", "echo", "hi"], &["delete", "agent", "a"]]
    {
        let ran = Ran::of(program(&unused).args(arguments).output().unwrap());
        assert_eq!(ran.code, Some(4), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("fix: start one with `caxton serve"), "{}", ran.stderr);
    }
}

#[test]
fn unreachable_server_is_json_too_where_json_was_asked_for() {
    let ran = Ran::of(program("http://127.0.0.1:1").args(["status", "-o", "json"]).output().unwrap());
    let problem: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!((problem["title"].as_str(), ran.code), (Some("unreachable"), Some(4)));
}

#[test]
fn server_that_closes_without_an_answer_is_1_and_not_called_absent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let closing = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        assert!(stream.read(&mut head).unwrap() > 0);
    });
    let ran = Ran::of(program(&url).arg("status").output().unwrap());
    closing.join().unwrap();
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("closed the connection before it answered"), "{}", ran.stderr);
}

#[test]
fn wrong_command_line_is_2() {
    for arguments in [
        &["get", "agnets"][..],
        &["frobnicate"],
        &["send"],
        &["ask", "echo", "--timeout", "5"],
        &["send", "echo", "--param", "file=a"],
        &["status", "--server", "https://caxton.example"],
    ] {
        let ran = Ran::of(program("http://127.0.0.1:1").args(arguments).output().unwrap());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn wrong_command_line_is_one_json_object_where_json_was_asked_for() {
    for (arguments, message, fix) in [
        (
            &["get", "agnets", "-o", "json"][..],
            "invalid value 'agnets' for '<KIND>'",
            "a similar value exists: 'agents'",
        ),
        (
            &["send", "--output=jsonl"],
            "the following required arguments were not provided: <AGENT>...",
            "call it as `caxton send",
        ),
        (&["-ojson", "frobnicate"], "unrecognized subcommand 'frobnicate'", "call it as `caxton"),
    ] {
        let ran = Ran::of(program("http://127.0.0.1:1").args(arguments).output().unwrap());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        let document: Value = serde_json::from_str(&ran.stderr).unwrap();
        let error = &document["error"];
        assert!(error["message"].as_str().unwrap().starts_with(message), "{error}");
        assert!(error["fix"].as_str().unwrap().starts_with(fix), "{error}");
        assert_eq!(error["code"], Value::Null);
    }
}

#[test]
fn every_error_has_the_same_short_form_in_json() {
    let of = |ran: Ran| serde_json::from_str::<Value>(&ran.stderr).unwrap()["error"].clone();
    assert_eq!(
        of(describe(404, "CX0421", &["-o", "json"])),
        serde_json::json!({"code": "CX0421", "message": "cannot describe `ecko`: nobody is called `ecko@caxton`",
            "fix": "do the other thing"})
    );
    let ran = Ran::of(program("http://127.0.0.1:1").args(["status", "-o", "json"]).output().unwrap());
    assert!(of(ran)["fix"].as_str().unwrap().starts_with("start one with `caxton serve"));
}

#[test]
fn help_is_no_error_also_with_json() {
    let ran = Ran::of(program("").args(["-o", "json", "--help"]).output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn unknown_act_names_the_nearest() {
    let ran = Ran::of(program("").args(["send", "echo", "-p", "reqest"]).output().unwrap());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("the nearest is `request`"), "{}", ran.stderr);
}

#[test]
fn answer_that_is_not_of_the_contract_is_told_as_such() {
    let ran = Server::new().answers_raw("GET /v1/status", 200, "", b"<html>".to_vec()).run(&["status"]).0;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("not a document of this contract"), "{}", ran.stderr);
}

#[test]
fn colour_only_when_asked_and_never_with_no_color() {
    let run = |when: &str| {
        let mut command = program("http://127.0.0.1:1");
        Ran::of(command.args(["status", "--color", when]).output().unwrap()).stderr
    };
    assert!(run("always").contains("\u{1b}["));
    assert!(!run("auto").contains('\u{1b}') && !run("never").contains('\u{1b}'));
}

#[test]
fn each_agent_is_tried_also_when_one_fails() {
    let server = Server::new()
        .refuses("DELETE /v1/agents/a", 404, "CX0421", "no agent `a@caxton`")
        .answers("DELETE /v1/agents/b", 200, serde_json::json!({"name": "b@caxton", "state": "active"}))
        .refuses("DELETE /v1/agents/c", 404, "CX0421", "no agent `c@caxton`");
    let (ran, seen) = server.run(&["delete", "agent", "a", "b", "c"]);
    assert_eq!((ran.code, ran.stdout.as_str(), seen.len()), (Some(5), "agent b@caxton deleted\n", 3));
    assert_eq!(ran.stderr.matches("error: cannot delete agent").count(), 2);
}
