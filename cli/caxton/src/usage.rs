//! Reads the command line; a wrong one is told as text, or as JSON where the line itself asks for that.

use std::{ffi::OsString, io::Write as _, os::unix::process::CommandExt as _, process::ExitCode};

use clap::{Parser as _, error::ErrorKind};
use serde_json::json;

use crate::{
    arguments::Arguments,
    failure::{Exit, short},
};

/// The parsed command line, or the exit code after help, the version or a fault was told.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, ExitCode> {
    let words: Vec<OsString> = words.into_iter().collect();
    Arguments::try_parse_from(&words).map_err(|error| {
        if error.kind() == ErrorKind::InvalidSubcommand {
            become_external(&words);
        }
        let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        if asked || !wants_json(&words) {
            // Nothing can be done about a closed stream.
            drop(error.print());
        } else {
            let text = error.render().to_string();
            let (message, fix) = parts(&text);
            let document = json!({"error": short("", &message, &fix)});
            drop(writeln!(std::io::stderr(), "{document}"));
        }
        ExitCode::from(if asked { 0 } else { Exit::Usage as u8 })
    })
}

/// Becomes `caxton-NAME` where the first word is a NAME that is no command and such a program is on PATH.
fn become_external(words: &[OsString]) {
    let [_, name, arguments @ ..] = words else { return };
    let plain =
        |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let Some(name) = name.to_str().filter(|name| !name.starts_with('-')).filter(plain) else { return };
    // It returns only when there is no such program; the fault of the command line is told then.
    drop(std::process::Command::new(format!("caxton-{name}")).args(arguments).exec());
}

/// True when `-o json` or `-o jsonl` stands among the words, in any of the forms that an option can have.
fn wants_json(words: &[OsString]) -> bool {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let is_json = |value: &str| matches!(value, "json" | "jsonl");
    let apart = words.windows(2).any(|pair| matches!(pair, ["-o" | "--output", value] if is_json(value)));
    let joined = |word: &&str| {
        let value = word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o"));
        value.is_some_and(|value| is_json(value.trim_start_matches('=')))
    };
    apart || words.iter().any(joined)
}

/// What is wrong, and what to do: clap's tip where it gives one, else where the usage is shown.
fn parts(text: &str) -> (String, String) {
    let mut blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    let first = blocks.next().unwrap_or_default();
    let message =
        first.strip_prefix("error:").unwrap_or(first).split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = blocks.clone().find_map(|block| block.strip_prefix("tip:")).map(str::trim);
    let usage =
        blocks.find_map(|block| block.strip_prefix("Usage:")).map(str::trim).unwrap_or("caxton --help");
    (message, tip.map_or_else(|| format!("call it as `{usage}`"), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(line: &str) -> bool {
        wants_json(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn json_is_asked_for_in_every_form_of_the_option() {
        for line in ["a -o json", "a --output jsonl x", "a -ojson", "a --output=json", "a -o=json"] {
            assert!(wants(line), "{line}");
        }
        for line in ["a", "a -o name", "a json", "a --output", "a -o"] {
            assert!(!wants(line), "{line}");
        }
    }
}
