//! What the word-counting market trades: the task, the offer, the report, and counting itself.
//!
//! Lines, words and bytes are those of `LC_ALL=C.UTF-8 wc` (GNU coreutils 9.1): a line is a line feed; a word is a run
//! between white space that holds a printable character. White space is what `iswspace` says in C.UTF-8 and the four
//! no-break spaces that `wc` adds; bytes that are not UTF-8 neither separate words nor make one. Since 9.5 `wc` takes
//! such bytes and unprintable characters for parts of words, so it finds more words where there are any. In the C locale
//! `wc` sees only ASCII, so it gives the same figure for ASCII texts and another for words without any ASCII character.
//! The tables of Unicode age differently: a word of nothing but very new characters may count here and not there.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Words that a report names.
pub const TOP_WORDS: usize = 10;

/// What a call for proposals carries: enough to name a price. The text itself comes with the acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The file's name, for people.
    pub file: String,
    /// The length of the text.
    pub bytes: usize,
}

/// What a proposal carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The price, in the market's own unit; the lowest wins.
    pub price: f64,
}

/// What the winner delivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Line feeds.
    pub lines: usize,
    /// Words.
    pub words: usize,
    /// Bytes.
    pub bytes: usize,
    /// True when the text is UTF-8.
    pub utf8: bool,
    /// The most frequent runs of letters and digits in lower case with their counts; equal ones by word.
    pub top: Vec<(String, usize)>,
}

/// Counts a text.
pub fn count(text: &[u8]) -> Report {
    let (mut words, mut in_word) = (0, false);
    let mut runs = HashMap::new();
    let mut utf8 = true;
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_space(character) {
                words += usize::from(in_word);
                in_word = false;
            } else if !in_word {
                in_word = is_printable(character);
            }
        }
        // Bytes that are not UTF-8 end a run of letters, though not a word.
        count_runs(chunk.valid(), &mut runs);
        utf8 &= chunk.invalid().is_empty();
    }
    words += usize::from(in_word);
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    Report { lines, words, bytes: text.len(), utf8, top: top(runs) }
}

fn is_space(character: char) -> bool {
    match character {
        '\t'..='\r' | ' ' => true,
        '\0'..='\u{9f}' => false,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' => true,
        '\u{202f}' | '\u{205f}' | '\u{2060}' | '\u{3000}' => true,
        _ => false,
    }
}

/// What `iswprint` says of a character that is no white space: all but controls, separators and unassigned ones.
fn is_printable(character: char) -> bool {
    match character {
        '!'..='~' => true,
        '\0'..='\u{9f}' | '\u{2028}' | '\u{2029}' => false,
        _ => character.is_alphanumeric() || is_assigned(character),
    }
}

/// The standard library has no categories, but it escapes what it cannot show: what is unassigned, and the format and
/// private characters, which `wc` counts. After a letter, so that marks are shown.
fn is_assigned(character: char) -> bool {
    let mut shown = String::from("a");
    shown.push(character);
    shown.escape_debug().nth(1) == Some(character) || is_format_or_private(character)
}

fn is_format_or_private(character: char) -> bool {
    matches!(u32::from(character),
        0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x180e | 0x200b..=0x200f
        | 0x202a..=0x202e | 0x2061..=0x2064 | 0x2066..=0x206f | 0xe000..=0xf8ff | 0xfeff | 0xfff9..=0xfffb
        | 0x110bd | 0x110cd | 0x13430..=0x13438 | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0001
        | 0xe0020..=0xe007f | 0xf0000..=0xffffd | 0x10_0000..=0x10_fffd)
}

fn count_runs<'a>(text: &'a str, runs: &mut HashMap<&'a str, usize>) {
    for run in text.split(|character: char| !character.is_alphanumeric()).filter(|run| !run.is_empty()) {
        *runs.entry(run).or_default() += 1;
    }
}

/// Lower-casing comes last: there are far fewer different runs than runs.
fn top(runs: HashMap<&str, usize>) -> Vec<(String, usize)> {
    let mut lowered: HashMap<String, usize> = HashMap::new();
    for (run, count) in runs {
        *lowered.entry(run.to_lowercase()).or_default() += count;
    }
    let mut top: Vec<_> = lowered.into_iter().collect();
    top.sort_unstable_by(|(word, count), (other, others)| others.cmp(count).then_with(|| word.cmp(other)));
    top.truncate(TOP_WORDS);
    top
}

#[cfg(test)]
mod tests;
