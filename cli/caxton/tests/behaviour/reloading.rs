//! What changes while the server runs: plugins, the configuration; and the list of codes.

use serde_json::{Value, json};

use crate::server::{Ran, Server, program};

fn plugin() -> Value {
    json!({"kind": "caxton.plugin/v1", "name": "router", "version": "0.2.0", "state": "running"})
}

#[test]
fn plugin_is_reloaded_from_its_own_file() {
    let server = Server::new().answers("POST /v1/plugins/router/reload", 200, plugin());
    let (ran, seen) = server.run(&["plugin", "reload", "router"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "plugin router 0.2.0 running\n"));
    assert_eq!(seen[0].json(), json!({}));
}

#[test]
fn another_file_is_named_from_the_root() {
    let server = Server::new().answers("POST /v1/plugins/router/reload", 200, plugin());
    let (_, seen) = server.run(&["plugin", "reload", "router", "--file", "new/librouter.so"]);
    let expected = std::env::current_dir().unwrap().join("new/librouter.so");
    assert_eq!(seen[0].json(), json!({"library": expected}));
}

#[test]
fn library_that_does_not_take_over_is_6() {
    let server = Server::new().refuses(
        "POST /v1/plugins/protocols/reload",
        409,
        "CX0215",
        "it reads snapshots 2 to 3",
    );
    assert_eq!(server.run(&["plugin", "reload", "protocols"]).0.code, Some(6));
}

#[test]
fn reload_says_what_changed_and_what_waits_for_a_restart() {
    let run = |changed: Value, waiting: Value| {
        let document = json!({"kind": "caxton.reload/v1", "changed": changed, "restart-needed": waiting});
        Server::new().answers("POST /v1/reload", 200, document).run(&["reload"]).0.stdout
    };
    assert_eq!(run(json!([]), json!([])), "nothing changed\n");
    assert_eq!(run(json!(["a", "b"]), json!(["c", "d"])), "changed: a, b\nneeds a restart: c, d\n");
}

#[test]
fn part_that_could_not_be_changed_is_1() {
    let document =
        json!({"changed": ["a"], "restart-needed": [], "failed": ["plugins.router: no handshake"]});
    let ran = Server::new().answers("POST /v1/reload", 200, document).run(&["reload"]).0;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "changed: a\n"));
    assert!(ran.stderr.contains("why: plugins.router: no handshake"), "{}", ran.stderr);
}

#[test]
fn configuration_that_is_not_valid_is_3() {
    let server = Server::new().refuses("POST /v1/reload", 400, "CX0102", "unknown key `limts`");
    assert_eq!(server.run(&["reload"]).0.code, Some(3));
}

fn error(arguments: &[&str]) -> Ran {
    Ran::of(program("http://127.0.0.1:1").arg("error").args(arguments).output().unwrap())
}

#[test]
fn code_is_explained_without_a_server() {
    insta::assert_snapshot!(error(&["mailbox-full"]).stdout, @"
    code:         CX0301
    name:         mailbox-full
    meaning:      the receiver's mailbox is full
    fix:          send again later, or more slowly
    HTTP status:  429
    ");
    assert_eq!(error(&["301"]).stdout, error(&["CX0301"]).stdout);
    let document: Value = serde_json::from_str(&error(&["CX0301", "-o", "json"]).stdout).unwrap();
    assert_eq!((&document["slug"], &document["status"]), (&json!("mailbox-full"), &json!(429)));
}

#[test]
fn unknown_code_is_5_and_the_nearest_is_named() {
    let ran = error(&["mailbox-ful"]);
    assert_eq!(ran.code, Some(5));
    assert!(ran.stderr.contains("the nearest is `mailbox-full` (CX0301)"), "{}", ran.stderr);
}

#[test]
fn all_codes_are_listed() {
    let ran = error(&[]);
    assert!(ran.stdout.starts_with("CODE    NAME "), "{}", ran.stdout);
    assert!(ran.stdout.contains("\nCX0903  shutting-down "), "{}", ran.stdout);
}
