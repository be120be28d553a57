//! `caxton status`: how a server does, with the proof that no message was lost.

use crate::{
    client::Client,
    failure::{Exit, Failure, cannot},
    output::{Format, Output},
    status::{Status, summary},
};

/// The help's second part.
pub const EXAMPLES: &str = "\
Every message that the server accepted was delivered, expired, became a dead letter, was dropped (volatile, when the \
server ended), or is on its way. The exit code is 1 when that sum does not hold, for all messages and for each class.

Examples:
  caxton status
  caxton status -o json";

/// Prints the status.
///
/// # Errors
/// When the sum does not hold, or the server cannot be asked.
pub fn run(client: &Client, output: &Output) -> Result<(), Failure> {
    let document = client.get("/v1/status").map_err(cannot("get the status"))?;
    let status: Status = serde_json::from_value(document.clone()).map_err(|error| {
        let why = format!("the server's document is not of this version: {error}");
        Failure::new(Exit::Incompatible, "cannot read the status", why, "compare `caxton version`")
    })?;
    match output.format {
        Format::Json | Format::Jsonl => output.document(&document)?,
        Format::Name => output.line(&status.platform)?,
        Format::Table | Format::Wide => output.line(&summary(&status))?,
    }
    if status.accounting.holds() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Failure,
        "the accounting of messages does not hold",
        status.accounting.line(),
        "report it with the server's trace file and this status as JSON",
    ))
}
