//! How each message ended, by the server's own trace: one line for each signal, written by the jsonl plugin.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use serde_json::Value;

/// The events that end a message.
const ENDS: [&str; 4] = ["message.delivered", "message.expired", "message.dead_lettered", "message.dropped"];

/// The ends of the messages with the given ids, in the order of the trace.
///
/// # Errors
/// The trace cannot be read.
pub fn read<'i>(
    file: &Path,
    ids: impl Iterator<Item = &'i String>,
) -> Result<BTreeMap<&'i str, Vec<&'static str>>, String> {
    let mut ends: BTreeMap<&str, Vec<&'static str>> = ids.map(|id| (id.as_str(), Vec::new())).collect();
    let failed = |why: std::io::Error| format!("cannot read {}: {why}", file.display());
    for line in BufReader::new(File::open(file).map_err(failed)?).lines() {
        let line = line.map_err(failed)?;
        let Some(end) = ENDS.into_iter().find(|end| line.contains(end)) else { continue };
        let Ok(document) = serde_json::from_str::<Value>(&line) else { continue };
        let of = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
        if of("event") == end
            && let Some(found) = ends.get_mut(of("message"))
        {
            found.push(end);
        }
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_ends_of_the_messages_asked_for_and_of_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("trace.jsonl");
        let lines = [
            r#"{"event":"message.accepted","message":"a"}"#,
            r#"{"event":"message.delivered","message":"a"}"#,
            r#"{"event":"message.delivered","message":"c"}"#,
            r#"{"event":"agent.log","message":"b","text":"message.delivered"}"#,
        ];
        std::fs::write(&file, lines.join("\n")).unwrap();
        let ids = ["a".to_owned(), "b".to_owned()];
        let ends = read(&file, ids.iter()).unwrap();
        assert_eq!(ends["a"], ["message.delivered"]);
        assert!(ends["b"].is_empty() && ends.len() == 2);
    }
}
