//! `caxton new`, `build`, `pack` and `test`, as far as no toolchain takes part: `[build] command` stands in for one, and
//! a script for `caxtond`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::Ran;

/// The smallest component: nothing but its header.
const COMPONENT: &str = r"\000asm\015\000\001\000";

/// Runs the program in a folder.
fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let program = env!("CARGO_BIN_EXE_caxton");
    Ran::of(
        Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env_remove("CAXTON_SERVER")
            .output()
            .unwrap(),
    )
}

/// A project that a shell command builds; the command's uses are counted in `used`.
fn project(more: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tests")).unwrap();
    fs::write(folder.path().join("source"), "one").unwrap();
    let manifest = format!(
        "name = \"greeter\"\nversion = \"0.1.0\"\ncomponent = \"build/greeter.wasm\"\n{more}\n[build]\nlang = \"js\"\n\
         command = '''printf '{COMPONENT}' > \"$CAXTON_OUT\"; echo used >> build/used'''\n"
    );
    fs::create_dir(folder.path().join("build")).unwrap();
    fs::write(folder.path().join("agent.toml"), manifest).unwrap();
    folder
}

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr))
}

fn uses(folder: &Path) -> usize {
    fs::read_to_string(folder.join("build/used")).unwrap_or_default().lines().count()
}

#[test]
fn new_agent_is_written_once_and_says_what_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    for (given, key) in [("python", "python"), ("py", "python"), ("javascript", "js"), ("rust", "rust")] {
        let made =
            run(folder.path(), &["new", "agent", "greeter", "--lang", given, "--dir", given, "-o", "json"]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        assert_eq!(json_of(&made)["next"], json!(["caxton build", "caxton test", "caxton dev"]));
        let manifest = fs::read_to_string(folder.path().join(given).join("agent.toml")).unwrap();
        assert!(manifest.contains(&format!("lang = \"{key}\"")));
    }
    let again = run(folder.path(), &["new", "agent", "greeter", "--lang", "rust", "--dir", "py"]);
    assert_eq!(again.code, Some(6));
    assert!(again.stderr.contains("the folder is not empty"), "{}", again.stderr);
    let unnamed = run(folder.path(), &["new", "agent", "Greeter", "--lang", "rust"]);
    assert_eq!(unnamed.code, Some(2));
}

#[test]
fn build_packs_the_manifest_and_does_nothing_twice() {
    let project = project("capabilities = [\"greet\"]\ndelivery = \"acked\"\n[config]\ngreeting = \"Hi\"");
    let folder = project.path();
    let first = json_of(&run(folder, &["build", "-o", "json"]));
    assert_eq!((&first["changed"], &first["component"]), (&json!(true), &json!("build/greeter.wasm")));
    let second = json_of(&run(folder, &["build", "-o", "json"]));
    assert_eq!((&second["changed"], &second["digest"]), (&json!(false), &first["digest"]));
    assert_eq!(uses(folder), 1);

    // The manifest alone is packed anew, without a compiler.
    let manifest = fs::read_to_string(folder.join("agent.toml")).unwrap();
    fs::write(folder.join("agent.toml"), manifest.replace("Hi", "Hey")).unwrap();
    let third = json_of(&run(folder, &["build", "-o", "json"]));
    assert_eq!((&third["changed"], uses(folder)), (&json!(true), 1));
    let package =
        caxton_cli::author::package::read(&fs::read(folder.join("build/greeter.wasm")).unwrap()).unwrap();
    assert_eq!(
        package,
        json!({"name": "greeter", "version": "0.1.0", "capabilities": ["greet"], "class": "acked",
            "config": {"greeting": "Hey"}})
    );

    fs::write(folder.join("source"), "two").unwrap();
    run(folder, &["build"]);
    assert_eq!(uses(folder), 2);
}

