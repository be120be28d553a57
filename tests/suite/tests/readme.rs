//! Runs the README's command lines as they are printed, against a real server.

use std::{
    fs,
    process::{Command, Stdio},
};

use caxton_kit::{artifacts, server::Server};

/// The shell blocks of the README, in order.
fn blocks() -> Vec<Vec<String>> {
    let text = fs::read_to_string(artifacts::root().join("README.md")).unwrap();
    let shell = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    shell.map(|block| block.lines().map(str::to_owned).collect()).collect()
}

fn block_with(needle: &str) -> Vec<String> {
    blocks().into_iter().find(|block| block.iter().any(|line| line.contains(needle))).unwrap()
}

/// Runs a line in a shell in which `caxton` is found and speaks to the server.
fn run(line: &str, server: &str) -> (bool, String) {
    let bin = artifacts::native().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-ec", line])
        .current_dir(artifacts::root())
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("CAXTON_SERVER", server)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_two_first_commands_are_demo_and_test() {
    let first = blocks().remove(0);
    let words: Vec<String> =
        first.iter().map(|line| line.split('#').next().unwrap().trim().to_owned()).collect();
    assert_eq!(words, ["cargo demo", "cargo test"]);
}

#[test]
fn the_lines_of_the_second_terminal_work_as_printed() {
    caxton_kit::packages::rust().unwrap();
    let config = fs::read_to_string(artifacts::root().join("docs/guide/caxton.toml")).unwrap();
    let config = config
        .replace("127.0.0.1:8400", "127.0.0.1:0")
        .replace("127.0.0.1:8401", "127.0.0.1:0")
        .replace("target/caxton-trace", "target/readme-trace");
    let server = Server::start(&config).unwrap();
    for line in block_with("caxton ask echo").iter().filter(|line| !line.starts_with("export")) {
        let line = line.replace("target/agents", &caxton_kit::packages::dir().display().to_string());
        let (ok, printed) = run(&line, server.url());
        assert!(ok, "{line}\n{printed}");
        let expected = if line.contains("ask echo") {
            "hello"
        } else if line.contains("cnp") {
            "bidder-"
        } else if line.contains("conversation show") {
            "propose"
        } else if line.contains("status") {
            "accepted"
        } else {
            ""
        };
        assert!(printed.contains(expected), "{line}\n{printed}");
    }
}

#[test]
fn the_guides_configuration_passes_check() {
    let line = block_with("caxton check").into_iter().find(|line| line.contains("caxton check")).unwrap();
    artifacts::native().unwrap();
    let (ok, printed) = run(&line, "http://127.0.0.1:1");
    assert!(ok, "{printed}");
}
