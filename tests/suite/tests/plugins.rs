//! Plugins that cannot be loaded or misbehave, in a real server: required ones stop the start with both sides and the
//! fix, optional ones are shown as failed, and the server lives.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use caxton_kit::{
    artifacts,
    server::{CONFIG, Server, printed},
};
use serde_json::Value;
use tempfile::TempDir;

const ENDS_WITHIN: Duration = Duration::from_secs(60);

fn unruly() -> String {
    artifacts::bad_plugins().unwrap().join("libcaxton_unruly.so").display().to_string()
}

fn with_plugin(required: bool, library: &str, keys: &str) -> String {
    format!("{CONFIG}\n[plugins.bad]\nlibrary = {library:?}\nrequired = {required}\n{keys}\n")
}

/// The same plugin as a required one stops the start, as an optional one is shown as failed.
fn cannot_run(library: &str, keys: &str, code: &str, words: &[&str]) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("caxton.toml");
    fs::write(&file, with_plugin(true, library, keys)).unwrap();
    let mut stopped = Server::spawn(&file, dir.path(), &[]).unwrap();
    assert!(!stopped.wait_end(ENDS_WITHIN).unwrap().success());
    let log = stopped.log();
    assert!(log.contains(code), "{code} is not in {log}");
    for word in words {
        assert!(log.contains(word), "{word} is not in {log}");
    }
    let faults: String = log.lines().filter(|line| !line.contains("INFO")).collect();
    assert!(faults.len() < 2_000, "short: {log}");

    let server = Server::start(&with_plugin(false, library, keys)).unwrap();
    let shown = server.json(&["describe", "plugin", "bad"]).unwrap();
    assert_eq!(shown["state"], "failed", "{shown}");
    assert_eq!(shown["code"], code, "{shown}");
}

#[test]
fn libc_is_no_plugin() {
    let places = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6"];
    let libc = places.into_iter().find(|place| fs::exists(place).unwrap_or(false)).unwrap();
    cannot_run(libc, "", "CX0202", &["handshake"]);
}

