//! `caxton context`, and which server a command speaks to.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{Ran, Server, program};

/// A home with no contexts yet.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = program("");
        command.env_remove("CAXTON_SERVER").env("HOME", self.0.path()).args(arguments);
        Ran::of(command.envs(variables.iter().copied()).output().unwrap())
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments, &[]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout
    }

    fn server(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (String, String) {
        let shown = self.run(&[&["context", "show", "-o", "json"], arguments].concat(), variables).stdout;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let of = |key: &str| shown["server"][key].as_str().unwrap().to_owned();
        (of("value"), of("origin"))
    }
}

#[test]
fn contexts_are_added_listed_used_and_removed() {
    let home = Home::new();
    home.ok(&["context", "add", "local", "http://127.0.0.1:8400"]);
    home.ok(&["context", "add", "staging", "http://h:1", "--default-output", "wide"]);
    insta::assert_snapshot!(home.ok(&["context", "ls"]), @"
    CURRENT  NAME     SERVER                 OUTPUT
    *        local    http://127.0.0.1:8400  -
    -        staging  http://h:1             wide
    ");
    home.ok(&["context", "use", "staging"]);
    insta::assert_snapshot!(home.ok(&["context", "show"]), @"
    context:  staging
    server:   http://h:1 (context staging)
    output:   wide (context staging)
    ");
    home.ok(&["context", "rm", "staging"]);
    assert_eq!(home.ok(&["context", "ls", "-o", "name"]), "local\n");
    assert_eq!(home.server(&[], &[]), ("http://127.0.0.1:8400".to_owned(), "default".to_owned()));
}

#[test]
fn option_goes_before_environment_before_context_before_default() {
    let home = Home::new();
    let expected = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(home.server(&[], &[]), expected("http://127.0.0.1:8400", "default"));
    home.ok(&["context", "add", "a", "http://a:1"]);
    home.ok(&["context", "add", "b", "http://b:1"]);
    let variable = [("CAXTON_SERVER", "http://v:1")];
    assert_eq!(home.server(&[], &[]), expected("http://a:1", "context a"));
    assert_eq!(home.server(&[], &[("CAXTON_CONTEXT", "b")]), expected("http://b:1", "context b"));
    assert_eq!(home.server(&[], &variable), expected("http://v:1", "environment CAXTON_SERVER"));
    assert_eq!(home.server(&["--context", "b"], &variable), expected("http://b:1", "context b"));
    assert_eq!(home.server(&["--server", "http://o:1"], &variable), expected("http://o:1", "option"));
}

#[test]
fn a_command_speaks_to_the_context_and_in_its_form() {
    let server = Server::new().answers("GET /v1/agents", 200, json!({"items": [{"name": "echo@caxton"}]}));
    let home = Home::new();
    home.ok(&["context", "add", "local", &server.address(), "--default-output", "name"]);
    server.start();
    assert_eq!(home.ok(&["get", "agents"]), "echo@caxton\n");
    assert_eq!(home.ok(&["get", "agents", "-o", "jsonl"]), "{\"name\":\"echo@caxton\"}\n");
}

#[test]
fn unknown_context_is_5_and_a_broken_file_is_3() {
    let home = Home::new();
    assert_eq!(home.run(&["get", "agents", "--context", "nope"], &[]).code, Some(5));
    assert_eq!(home.run(&["context", "use", "nope"], &[]).code, Some(5));
    assert_eq!(home.run(&["context", "add", "a b", "http://h:1"], &[]).code, Some(2));
    assert_eq!(home.run(&["context", "add", "a", "h:1"], &[]).code, Some(2));
    std::fs::create_dir_all(home.0.path().join(".config/caxton")).unwrap();
    std::fs::write(home.0.path().join(".config/caxton/contexts.toml"), "curent = \"a\"\n").unwrap();
    let ran = home.run(&["get", "agents"], &[]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.stderr.contains("unknown field `curent`"), "{}", ran.stderr);
    // What needs no server still works.
    assert_eq!(home.run(&["error", "CX0302", "-o", "name"], &[]).stdout, "CX0302\n");
}

#[test]
fn verbose_tells_the_calls_on_stderr() {
    let agents = json!({"kind": "caxton.agent.list/v1", "items": []});
    let ran =
        Server::new().answers("GET /v1/agents", 200, agents).run(&["get", "agents", "-v", "-o", "json"]).0;
    assert!(ran.stderr.starts_with("GET http://127.0.0.1:"), "{}", ran.stderr);
    assert!(ran.stderr.contains("/v1/agents: 200, "), "{}", ran.stderr);
}
