//! `caxton version`: the version of this program, and of the server when one answers.

use serde_json::{Value, json};

use super::text;
use crate::{
    client::Client,
    failure::Failure,
    output::{Format, Output},
};

/// The help's second part.
pub const EXAMPLES: &str = "\
A server that does not answer is no error here; it is told on stderr.

Examples:
  caxton version
  caxton version -o json";

const OWN: &str = env!("CARGO_PKG_VERSION");

/// Prints the versions.
///
/// # Errors
/// Only when stdout cannot be written.
pub fn run(client: &Client, output: &Output) -> Result<(), Failure> {
    let status = client.get("/v1/status");
    if let Err(error) = &status {
        output.note(&error.to_string());
    }
    let status = status.ok();
    match output.format {
        Format::Json | Format::Jsonl => output.document(&document(status.as_ref())),
        Format::Name => output.line(OWN),
        Format::Table | Format::Wide => output.line(&lines(status.as_ref())),
    }
}

fn document(status: Option<&Value>) -> Value {
    let server = status.map(|status| {
        let of = |key: &str| status.get(key).cloned().unwrap_or_default();
        json!({"version": of("version"), "abi": of("abi"), "wit": of("wit"), "platform": of("platform")})
    });
    json!({"kind": "caxton.version/v1", "client": OWN, "server": server})
}

fn lines(status: Option<&Value>) -> String {
    let own = format!("caxton {OWN}");
    let Some(status) = status else { return own };
    let [version, abi, wit, platform] = ["version", "abi", "wit", "platform"].map(|key| text(status, key));
    let server = format!("server {version} (platform {platform}, plugin boundary {abi}, agents {wit})");
    format!("{own}\n{}", crate::text::safe(&server))
}
