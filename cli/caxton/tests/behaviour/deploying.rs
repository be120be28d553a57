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
        .answers("POST /v1/agents", 200, agent("starting"))
        .answers("GET /v1/agents/echo", 200, agent("starting"))
        .answers("GET /v1/agents/echo", 200, agent("active"));
    let (ran, seen) = server.run(&["deploy", manifest.to_str().unwrap()]);
    insta::assert_snapshot!(ran.stdout, @"
    NAME         STATE   COMPONENT
    echo@caxton  active  sha256:001122334455
    ");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "echo: stored sha256:001122334455\n"));
    assert_eq!(seen[0].body, b"\0asm");
    assert!(seen[0].headers.contains("content-type: application/wasm"));
    assert_eq!(
        seen[1].json(),
        json!({"name": "echo", "component": "sha256:00112233445566778899", "capabilities": [], "groups": ["g"],
            "config": {"depth": 3}, "grants": []})
    );
}

#[test]
fn component_is_deployed_under_its_files_name_with_options() {
    let (folder, _) = folder("");
    let component = folder.path().join("a.wasm");
    let server = stored().answers("POST /v1/agents", 200, agent("active"));
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
    let server = stored().answers("POST /v1/agents", 200, agent("active"));
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
    let ran = stored().answers("POST /v1/agents", 200, failed).run(&["deploy", manifest.to_str().unwrap()]).0;
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
    let server = stored().answers("POST /v1/agents", 200, agent("starting")).answers(
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
    let ran = server.run(&["deploy", manifest.to_str().unwrap()]).0;
    assert_eq!(ran.code, Some(6));
    assert!(ran.stderr.contains("caxton delete agent echo"), "{}", ran.stderr);
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
