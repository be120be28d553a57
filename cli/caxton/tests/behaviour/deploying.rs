//! `caxton deploy`: what is uploaded, what is waited for, and what is refused before anything is sent.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{Ran, Server, program};

/// A folder with a component `a.wasm` and a manifest `a.toml` that ends in `more`.
fn folder(more: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.wasm"), b"\0asm").unwrap();
    let manifest = folder.path().join("a.toml");
    std::fs::write(&manifest, format!("name = \"echo\"\ncomponent = \"a.wasm\"\n{more}")).unwrap();
    (folder, manifest)
}

fn stored() -> Server {
    let component =
        json!({"kind": "caxton.component/v1", "digest": "sha256:00112233445566778899", "known": false});
    Server::new().answers("PUT /v1/components", 200, component)
}

fn agent(state: &str) -> Value {
    json!({"kind": "caxton.agent/v1", "name": "echo@caxton", "state": state, "component": "sha256:00112233445566778899",
        "code": null, "reason": null})
}

#[test]
fn manifest_is_deployed_and_its_start_waited_for() {
    let (_folder, manifest) = folder("groups = [\"g\"]\n[config]\ndepth = 3\n");
    let server = stored()
        .answers("PUT /v1/agents/echo", 200, agent("starting"))
        .answers("GET /v1/agents/echo", 200, agent("starting"))
        .answers("GET /v1/agents/echo", 200, agent("active"));
    let (ran, seen) = server.run(&["deploy", manifest.to_str().unwrap()]);
    insta::assert_snapshot!(ran.stdout, @"
    NAME         STATE   DEPLOYED  COMPONENT
    echo@caxton  active  created   sha256:001122334455
    ");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "echo: stored sha256:001122334455\n"));
    assert_eq!(seen[0].body, b"\0asm");
    assert!(seen[0].headers.contains("content-type: application/wasm"));
    assert_eq!(
        seen[1].json(),
        json!({"name": "echo", "component": "sha256:00112233445566778899", "groups": ["g"],
            "config": {"depth": 3}})
    );
}

#[test]
fn component_is_deployed_under_its_files_name_with_options() {
    let (folder, _) = folder("");
    let component = folder.path().join("a.wasm");
    let server = stored().answers("PUT /v1/agents/a", 200, agent("active"));
    let arguments = [
        "deploy",
        component.to_str().unwrap(),
        "--capability",
        "c",
        "--grant",
        "x:y/z",
        "--config",
        "{\"k\":1}",
        "-o",
        "name",
    ];
    let (ran, seen) = server.run(&arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "echo@caxton\n"), "{}", ran.stderr);
    let sent = seen[1].json();
    assert_eq!(
        (&sent["name"], &sent["capabilities"], &sent["grants"], &sent["config"]),
        (&json!("a"), &json!(["c"]), &json!(["x:y/z"]), &json!({"k": 1}))
    );
}

#[test]
fn manifest_can_be_deployed_under_another_name() {
    let (_folder, manifest) = folder("");
    let server = stored().answers("PUT /v1/agents/second", 200, agent("active"));
    let (_, seen) = server.run(&["deploy", manifest.to_str().unwrap(), "--name", "second"]);
    assert_eq!(seen[1].json()["name"], "second");
}

