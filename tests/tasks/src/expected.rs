//! Judges a report with counts that come from elsewhere: bytes and line feeds counted here, words by the system's `wc`,
//! the most frequent words of ASCII texts by a count of their own.
//!
//! For texts beyond ASCII the most frequent words are only judged for their form: what a letter's lower case is differs
//! between the Unicode tables of the languages that bid.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;

/// Words that a report names at most.
const TOP_WORDS: usize = 10;

/// What is wrong with a report; empty when nothing is.
pub fn differences(text: &[u8], report: &Value) -> Vec<String> {
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    let mut wrong = Vec::new();
    compare("bytes", text.len(), report, &mut wrong);
    compare("lines", lines, report, &mut wrong);
    if let Some(words) = words(text) {
        compare("words", words, report, &mut wrong);
    }
    wrong.extend(judge_top(text, report.get("top")));
    wrong
}

fn compare(name: &str, expected: usize, report: &Value, wrong: &mut Vec<String>) {
    let found = report.get(name).and_then(Value::as_u64);
    if found != Some(expected as u64) {
        let found = found.map_or("none".to_owned(), |found| found.to_string());
        wrong.push(format!("{name}: expected {expected}, found {found}"));
    }
}

/// Words as `wc -w` counts them in UTF-8; `None` where there is no `wc`.
fn words(text: &[u8]) -> Option<usize> {
    let text = &printable(text);
    let mut wc = Command::new("wc");
    wc.arg("-w").env("LC_ALL", "C.UTF-8").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = wc.spawn().ok()?;
    let mut input = child.stdin.take()?;
    let output = thread::scope(|scope| {
        scope.spawn(move || input.write_all(text));
        child.wait_with_output()
    });
    String::from_utf8(output.ok()?.stdout).ok()?.trim().parse().ok()
}

/// A text without what `wc` counts differently since coreutils 9.5: bytes that are not UTF-8, and control characters.
fn printable(text: &[u8]) -> Vec<u8> {
    let keep = |c: &char| !c.is_control() || matches!(c, '\t'..='\r');
    text.utf8_chunks().flat_map(|chunk| chunk.valid().chars().filter(keep)).collect::<String>().into_bytes()
}

fn judge_top(text: &[u8], top: Option<&Value>) -> Option<String> {
    let Some(pairs) = top.and_then(Value::as_array) else {
        return Some("top: expected a list, found none".into());
    };
    let found: Vec<(String, u64)> = pairs
        .iter()
        .filter_map(|pair| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_u64()?)))
        .collect();
    let descending = found.is_sorted_by(|a, b| a.1 >= b.1);
    if found.len() != pairs.len() || found.len() > TOP_WORDS || !descending {
        return Some(format!("top: not {TOP_WORDS} words with falling counts: {pairs:?}"));
    }
    if !text.is_ascii() {
        return None;
    }
    let expected = ascii_top(text);
    (found != expected).then(|| format!("top: expected {expected:?}, found {found:?}"))
}

/// Runs of letters and digits in lower case, most frequent first, equal ones by word.
fn ascii_top(text: &[u8]) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for run in text.split(|byte| !byte.is_ascii_alphanumeric()).filter(|run| !run.is_empty()) {
        *counts.entry(String::from_utf8_lossy(run).to_ascii_lowercase()).or_insert(0) += 1;
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(TOP_WORDS);
    counts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_correct_report_has_no_differences_and_a_wrong_one_names_each() {
        let text = b"One two\ntwo, three";
        let top = json!([["two", 2], ["one", 1], ["three", 1]]);
        assert!(differences(text, &json!({"lines": 1, "words": 4, "bytes": 18, "top": top})).is_empty());
        let wrong = differences(text, &json!({"lines": 2, "words": 4, "bytes": 18, "top": [["two", 3]]}));
        assert_eq!(wrong.len(), 2);
        assert_eq!(wrong[0], "lines: expected 1, found 2");
    }

    #[test]
    fn a_report_without_frequent_words_is_wrong() {
        let wrong = differences(b"one", &json!({"lines": 0, "words": 1, "bytes": 3}));
        assert_eq!(wrong, ["top: expected a list, found none"]);
    }

    #[test]
    fn an_empty_text_has_an_empty_report() {
        assert!(differences(b"", &json!({"lines": 0, "words": 0, "bytes": 0, "top": []})).is_empty());
    }
}
