//! Client to agent to client over HTTP: requests are asked on connections that are kept, and a Rust agent echoes them.
//!
//! The client is the program that measures a bare axum too, so both pay the same for it.

use caxton_kit::Failure;

use crate::{measure::Measure, setup, stage::Stage};

/// Turns until the server has seen that the agent's are short.
const FIRST_ASKS: usize = 100;

/// Asks in a second with `size` in flight, and their latencies.
///
/// # Errors
/// The server or the client could not be started, or a request failed.
pub fn rest(size: u64, seconds: f64) -> Result<Measure, Failure> {
    let mut stage = Stage::start()?;
    stage.deploy("echo", "echo")?;
    for _ in 0..FIRST_ASKS {
        stage.ask("echo")?;
    }
    let mut client = setup::command("http-load")?;
    client.args([stage.server().url(), "/v1/agents/echo/ask", &size.to_string(), &seconds.to_string()]);
    let output = client.output().map_err(|error| format!("cannot run http-load: {error}"))?;
    let told = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.success() {
        return Err(format!("http-load: {}", told()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("http-load: {error} {}", told()))
}