#[test]
fn a_text_file_is_no_plugin() {
    let readme = artifacts::root().join("README.md").display().to_string();
    cannot_run(&readme, "", "CX0201", &[]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    cannot_run("/nowhere/libcaxton_absent.so", "", "CX0103", &["/nowhere/libcaxton_absent.so"]);
}

#[test]
fn a_plugin_of_another_abi_major_is_refused_with_both_versions() {
    let mut bytes = fs::read(unruly()).unwrap();
    let magic = bytes.windows(8).position(|window| window == b"CAXTON\x01\n").unwrap();
    // magic 8, size 4, then the major version in little-endian order.
    bytes[magic + 12] = 9;
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("libcaxton_other.so");
    fs::write(&file, bytes).unwrap();
    cannot_run(&file.display().to_string(), "", "CX0203", &["9.4", "0.4"]);
}

#[test]
fn a_panic_in_create_is_an_error() {
    cannot_run(&unruly(), "mode = \"panic-in-create\"", "CX0210", &[]);
}

#[test]
fn a_panic_in_start_is_an_error() {
    cannot_run(&unruly(), "mode = \"panic-in-start\"", "CX0210", &[]);
}

#[test]
fn a_start_that_hangs_ends_at_its_deadline() {
    cannot_run(&unruly(), "mode = \"hang-in-start\"\nstart_ms = 300", "CX0211", &["300 ms"]);
}

#[test]
fn a_wrong_key_is_named_with_the_nearest_one() {
    cannot_run(&unruly(), "mod = \"well-behaved\"", "CX0207", &["mod", "did you mean `mode`?"]);
}

#[test]
fn a_wrong_value_is_named_with_the_right_ones() {
    cannot_run(&unruly(), "mode = \"rude\"", "CX0207", &["rude", "well-behaved"]);
}

#[test]
fn a_digest_that_does_not_fit_is_refused_with_both() {
    let digest = format!("digest = \"sha256:{}\"", "0".repeat(64));
    cannot_run(&unruly(), &digest, "CX0205", &["0000"]);
}

#[test]
fn a_panic_in_a_call_fails_the_plugin_and_the_server_lives() {
    let server =
        Server::start(&with_plugin(false, &unruly(), "mode = \"panic-in-deliver\"\nrestart = \"never\""))
            .unwrap();
    let running = server.json(&["describe", "plugin", "bad"]).unwrap();
    assert_eq!(running["state"], "running", "{running}");
    let asked = server.cli(&["ask", "unruly", "hello", "--timeout", "5s"]).unwrap();
    assert!(!asked.status.success(), "{}", printed(&asked));
    let failed = server.json(&["describe", "plugin", "bad"]).unwrap();
    assert_eq!(
        (&failed["state"], &failed["code"]),
        (&Value::from("failed"), &Value::from("CX0210")),
        "{failed}"
    );
    let status = server.json(&["status"]).unwrap();
    assert_eq!(status["accounting"]["holds"], true, "{status}");
}

#[test]
fn a_pipe_is_no_plugin_and_does_not_hang() {
    let dir = TempDir::new().unwrap();
    let pipe = dir.path().join("pipe.so");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    cannot_run(&pipe.display().to_string(), "", "CX0201", &["no regular file"]);
}

/// What `caxton check` says of a configuration.
fn check(config: &str, sets: &[&str]) -> (Option<i32>, String) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("caxton.toml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(artifacts::native().unwrap().join("caxton"));
    command.args(["check", "-f"]).arg(&file);
    for set in sets {
        command.args(["--set", set]);
    }
    let output = command.output().unwrap();
    (output.status.code(), printed(&output))
}

#[test]
fn check_reports_the_faults_of_the_server_and_of_its_plugins_at_once() {
    let (code, text) = check(
        "[server]\nplatfrom = \"a\"\n[plugins.rest]\nlistne = \"x\"\n[plugins.absent]\nlibrary = \"/nowhere/a.so\"\n",
        &["plugins.router.colour=1"],
    );
    assert_eq!(code, Some(3), "{text}");
    for fault in ["platfrom", "did you mean `platform`?", "listne", "did you mean `listen`?", "/nowhere/a.so"]
    {
        assert!(text.contains(fault), "{fault} is not in {text}");
    }
}

#[test]
fn what_is_set_on_the_command_line_is_checked_like_the_file() {
    let (code, text) = check("[plugins.rest]\n", &["plugins.rest.listenx=5"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("did you mean `listen`?"), "{text}");
    let (code, text) = check("", &["server.platform=\"a b\""]);
    assert_eq!(code, Some(3), "{text}");
}

#[test]
fn inspect_shows_a_plugin_and_runs_none_of_it() {
    let bin = artifacts::native().unwrap();
    let inspect =
        |file: &str| Command::new(bin.join("caxton")).args(["plugin", "inspect", file]).output().unwrap();
    let good = inspect(&bin.join("libcaxton_router.so").display().to_string());
    assert!(String::from_utf8_lossy(&good.stdout).contains("router/1"), "{}", printed(&good));
    let bad = inspect(&artifacts::root().join("README.md").display().to_string());
    assert_eq!(bad.status.code(), Some(10), "{}", printed(&bad));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("CX0201"), "{}", printed(&bad));
}

#[test]
fn a_copy_of_echo_outside_the_repository_builds_and_loads() {
    let dir = TempDir::new().unwrap();
    let library = parrot(dir.path(), "parrot", &[]).display().to_string();
    let server = Server::start(&with_plugin(true, &library, "name = \"parrot\"")).unwrap();
    let answer = server.cli(&["ask", "parrot", "polly"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "polly", "{}", printed(&answer));
}

/// Builds a copy of echo outside the repository as the crate `name`, with parts of its manifest exchanged.
pub fn parrot(dir: &Path, name: &str, exchanged: &[(&str, &str)]) -> PathBuf {
    let (root, copy) = (artifacts::root(), dir.join(name));
    let source = root.join("plugins/echo");
    fs::create_dir_all(copy.join("src")).unwrap();
    fs::copy(source.join("src/lib.rs"), copy.join("src/lib.rs")).unwrap();
    let manifest = fs::read_to_string(source.join("plugin.json")).unwrap();
    let manifest = exchanged.iter().fold(manifest, |text, (old, new)| text.replace(old, new));
    fs::write(copy.join("plugin.json"), manifest).unwrap();
    let dependencies = fs::read_to_string(source.join("Cargo.toml")).unwrap();
    let sdk = root.join("plugins/sdk").display().to_string();
    fs::write(copy.join("Cargo.toml"), outside(name, &dependencies, &sdk)).unwrap();
    fs::copy(root.join("Cargo.lock"), copy.join("Cargo.lock")).unwrap();
    let target = artifacts::target().join("test-outside");
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--lib", "--target-dir"])
        .arg(&target)
        .current_dir(&copy)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", printed(&built));
    target.join(format!("debug/lib{name}.so"))
}

/// The manifest of a crate outside: the same dependencies, the SDK by path, versions of its own.
fn outside(name: &str, echo: &str, sdk: &str) -> String {
    let manifest: toml::Table = echo.parse().unwrap();
    let mut text = format!(
        "[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n[dependencies]\n",
    );
    let versions: toml::Table =
        fs::read_to_string(artifacts::root().join("Cargo.toml")).unwrap().parse().unwrap();
    for name in manifest["dependencies"].as_table().unwrap().keys() {
        let version = match name.as_str() {
            "caxton-plugin" => format!("{{ path = {sdk:?} }}"),
            other => versions["workspace"]["dependencies"][other].to_string(),
        };
        text.push_str(&format!("{name} = {version}\n"));
    }
    text
}
