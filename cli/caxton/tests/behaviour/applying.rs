//! `caxton apply`, `caxton diff` and `caxton wait`: what is done, what is left alone, and what the exit code says.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{Ran, Server};

/// The digest of the component of every manifest here.
const DIGEST: &str = "sha256:cd5d4935a48c0672cb06407bb443bc0087aff947c6b864bac886982c73b3027f";

/// A folder with the manifests of these agents, a component, and a file that is no manifest.
fn folder(agents: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.wasm"), b"\0asm").unwrap();
    std::fs::write(folder.path().join("caxton.toml"), "[server]\n").unwrap();
    for name in agents {
        let manifest = format!("name = \"{name}\"\ncomponent = \"a.wasm\"\ngroups = [\"g\"]\n");
        std::fs::write(folder.path().join(format!("{name}.toml")), manifest).unwrap();
    }
    folder
}

fn agent(name: &str, groups: &[&str]) -> Value {
    json!({"kind": "caxton.agent/v1", "name": format!("{name}@caxton"), "state": "active", "revision": 1,
        "component": DIGEST, "capabilities": [], "groups": groups, "config": {}})
}

fn server(agents: &[Value], components: &[&str]) -> Server {
    let component = |digest: &&str| json!({"kind": "caxton.component/v1", "digest": digest});
    let components: Vec<Value> = components.iter().map(component).collect();
    Server::new()
        .answers("GET /v1/agents", 200, json!({"kind": "caxton.agent.list/v1", "items": agents}))
        .answers("GET /v1/components", 200, json!({"kind": "caxton.component.list/v1", "items": components}))
}

fn run(server: Server, folder: &TempDir, verb: &str, more: &[&str]) -> (Ran, Vec<String>) {
    let arguments = [&[verb, "-f", folder.path().to_str().unwrap()], more].concat();
    let (ran, seen) = server.run(&arguments);
    (ran, seen.into_iter().map(|seen| seen.line).collect())
}

#[test]
fn creates_changes_and_leaves_alone() {
    let folder = folder(&["new", "other", "same"]);
    let server = server(&[agent("other", &[]), agent("same", &["g"])], &[])
        .answers("PUT /v1/components", 200, json!({"digest": DIGEST}))
        .answers("PUT /v1/agents/new", 200, agent("new", &["g"]))
        .answers("PUT /v1/agents/other", 200, agent("other", &["g"]));
    let (ran, seen) = run(server, &folder, "apply", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    insta::assert_snapshot!(ran.stdout, @"
    NAME   ACTION     KEYS
    new    create     -
    other  update     groups
    same   unchanged  -
    ");
    assert!(!seen.contains(&"PUT /v1/agents/same".to_owned()), "{seen:?}");
}

#[test]
fn component_that_the_server_has_is_not_uploaded() {
    let folder = folder(&["new"]);
    let server = server(&[], &[DIGEST]).answers("PUT /v1/agents/new", 200, agent("new", &["g"]));
    let (ran, seen) = run(server, &folder, "apply", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(seen, ["GET /v1/agents", "GET /v1/components", "PUT /v1/agents/new"]);
}

#[test]
fn plan_does_nothing() {
    let folder = folder(&["new"]);
    let (ran, seen) =
        run(server(&[agent("old", &[])], &[]), &folder, "apply", &["--plan", "--prune", "-o", "json"]);
    assert_eq!((ran.code, seen.len()), (Some(0), 2), "{}", ran.stderr);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(plan["kind"], "caxton.plan/v1");
    let actions: Vec<_> =
        plan["items"].as_array().unwrap().iter().map(|item| item["action"].clone()).collect();
    assert_eq!(actions, ["create", "delete"]);
}

#[test]
fn prune_wants_to_be_agreed_to() {
    let folder = folder(&["same"]);
    let there = [agent("same", &["g"]), agent("old", &[])];
    let (ran, seen) = run(server(&there, &[]), &folder, "apply", &["--prune"]);
    assert_eq!((ran.code, seen.len()), (Some(2), 2), "{}", ran.stderr);
    assert!(ran.stderr.contains("--prune deletes old@caxton"), "{}", ran.stderr);
    let server = server(&there, &[]).answers("DELETE /v1/agents/old@caxton", 200, agent("old", &[]));
    let (ran, seen) = run(server, &folder, "apply", &["--prune", "--yes"]);
    assert_eq!((ran.code, seen.last().unwrap().as_str()), (Some(0), "DELETE /v1/agents/old@caxton"));
}

#[test]
fn two_manifests_of_one_name_and_an_empty_folder_are_3() {
    let one = folder(&["a"]);
    std::fs::copy(one.path().join("a.toml"), one.path().join("b.toml")).unwrap();
    assert_eq!(run(server(&[], &[]), &one, "apply", &[]).0.code, Some(3));
    assert_eq!(run(server(&[], &[]), &folder(&[]), "apply", &[]).0.code, Some(3));
}

#[test]
fn diff_is_0_when_nothing_differs_and_1_when_something_does() {
    let both = folder(&["new", "other"]);
    let (ran, _) = run(server(&[agent("other", &[])], &[]), &both, "diff", &[]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!(ran.stdout, @r#"
    + new
    ~ other
        groups: [] -> ["g"]
    "#);
    assert!(ran.stderr.starts_with("error: 2 agents differ\n"), "{}", ran.stderr);
    let same = folder(&["other"]);
    let (ran, _) = run(server(&[agent("other", &["g"])], &[]), &same, "diff", &[]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn waits_until_an_agent_is_active() {
    let mut starting = agent("echo", &[]);
    starting["state"] = json!("starting");
    let server = Server::new().answers("GET /v1/agents/echo", 200, starting).answers(
        "GET /v1/agents/echo",
        200,
        agent("echo", &[]),
    );
    let ran = server.run(&["wait", "agent/echo", "--for=ready"]).0;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "agent/echo is ready\n"), "{}", ran.stderr);
}

#[test]
fn waits_until_an_agent_is_gone() {
    let server = Server::new().answers("GET /v1/agents/echo", 200, agent("echo", &[])).refuses(
        "GET /v1/agents/echo",
        404,
        "CX0421",
        "no agent is named `echo`",
    );
    let ran = server.run(&["wait", "agent/echo", "--for=deleted"]).0;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "agent/echo is deleted\n"), "{}", ran.stderr);
}

#[test]
fn what_does_not_come_is_8_and_what_is_not_there_is_5() {
    let server = Server::new().answers("GET /v1/agents/echo", 200, agent("echo", &[]));
    let ran = server.run(&["wait", "agent/echo", "--for=state=failed", "--timeout", "50ms"]).0;
    assert_eq!(ran.code, Some(8), "{}", ran.stderr);
    assert!(ran.stderr.contains("why: after 0 s it is active"), "{}", ran.stderr);
    let server = Server::new().refuses("GET /v1/agents/echo", 404, "CX0421", "no agent is named `echo`");
    assert_eq!(server.run(&["wait", "agent/echo"]).0.code, Some(5));
    assert_eq!(Server::new().run(&["wait", "echo"]).0.code, Some(2));
}
