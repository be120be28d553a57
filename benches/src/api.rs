//! Client to agent to client over HTTP and gRPC: requests are asked on connections that are kept, and a Rust agent echoes
//! them.
//!
//! The clients are the programs that measure a bare axum and a bare tonic too, so both sides pay the same for them.

use std::{fs, process::Command};

use caxton_kit::Failure;

use crate::{measure::Measure, setup, stage::Stage};

/// Turns until the server has seen that the agent's are short.
const FIRST_ASKS: usize = 100;

/// Asks in a second with `size` in flight over HTTP, and their latencies.
///
/// # Errors
/// The server or the client could not be started, or a request failed.
pub fn rest(size: u64, seconds: f64) -> Result<Measure, Failure> {
    let stage = echoing("")?;
    let mut client = setup::command("http-load")?;
    client.args([stage.server().url(), "/v1/agents/echo/ask", &size.to_string(), &seconds.to_string()]);
    measured("http-load", client)
}

/// Asks in a second with `size` in flight over one channel of gRPC, and their latencies.
///
/// # Errors
/// As for [`rest`].
pub fn grpc(size: u64, seconds: f64) -> Result<Measure, Failure> {
    let dir = tempfile::TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
    let file = dir.path().join("grpc.addr");
    let _stage = echoing(&format!("[plugins.grpc]\nlisten = \"127.0.0.1:0\"\naddr_file = {file:?}\n"))?;
    let address = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut client = setup::command("grpc-load")?;
    let url = format!("http://{}", address.trim());
    client.args([url.as_str(), "echo", &size.to_string(), &seconds.to_string()]);
    measured("grpc-load", client)
}

/// A server with a Rust agent that echoes, and has done so for a while.
fn echoing(config: &str) -> Result<Stage, Failure> {
    let mut stage = Stage::start_with(config)?;
    stage.deploy("echo", "echo")?;
    for _ in 0..FIRST_ASKS {
        stage.ask("echo")?;
    }
    Ok(stage)
}

/// Runs a client and reads what it measured.
fn measured(name: &str, mut client: Command) -> Result<Measure, Failure> {
    let output = client.output().map_err(|error| format!("cannot run {name}: {error}"))?;
    let told = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.success() {
        return Err(format!("{name}: {}", told()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{name}: {error} {}", told()))
}
