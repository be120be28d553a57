//! The doors of the server through the eyes of clients that others wrote: `requests`, grpcio, `buf curl` and schemathesis
//! against a real server, and one scenario through both transports.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use caxton_kit::{
    artifacts, packages,
    server::{Server, printed},
    tools,
};
use serde_json::Value;

/// Both transports and what they share, on free ports.
const CONFIG: &str = r#"
[server]
content_in_signals = true

[plugins.router]
[plugins.protocols]
[plugins.gateway]
[plugins.rest]
listen = "127.0.0.1:0"
[plugins.grpc]
listen = "127.0.0.1:0"
"#;

/// How long something that must come may take on a busy machine.
const COMES: Duration = Duration::from_secs(60);

struct Doors {
    server: Server,
    _dir: tempfile::TempDir,
    grpc: String,
}

impl Doors {
    fn open(more: &str) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let address = dir.path().join("grpc.addr");
        let config = format!("{CONFIG}addr_file = {address:?}\n{more}");
        let server = Server::start(&config).unwrap();
        let grpc = fs::read_to_string(&address).unwrap().trim().to_owned();
        Self { server, _dir: dir, grpc }
    }

    /// Runs a client of `tests/foreign` and reads the document that it prints.
    fn client(&self, script: &str, arguments: &[&str]) -> Value {
        let mut command = Command::new(tools::python().unwrap());
        command.arg("-B").arg(tools::sources().join(script)).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}\n{}", printed(&output), self.server.log_tail());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", printed(&output)))
    }

    fn buf(&self, method: &str, data: &str) -> Output {
        let url = format!("http://{}/{method}", self.grpc);
        let mut command = Command::new(tools::buf().unwrap());
        command.args(["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--data", data]).arg(url);
        command.output().unwrap()
    }
}

/// The component of an example agent.
fn component(name: &str) -> String {
    packages::rust().unwrap();
    packages::dir().join(name).join(format!("{name}.wasm")).display().to_string()
}

/// Waits until something holds, and says what it was when it does not come.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < COMES, "{what} did not come");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn clients_of_both_transports_see_the_same() {
    let doors = Doors::open("");
    let (echo, parts) = (component("echo"), component("parts"));
    let agents = ["--echo", &echo, "--parts", &parts];
    let rest = doors.client("rest_client.py", &[&["--url", doors.server.url()], &agents[..]].concat());
    let grpc = doors.client("grpc_client.py", &[&["--address", &doors.grpc], &agents[..]].concat());
    assert_eq!(rest["seen"], grpc["seen"]);
    // Each reads the conversation that the other held.
    let scenario = doors.client(
        "compare.py",
        &["--url", doors.server.url(), "--address", &doors.grpc, "--conversation"]
            .into_iter()
            .chain([rest["conversation"].as_str().unwrap(), grpc["conversation"].as_str().unwrap()])
            .collect::<Vec<&str>>(),
    );
    assert!(scenario["compared"].as_u64().unwrap() > 20, "{scenario}");
}

#[test]
fn health_reflection_and_refusals_are_what_a_generated_client_expects() {
    let doors = Doors::open("");
    let mut command = Command::new(tools::python().unwrap());
    command.arg("-B").arg(tools::sources().join("grpc_check.py"));
    let output =
        command.args(["--address", &doors.grpc, "--component", &component("echo")]).output().unwrap();
    assert!(output.status.success(), "{}\n{}", printed(&output), doors.server.log_tail());
}

#[test]
fn the_contract_is_clean_for_buf() {
    let lint = Command::new(tools::buf().unwrap()).arg("lint").current_dir(proto()).output().unwrap();
    assert!(lint.status.success(), "{}", printed(&lint));
}

fn proto() -> PathBuf {
    let proto = artifacts::root().join("proto");
    assert!(Path::new(&proto).is_dir());
    proto
}

#[test]
fn buf_curl_lists_and_calls_by_reflection() {
    let doors = Doors::open("");
    let mut command = Command::new(tools::buf().unwrap());
    command
        .args(["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--list-methods"])
        .arg(format!("http://{}", doors.grpc));
    let listed = command.output().unwrap();
    let methods = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(methods.contains("caxton.v1.AgentService/"), "{}", printed(&listed));
    let status = doors.buf("caxton.v1.ServerService/GetStatus", "{}");
    assert!(status.status.success(), "{}", printed(&status));
    assert!(String::from_utf8_lossy(&status.stdout).contains("\"ready\": true"), "{}", printed(&status));
    let missing = doors.buf("caxton.v1.AgentService/GetAgent", r#"{"name":"ecko"}"#);
    let told = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && told.contains("not_found") && told.contains("ErrorInfo"), "{told}");
}

#[test]
fn health_is_not_serving_while_a_required_plugin_is_down() {
    let library = artifacts::bad_plugins().unwrap().join("libcaxton_unruly.so");
    let doors = Doors::open(&format!(
        "[plugins.bad]\nlibrary = {library:?}\nmode = \"panic-in-deliver\"\nrestarts_max = 0\nrequired = true\n"
    ));
    let health = || {
        let checked = doors.buf("grpc.health.v1.Health/Check", "{}");
        String::from_utf8_lossy(&checked.stdout).into_owned()
    };
    until("SERVING", || health().contains("\"SERVING\""));
    doors.server.cli(&["ask", "unruly", "hello", "--timeout", "5s"]).unwrap();
    until("NOT_SERVING", || health().contains("\"NOT_SERVING\""));
}
