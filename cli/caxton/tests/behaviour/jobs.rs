//! `caxton job`: what is sent for an input, what is waited for, and what the exit code says.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::server::{Ran, Server, program};

fn job(state: &str, version: u64, done: u64, failed: u64) -> Value {
    json!({"kind": "caxton.job/v1", "id": "j", "agent": "worker@caxton", "state": state, "version": version,
        "created": "2026-11-20T12:00:00Z", "ended": null, "expires": null, "concurrency": 16, "timeout-ms": 30000,
        "items": {"total": 3, "queued": 3 - done - failed, "running": 0, "done": done, "failed": failed, "cancelled": 0}})
}

/// Creates a job from an input; gives the run and the request.
fn create(input: &str, more: &[&str], server: Server) -> (Ran, Value) {
    let mut command = program(&server.address());
    command.args([&["job", "create", "worker", "-"], more].concat());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let seen = server.start();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    let request = seen.lock().unwrap().first().map(crate::server::Seen::json).unwrap_or_default();
    (ran, request)
}

fn created() -> Server {
    Server::new().answers("POST /v1/jobs", 202, job("running", 1, 0, 0))
}

#[test]
fn each_line_is_an_item() {
    let (ran, request) = create("a\n\nb", &["-o", "name"], created());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "j\n"), "{}", ran.stderr);
    assert_eq!(
        request,
        json!({"agent": "worker", "items": [{"content": "a"}, {"content": ""}, {"content": "b"}]})
    );
    assert_eq!(create("a\n", &[], created()).1["items"], json!([{"content": "a"}]));
}

#[test]
fn items_in_json_are_a_list_or_lines() {
    let expected = json!([{"content": "a"}, {"key": "k", "content": "b"}]);
    for input in ["[\"a\", {\"key\":\"k\",\"content\":\"b\"}]", "\"a\"\n{\"key\":\"k\",\"content\":\"b\"}\n"]
    {
        let options = ["--json", "--concurrency", "4", "--timeout", "2s"];
        let (_, request) = create(input, &options, created());
        assert_eq!(
            (&request["items"], &request["concurrency"], &request["timeout-ms"]),
            (&expected, &json!(4), &json!(2000))
        );
    }
    assert_eq!(create("{", &["--json"], created()).0.code, Some(3));
}

#[test]
fn job_is_watched_until_it_is_over() {
    let server = created().answers("GET /v1/jobs/j", 200, job("running", 1, 0, 0)).answers(
        "GET /v1/jobs/j?version=1&wait-ms=20000",
        200,
        job("partial", 4, 2, 1),
    );
    let (ran, _) = create("a\nb\nc\n", &["--wait"], server);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("items:    2 of 3 done, 1 failed\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("caxton job results j --state failed"), "{}", ran.stderr);
    // Progress is for terminals.
    assert!(!ran.stderr.contains('\r'), "{}", ran.stderr);
    let server = Server::new().answers("GET /v1/jobs/j", 200, job("completed", 4, 3, 0));
    assert_eq!(server.run(&["job", "watch", "j"]).0.code, Some(0));
}

#[test]
fn results_are_read_to_the_end() {
    let item = |sequence: u64| {
        json!({"sequence": sequence, "index": 17, "key": "18", "state": "failed", "attempt": 1, "code": "CX0316",
            "content": "no\u{1b}[2J"})
    };
    let list = |items: Value, next: u64, over: bool| json!({"kind": "caxton.job.result.list/v1", "items": items, "next": next, "over": over});
    let server = Server::new()
        .answers(
            "GET /v1/jobs/j/results?state=failed&after=0&limit=1000",
            200,
            list(json!([item(1), item(2)]), 2, true),
        )
        .answers("GET /v1/jobs/j/results?state=failed&after=2&limit=1000", 200, list(json!([]), 2, true));
    insta::assert_snapshot!(server.run(&["job", "results", "j", "--state", "failed"]).0.stdout, @"
    INDEX  KEY  STATE   ATTEMPT  CODE    CONTENT
    17     18   failed  1        CX0316  no�[2J
    17     18   failed  1        CX0316  no�[2J
    ");
    let server = Server::new()
        .answers(
            "GET /v1/jobs/j/results?after=0&limit=1000&wait-ms=20000",
            200,
            list(json!([item(1)]), 1, false),
        )
        .answers(
            "GET /v1/jobs/j/results?after=1&limit=1000&wait-ms=20000",
            200,
            list(json!([item(2)]), 2, true),
        )
        .answers("GET /v1/jobs/j/results?after=2&limit=1000&wait-ms=20000", 200, list(json!([]), 2, true));
    let ran = server.run(&["job", "results", "j", "-f", "-o", "json"]).0;
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 2), "{}", ran.stderr);
}

#[test]
fn jobs_are_listed_cancelled_resumed_and_removed() {
    let server = Server::new()
        .answers(
            "GET /v1/jobs?limit=50",
            200,
            json!({"kind": "caxton.job.list/v1", "items": [job("partial", 1, 2, 1)]}),
        )
        .answers("POST /v1/jobs/j/cancel", 200, job("cancelling", 2, 0, 0))
        .answers("POST /v1/jobs/j/resume", 200, job("running", 3, 0, 0))
        .refuses("DELETE /v1/jobs/j", 409, "CX0610", "it runs");
    let address = server.address();
    server.start();
    let run = |arguments: &[&str]| Ran::of(program(&address).args(arguments).output().unwrap());
    assert!(run(&["job", "ls"]).stdout.starts_with("ID  AGENT          STATE    ITEMS"));
    assert!(run(&["get", "jobs"]).stdout.contains("2 of 3 done, 1 failed"));
    assert!(run(&["job", "cancel", "j"]).stdout.contains("state:    cancelling"));
    assert!(run(&["job", "resume", "j"]).stdout.contains("state:    running"));
    assert_eq!(run(&["job", "rm", "j"]).code, Some(6));
}
