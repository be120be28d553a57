//! Lists that grow, read to their end or followed: long polls with a cursor, item after item.

use std::{ops::ControlFlow, time::Duration};

use serde_json::Value;

use crate::{
    client::{Client, Error},
    command::{items, text},
};

/// How many items one call gives.
const LIMIT: u32 = 1000;
/// How long the server holds a call that follows.
pub const WAIT: Duration = Duration::from_secs(20);

/// Reads items from after `after`, in order, until the list ends; with `follow`, waits for more for ever.
///
/// Ends early when `each` breaks. `lost` is told how many items had left the server's ring before they were read.
///
/// # Errors
/// The call's, or what `each` gives.
pub fn read<E: From<Error>>(
    client: &Client,
    path: &str,
    follow: bool,
    mut lost: impl FnMut(u64),
    mut each: impl FnMut(&Value) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let mut after = 0;
    let wait = if follow { format!("&wait-ms={}", WAIT.as_millis()) } else { String::new() };
    let joint = if path.contains('?') { '&' } else { '?' };
    loop {
        let list = client.get_and_wait(&format!("{path}{joint}after={after}&limit={LIMIT}{wait}"), WAIT)?;
        if let Some(count) = number(&list, "lost").filter(|count| *count > 0) {
            lost(count);
        }
        for item in items(&list) {
            if each(item)?.is_break() {
                return Ok(());
            }
        }
        let next = number(&list, "next").unwrap_or(after);
        let over = text(&list, "over") == "true";
        if over && items(&list).is_empty() || !follow && (items(&list).is_empty() || next == after) {
            return Ok(());
        }
        after = next;
    }
}

/// Asks for a document again and again, each time with the version that is known, until `each` breaks.
///
/// # Errors
/// The call's, or what `each` gives.
pub fn watch<E: From<Error>>(
    client: &Client,
    path: &str,
    mut each: impl FnMut(&Value) -> Result<ControlFlow<()>, E>,
) -> Result<Value, E> {
    let mut document = client.get(path)?;
    while each(&document)?.is_continue() {
        let version = number(&document, "version").unwrap_or_default();
        let path = format!("{path}?version={version}&wait-ms={}", WAIT.as_millis());
        // Without news the same document comes.
        while number(&document, "version") == Some(version) {
            document = client.get_and_wait(&path, WAIT)?;
        }
    }
    Ok(document)
}

fn number(document: &Value, key: &str) -> Option<u64> {
    document.get(key).and_then(Value::as_u64)
}