#[test]
fn build_that_fails_or_makes_nothing_keeps_the_last_package() {
    let project = project("");
    let folder = project.path();
    run(folder, &["build"]);
    let package = fs::read(folder.join("build/greeter.wasm")).unwrap();
    let manifest = fs::read_to_string(folder.join("agent.toml")).unwrap();
    for (command, said) in [
        ("echo bad line 3 >&2; exit 1", "bad line 3"),
        ("true", "CAXTON_OUT"),
        ("echo text > \"$CAXTON_OUT\"", "not a WebAssembly component"),
    ] {
        let line = format!("command = '''{command}'''");
        let changed = manifest.lines().map(|old| if old.starts_with("command") { &line } else { old });
        fs::write(folder.join("agent.toml"), changed.collect::<Vec<_>>().join("\n")).unwrap();
        let failed = run(folder, &["build", "-o", "json"]);
        assert_eq!(failed.code, Some(1), "{command}");
        assert!(failed.stderr.contains(said) && failed.stderr.contains("CX0414"), "{}", failed.stderr);
        assert_eq!(fs::read(folder.join("build/greeter.wasm")).unwrap(), package);
    }
}

#[test]
fn missing_toolchain_is_named_with_what_brings_it() {
    let folder = tempfile::tempdir().unwrap();
    for (lang, program) in [("rust", "cargo"), ("js", "node"), ("python", "python3")] {
        run(folder.path(), &["new", "agent", lang, "--lang", lang]);
        let built = Command::new(env!("CARGO_BIN_EXE_caxton"))
            .args(["build", lang])
            .current_dir(folder.path())
            .env("PATH", folder.path())
            .output()
            .unwrap();
        let ran = Ran::of(built);
        assert_eq!(ran.code, Some(1));
        assert!(
            ran.stderr.contains("[CX0413]") && ran.stderr.contains(&format!("`{program}` is not")),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn folder_without_an_agent_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["build"]);
    assert_eq!(ran.code, Some(5));
    assert!(ran.stderr.contains("caxton new agent NAME"), "{}", ran.stderr);
    fs::write(folder.path().join("agent.toml"), "name = \"a\"\ncomponent = \"a.wasm\"\n").unwrap();
    let ran = run(folder.path(), &["build"]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.stderr.contains("[build]"), "{}", ran.stderr);
}

#[test]
fn pack_writes_a_package_from_a_component_and_a_manifest() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    fs::write(folder.path().join("agent.toml"), "name = \"a\"\ncomponent = \"unused.wasm\"\n").unwrap();
    let ran =
        run(folder.path(), &["pack", "a.wasm", "--manifest", "agent.toml", "--to", "b.wasm", "-o", "json"]);
    assert_eq!(json_of(&ran)["manifest"], json!({"name": "a"}));
    assert!(fs::read(folder.path().join("b.wasm")).unwrap().ends_with(b"caxton:manifest{\"name\":\"a\"}"));
    fs::write(folder.path().join("a.wasm"), "text").unwrap();
    assert_eq!(run(folder.path(), &["pack", "a.wasm", "--manifest", "agent.toml"]).code, Some(3));
}

/// Runs `caxton test` with a script in the place of `caxtond`, which prints its arguments and exits with `code`.
fn tested(project: &Path, code: i32, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = folder.path().join("caxton");
    fs::hard_link(env!("CARGO_BIN_EXE_caxton"), &program).unwrap();
    let caxtond: PathBuf = folder.path().join("caxtond");
    fs::write(&caxtond, format!("#!/bin/sh\necho \"$@\"\nexit {code}\n")).unwrap();
    fs::set_permissions(&caxtond, fs::Permissions::from_mode(0o755)).unwrap();
    Ran::of(Command::new(program).arg("test").args(arguments).current_dir(project).output().unwrap())
}

#[test]
fn test_hands_every_script_to_the_server_program_and_passes_its_verdict_on() {
    let project = project("");
    for name in ["b.toml", "a.toml", "notes.md"] {
        fs::write(project.path().join("tests").join(name), "").unwrap();
    }
    let passed = tested(project.path(), 0, &[]);
    assert_eq!(passed.stdout, "agent test build/greeter.wasm tests/a.toml tests/b.toml\n");
    assert_eq!(passed.code, Some(0), "{}", passed.stderr);
    let failed = tested(project.path(), 9, &[]);
    assert_eq!(failed.code, Some(9));
    assert!(failed.stderr.contains("a script failed"), "{}", failed.stderr);
    assert_eq!(tested(project.path(), 3, &[]).code, Some(3));
}
