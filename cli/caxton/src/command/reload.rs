//! `caxton reload`: lets the server read its configuration again.

use serde_json::Value;

use crate::{
    client::Client,
    failure::{Exit, Failure, cannot},
    output::{Format, Output},
};

/// The help's second part.
pub const EXAMPLES: &str = "\
The same as SIGHUP. Everything is checked before anything changes; with one fault nothing does.

Examples:
  caxton reload
  caxton reload -o json";

/// Reloads and prints what changed.
///
/// # Errors
/// When the configuration is not valid, a part of it could not be changed, or the server cannot be asked.
pub fn run(client: &Client, output: &Output) -> Result<(), Failure> {
    let reloaded =
        client.post("/v1/reload", &serde_json::json!({})).map_err(cannot("reload the configuration"))?;
    match output.format {
        Format::Json | Format::Jsonl => output.document(&reloaded)?,
        Format::Name => list(&reloaded, "changed").iter().try_for_each(|key| output.line(key))?,
        Format::Table | Format::Wide => output.line(&report(&reloaded))?,
    }
    match list(&reloaded, "failed").as_slice() {
        [] => Ok(()),
        failed => Err(Failure::new(
            Exit::Failure,
            "not everything was changed",
            failed.join(", "),
            "what failed runs as before: see it with `caxton describe plugin NAME`",
        )),
    }
}

fn list<'a>(reloaded: &'a Value, key: &str) -> Vec<&'a str> {
    let found = reloaded.get(key).and_then(Value::as_array);
    found.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn report(reloaded: &Value) -> String {
    let changed = match list(reloaded, "changed").as_slice() {
        [] => "nothing changed".to_owned(),
        changed => format!("changed: {}", changed.join(", ")),
    };
    match list(reloaded, "restart-needed").as_slice() {
        [] => changed,
        waiting => format!("{changed}\nneeds a restart: {}", waiting.join(", ")),
    }
}
