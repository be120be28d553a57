//! Commands that become `caxtond`: serve, check, plugin inspect. A script stands in for it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use crate::server::Ran;

/// Runs a copy of the program from a folder, with `caxtond` as a script that prints its arguments and exits with 3.
fn run(scripted: bool, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = folder.path().join("caxton");
    fs::hard_link(env!("CARGO_BIN_EXE_caxton"), &program).unwrap();
    if scripted {
        script(&folder.path().join("caxtond"));
    }
    Ran::of(Command::new(program).args(arguments).env_clear().env("PATH", folder.path()).output().unwrap())
}

fn script(path: &Path) {
    fs::write(path, "#!/bin/sh\necho \"$@\"\nexit 3\n").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn arguments_output_and_exit_code_are_passed_on() {
    for (arguments, passed) in [
        (&["serve", "-f", "c.toml"][..], "serve -f c.toml\n"),
        (&["check", "-f", "c.toml"], "check -f c.toml\n"),
        (&["check", "-f", "c.toml", "--set", "a=1", "--set", "b=2"], "check -f c.toml --set a=1 --set b=2\n"),
        (&["check", "-f", "c.toml", "-o", "json"], "check -f c.toml -o json\n"),
        (&["serve", "-f", "c.toml", "-o", "jsonl"], "serve -f c.toml -o json\n"),
        (&["plugin", "inspect", "x.so"], "plugin inspect x.so\n"),
        (&["plugin", "inspect", "x.so", "-o", "json"], "plugin inspect x.so -o json\n"),
    ] {
        let ran = run(true, arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), passed), "{}", ran.stderr);
    }
}

#[test]
fn missing_program_is_told_with_where_it_was_looked_for() {
    let ran = run(false, &["serve", "-f", "c.toml"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("neither next to this program nor on PATH"), "{}", ran.stderr);
}

#[test]
fn missing_program_is_json_too_where_json_was_asked_for() {
    let ran = run(false, &["check", "-f", "c.toml", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert!(
        document["error"]["message"].as_str().unwrap().contains("neither next to this program nor on PATH")
    );
}
