//! Commands that look: get, describe, conversation, status, version, completion.

use serde_json::{Value, json};

use crate::server::{Ran, Server, program};

fn agents() -> Value {
    let agent = |name: &str| {
        json!({"kind": "caxton.agent/v1", "name": name, "state": "active", "reason": null, "code": null,
            "component": "sha256:0011223344556677", "capabilities": ["count"], "groups": ["bidders"], "mailbox": 0,
            "received": 10, "sent": 8, "restarts": 0, "memory-bytes": 1048576, "config": {}})
    };
    json!({"kind": "caxton.agent.list/v1", "items": [agent("echo@caxton"), agent("bidder-js@caxton")]})
}

fn get_agents(arguments: &[&str]) -> Ran {
    Server::new().answers("GET /v1/agents", 200, agents()).run(&[&["get", "agents"], arguments].concat()).0
}

#[test]
fn table_goes_to_stdout_and_nothing_to_stderr() {
    let ran = get_agents(&[]);
    insta::assert_snapshot!(ran.stdout, @"
    NAME              STATE   MAILBOX  RECEIVED  SENT  RESTARTS  AGE  REASON
    echo@caxton       active  0        10        8     0         -    -
    bidder-js@caxton  active  0        10        8     0         -    -
    ");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn wide_table_has_more_columns() {
    insta::assert_snapshot!(get_agents(&["-o", "wide"]).stdout, @"
    NAME              STATE   MAILBOX  RECEIVED  SENT  RESTARTS  AGE  REASON  CODE  CAPABILITIES  GROUPS   MEMORY   COMPONENT
    echo@caxton       active  0        10        8     0         -    -       -     count         bidders  1048576  sha256:001122334455
    bidder-js@caxton  active  0        10        8     0         -    -       -     count         bidders  1048576  sha256:001122334455
    ");
}

#[test]
fn json_is_the_servers_document() {
    let ran = get_agents(&["-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), agents());
}

#[test]
fn jsonl_is_one_item_in_each_line() {
    let ran = get_agents(&["-o", "jsonl"]);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::Array(lines), agents()["items"]);
}

#[test]
fn names_can_be_passed_to_another_command() {
    assert_eq!(get_agents(&["-o", "name"]).stdout, "echo@caxton\nbidder-js@caxton\n");
}

#[test]
fn empty_list_is_told_on_stderr_and_not_when_quiet() {
    let run = |arguments: &[&str]| {
        let empty = json!({"kind": "caxton.dead-letter.list/v1", "items": []});
        Server::new().answers("GET /v1/dead-letters?limit=50", 200, empty).run(arguments).0
    };
    let told = run(&["get", "dead-letters"]);
    assert_eq!((told.code, told.stdout.as_str(), told.stderr.as_str()), (Some(0), "", "no dead letters\n"));
    assert_eq!(run(&["get", "dead-letters", "-q"]).stderr, "");
}

#[test]
fn reader_that_goes_away_is_no_error() {
    let server = Server::new().answers("GET /v1/agents", 200, agents());
    let mut command = program(&server.address());
    command.args(["get", "agents"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    // Only now is the request answered, so the program writes into a closed pipe.
    server.start();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn hostile_name_cannot_write_escapes() {
    let list = json!({"kind": "caxton.agent.list/v1", "items": [{"name": "a\u{1b}[2J", "state": "active"}]});
    let ran =
        Server::new().answers("GET /v1/agents", 200, list).run(&["get", "agents", "--color", "always"]).0;
    assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
}

#[test]
fn describes_an_agent() {
    let ran = Server::new().answers("GET /v1/agents/echo", 200, agents()["items"][0].clone());
    insta::assert_snapshot!(ran.run(&["describe", "agent", "echo"]).0.stdout, @"
    name:          echo@caxton
    state:         active
    capabilities:  count
    component:     sha256:0011223344556677
    config:        {}
    groups:        bidders
    mailbox:       0
    memory-bytes:  1048576
    received:      10
    restarts:      0
    sent:          8
    ");
}

#[test]
fn describes_an_agents_versions_in_a_table() {
    let mut agent = agents()["items"][0].clone();
    let version = |number: u64, state: &str, share: u64| {
        json!({"number": number, "state": state, "share": share, "conversations": 3, "mailbox": 1, "since": null,
            "component": "sha256:00112233445566"})
    };
    agent["revisions"] = json!([version(1, "active", 90), version(2, "canary", 10)]);
    let ran = Server::new().answers("GET /v1/agents/echo", 200, agent).run(&["describe", "agent", "echo"]).0;
    let (_, table) = ran.stdout.split_once("\n\n").unwrap();
    insta::assert_snapshot!(table, @"
    VERSION  STATE   SHARE  CONVERSATIONS  MAILBOX  AGE  COMPONENT
    1        active  90 %   3              1        -    sha256:001122334455
    2        canary  10 %   3              1        -    sha256:001122334455
    ");
    assert!(!ran.stdout.contains("revisions"), "{}", ran.stdout);
}

#[test]
fn describes_a_component_by_the_beginning_of_its_digest() {
    let item =
        |digest: &str| json!({"kind": "caxton.component/v1", "digest": digest, "bytes": 5, "world": "agent"});
    let list = json!({"items": [item("sha256:aa11"), item("sha256:aa22")]});
    let run = |digest| {
        Server::new()
            .answers("GET /v1/components", 200, list.clone())
            .run(&["describe", "component", digest])
            .0
    };
    assert!(run("aa1").stdout.contains("sha256:aa11"));
    assert_eq!(run("sha256:bb").code, Some(5));
    assert_eq!(run("aa").code, Some(2));
}

fn conversation() -> Value {
    let message = |micros: &str, id: &str, from: &str, to: &str, performative: &str| {
        json!({"time": format!("2026-11-20T12:00:00.{micros}Z"), "event": "message.accepted", "id": id, "from": from,
            "to": to, "performative": performative, "marks": [], "text": null})
    };
    json!({"kind": "caxton.conversation/v1", "id": "7", "protocol": "fipa-request", "state": "closed", "end": "completed",
        "initiator": "rest@caxton", "participants": ["echo@caxton"], "started": "2026-11-20T12:00:00Z",
        "ended": "2026-11-20T12:00:00.002Z", "messages": 2, "dropped-events": 0, "sessions": [],
        "events": [message("000100", "1", "rest@caxton", "echo@caxton", "request"),
            message("001500", "2", "echo@caxton", "rest@caxton", "inform")]})
}

#[test]
fn draws_a_conversation() {
    let server = Server::new().answers("GET /v1/conversations/7", 200, conversation());
    insta::assert_snapshot!(server.run(&["conversation", "show", "7"]).0.stdout, @"
    conversation 7 · fipa-request · 2026-11-20T12:00:00Z

    rest          echo
      │── request ─▶│   0.10 ms
      │◀─ inform ───│   1.50 ms
      │             │

    completed after 2.00 ms · 2 messages
    ");
}

#[test]
fn draws_in_ascii_where_the_locale_is_not_utf8() {
    let server = Server::new().answers("GET /v1/conversations/7", 200, conversation());
    let mut command = program(&server.address());
    command.args(["conversation", "show", "7"]).env("LC_ALL", "C");
    server.start();
    assert!(Ran::of(command.output().unwrap()).stdout.is_ascii());
}

#[test]
fn shows_a_conversation_in_other_forms() {
    let show = |form| {
        let server = Server::new().answers("GET /v1/conversations/7", 200, conversation());
        server.run(&["conversation", "show", "7", "--as", form]).0.stdout
    };
    assert!(show("mermaid").starts_with("sequenceDiagram\n"));
    assert!(show("table").contains("TIME     FROM  TO    WHAT\n"), "{}", show("table"));
    assert_eq!(serde_json::from_str::<Value>(&show("json")).unwrap(), conversation());
}

fn status(delivered: u64) -> Value {
    json!({"kind": "caxton.status/v1", "version": "0.1.0", "abi": "0.1", "wit": "caxton:agent@0.1.0", "platform": "caxton",
        "uptime-ms": 1000, "workers": 2, "ready": true, "agents": {"active": 5}, "plugins": {"running": 4},
        "conversations": {"open": 1, "closed": 12},
        "accounting": {"submitted": 100, "refused": 1, "accepted": 99, "delivered": delivered, "expired": 1,
            "dead-lettered": 2, "in-flight": 1, "holds": true}})
}

#[test]
fn status_shows_the_sum_and_fails_when_it_does_not_hold() {
    let run = |delivered| Server::new().answers("GET /v1/status", 200, status(delivered)).run(&["status"]).0;
    let holds = run(95);
    assert!(
        holds
            .stdout
            .contains("accepted 99 = delivered 95 + expired 1 + dead-lettered 2 + dropped 0 + in flight 1\n")
    );
    assert_eq!(holds.code, Some(0));
    let lost = run(94);
    assert_eq!(lost.code, Some(1));
    assert!(
        lost.stdout.contains("DOES NOT HOLD") && lost.stderr.starts_with("error: the accounting"),
        "{}",
        lost.stderr
    );
}

#[test]
fn version_of_both_sides() {
    let ran = Server::new().answers("GET /v1/status", 200, status(95)).run(&["version"]).0;
    let server = "server 0.1.0 (platform caxton, plugin boundary 0.1, agents caxton:agent@0.1.0)";
    assert_eq!(ran.stdout, format!("caxton {}\n{server}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn version_without_a_server_is_no_failure() {
    let ran = Ran::of(program("http://127.0.0.1:1").arg("version").output().unwrap());
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), concat!("caxton ", env!("CARGO_PKG_VERSION"), "\n"))
    );
    assert!(ran.stderr.contains("no server answers"), "{}", ran.stderr);
}

#[test]
fn completion_scripts_ask_this_program() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Ran::of(program("").args(["completion", shell]).output().unwrap());
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.contains("COMPLETE"), "{shell}: {}", ran.stdout);
    }
}

/// What can stand at the end of a line, one in each line.
fn completed(server: &str, words: &[&str]) -> Vec<String> {
    let mut command = program(server);
    command.env("COMPLETE", "bash").env("_CLAP_IFS", "\n");
    command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string()).arg("--").args(words);
    Ran::of(command.output().unwrap()).stdout.lines().map(str::to_owned).collect()
}

#[test]
fn names_of_agents_are_completed_from_the_server() {
    let server = Server::new().answers("GET /v1/agents", 200, agents());
    let address = server.address();
    server.start();
    assert_eq!(completed(&address, &["caxton", "ask", "e"]), ["echo"]);
    assert!(completed(&address, &["caxton", "conv"]).contains(&"conversation".to_owned()));
    // Nobody answers, and nobody is told.
    assert!(!completed("http://127.0.0.1:1", &["caxton", "ask", "e"]).contains(&"echo".to_owned()));
}

#[test]
fn program_on_the_path_is_a_command() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("caxton-hello");
    std::fs::write(&script, "#!/bin/sh\necho \"hello $1\"\nexit 7\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let ran = Ran::of(program("").env("PATH", &path).args(["hello", "you"]).output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), "hello you\n"), "{}", ran.stderr);
    assert_eq!(Ran::of(program("").env("PATH", &path).args(["hullo"]).output().unwrap()).code, Some(2));
}

#[test]
fn manual_has_a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("man1");
    let ran = Ran::of(program("").args(["man", "--dir", dir.to_str().unwrap()]).output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{}", ran.stderr);
    for page in ["caxton.1", "caxton-job-create.1", "caxton-doctor.1"] {
        assert!(dir.join(page).is_file(), "{page}");
    }
    assert!(Ran::of(program("").arg("man").output().unwrap()).stdout.contains(".TH caxton"));
}

#[test]
fn bench_says_what_it_measured() {
    let server =
        Server::new().answers("POST /v1/messages", 202, json!({"kind": "caxton.accepted/v1", "id": "1"}));
    let ran = server.run(&["bench", "oneway", "echo", "--count", "20", "--concurrency", "2", "-o", "json"]).0;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["kind"], &report["failed"]), (&json!("caxton.bench/v1"), &json!(0)));
    let server = Server::new().refuses("POST /v1/messages", 404, "CX0302", "nobody answers");
    let ran = server.run(&["bench", "oneway", "ecko", "--count", "3"]).0;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("3 of 3 messages failed\n  why: nobody answers"), "{}", ran.stderr);
}