#[test]
fn several_agents_cannot_get_one_name() {
    let ran = Ran::of(program("").args(["deploy", "a.toml", "b.toml", "--name", "c"]).output().unwrap());
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn agent_that_fails_to_start_is_1_with_its_reason() {
    let (_folder, manifest) = folder("");
    let mut failed = agent("failed");
    failed["code"] = json!("CX0422");
    failed["reason"] = json!("init returned: no price");
    let ran =
        stored().answers("PUT /v1/agents/echo", 200, failed).run(&["deploy", manifest.to_str().unwrap()]).0;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("error: agent `echo` is failed [CX0422]\n  why: init returned: no price\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn agent_that_goes_on_starting_is_8() {
    let (_folder, manifest) = folder("");
    let server = stored().answers("PUT /v1/agents/echo", 200, agent("starting")).answers(
        "GET /v1/agents/echo",
        200,
        agent("starting"),
    );
    let ran = server.run(&["deploy", manifest.to_str().unwrap(), "--timeout", "1ms"]).0;
    assert_eq!(ran.code, Some(8), "{}", ran.stderr);
}

#[test]
fn taken_name_is_6_and_the_fix_frees_it() {
    let (_folder, manifest) = folder("");
    let server = stored().refuses("POST /v1/agents", 409, "CX0420", "an agent `echo@caxton` exists");
    let ran = server.run(&["deploy", manifest.to_str().unwrap(), "--new"]).0;
    assert_eq!(ran.code, Some(6));
    assert!(
        ran.stderr.contains("leave out --new") && ran.stderr.contains("caxton delete agent echo"),
        "{}",
        ran.stderr
    );
}

/// An agent with these versions: state and share, oldest first.
fn versions(of: &[(&str, u64)]) -> Value {
    let version = |(number, (state, share)): (u64, &(&str, u64))| {
        json!({"number": number, "state": state, "share": share, "component": "sha256:00112233445566778899",
            "conversations": 0, "mailbox": 0, "since": null})
    };
    let mut agent = agent("active");
    agent["revisions"] = (1..).zip(of).map(version).collect();
    agent
}

#[test]
fn deployment_says_what_it_came_to() {
    for (of, expected) in [
        (&[("active", 100)][..], "created"),
        (&[("draining", 0), ("active", 100)], "version 2 active"),
        (&[("active", 90), ("canary", 10)], "version 2 canary 10 %"),
    ] {
        let (_folder, manifest) = folder("");
        let server = stored().answers("PUT /v1/agents/echo", 200, versions(of));
        let ran = server.run(&["deploy", manifest.to_str().unwrap()]).0;
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.contains(&format!("active  {expected}  ")), "{}", ran.stdout);
    }
}

#[test]
fn canary_gets_its_share() {
    let (_folder, manifest) = folder("");
    let line = "PUT /v1/agents/echo?canary=10";
    let server = stored().answers(line, 200, versions(&[("active", 90), ("canary", 10)]));
    let (ran, seen) = server.run(&["deploy", manifest.to_str().unwrap(), "--canary", "10", "-o", "json"]);
    assert_eq!((ran.code, seen[1].line.as_str()), (Some(0), line), "{}", ran.stderr);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["revisions"][1]["share"], 10);
    for percent in ["0", "100", "x"] {
        let ran = Ran::of(program("").args(["deploy", "a.toml", "--canary", percent]).output().unwrap());
        assert_eq!(ran.code, Some(2), "{percent}");
    }
}

#[test]
fn version_that_does_not_start_is_1_and_the_server_says_so() {
    let (_folder, manifest) = folder("");
    let why = "version 2 of `echo@caxton`: init returned: no price; version 1 goes on";
    let server = stored().refuses("PUT /v1/agents/echo", 422, "CX0422", why);
    let ran = server.run(&["deploy", manifest.to_str().unwrap()]).0;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains(&format!("[CX0422]\n  why: {why}\n")), "{}", ran.stderr);
}

#[test]
fn promotion_and_rollback_say_what_serves() {
    let server = Server::new()
        .answers("POST /v1/agents/echo/promote", 200, versions(&[("draining", 0), ("active", 100)]))
        .answers("POST /v1/agents/echo/rollback", 200, versions(&[("active", 100), ("draining", 0)]));
    let address = server.address();
    server.start();
    let run = |verb: &str| Ran::of(program(&address).args([verb, "echo"]).output().unwrap()).stdout;
    assert_eq!(run("promote"), "agent echo@caxton: version 2 active\n");
    assert_eq!(run("rollback"), "agent echo@caxton: version 1 active\n");
}

#[test]
fn rollback_without_a_version_before_is_6() {
    let server =
        Server::new().refuses("POST /v1/agents/echo/rollback", 409, "CX0427", "there is no version before");
    assert_eq!(server.run(&["rollback", "echo"]).0.code, Some(6));
}

#[test]
fn component_of_another_world_is_10() {
    let (_folder, manifest) = folder("");
    let server = Server::new().refuses(
        "PUT /v1/components",
        422,
        "CX0404",
        "it does not export `caxton:agent/handler`",
    );
    assert_eq!(server.run(&["deploy", manifest.to_str().unwrap()]).0.code, Some(10));
}

#[test]
fn invalid_manifest_is_3_and_nothing_is_sent_also_not_for_the_others() {
    let (_one, good) = folder("");
    let (_two, bad) = folder("gruops = []\n");
    let (ran, seen) = stored().run(&["deploy", good.to_str().unwrap(), bad.to_str().unwrap()]);
    assert_eq!((ran.code, seen.len()), (Some(3), 0));
    assert!(
        ran.stderr
            .contains("a.toml:3:1 is not valid [CX0424]\n  why: unknown key `gruops`\n  fix: write `groups`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn options_of_a_component_do_not_go_with_a_manifest() {
    let (_folder, manifest) = folder("");
    let ran =
        Ran::of(program("").args(["deploy", manifest.to_str().unwrap(), "--group", "g"]).output().unwrap());
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn config_that_is_not_an_object_is_refused_before_the_server_is_called() {
    let (folder, _) = folder("");
    let component = folder.path().join("a.wasm");
    for (config, code) in [("3", 2), ("{", 2), ("@missing", 1)] {
        let mut command = program("http://127.0.0.1:1");
        let ran = Ran::of(
            command.args(["deploy", component.to_str().unwrap(), "--config", config]).output().unwrap(),
        );
        assert_eq!(ran.code, Some(code), "{config}: {}", ran.stderr);
    }
}
