#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    io::Write,
    process::{Command, Stdio},
};

use super::*;

/// Lines, words, bytes.
type Figures = (usize, usize, usize);

/// `wc` of this machine in C.UTF-8; nothing where it is not GNU coreutils.
fn wc(text: &[u8]) -> Option<Figures> {
    let version = Command::new("wc").arg("--version").output().ok()?;
    let gnu = String::from_utf8_lossy(&version.stdout).contains("GNU coreutils");
    let mut child = gnu.then(|| {
        let mut command = Command::new("wc");
        command.arg("-lwc").env("LC_ALL", "C.UTF-8").stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().unwrap()
    })?;
    child.stdin.take().unwrap().write_all(text).unwrap();
    let output = child.wait_with_output().unwrap();
    let figures: Vec<usize> =
        String::from_utf8(output.stdout).unwrap().split_whitespace().map(|f| f.parse().unwrap()).collect();
    Some((figures[0], figures[1], figures[2]))
}

fn figures(text: &[u8]) -> Figures {
    let report = count(text);
    (report.lines, report.words, report.bytes)
}

#[test]
fn counts_like_wc() {
    // Nothing here that is not UTF-8 or not printable: `wc` before 9.5 and after count such texts alike.
    for text in [
        "",
        "\n",
        "no newline at the end",
        "two\r\nlines\r\n",
        "\t\x0b\x0c form feed",
        "caf\u{e9} na\u{ef}ve \u{2192} \u{1f600}",
        "no\u{a0}break thin\u{202f}space figure\u{2007}space join\u{2060}er",
        "\u{65e5}\u{672c}\u{3000}\u{8a9e}\u{2003}em zero\u{200b}width",
        "\u{200b} \u{ad} \u{301} x\u{1680}z",
        "\u{e000} \u{feff} \u{1f600}",
    ] {
        if let Some(expected) = wc(text.as_bytes()) {
            assert_eq!(figures(text.as_bytes()), expected, "for {text:?}");
        }
    }
}

#[test]
fn what_is_not_printable_or_not_utf8_neither_separates_words_nor_makes_one() {
    // The figures of `wc` 9.1; 9.5 and later find more words here.
    let odd: &[(&[u8], Figures)] = &[
        (b"a\0b \0 \x01", (0, 1, 7)),
        (b"\x1b[1mbold\x1b[0m \x1b \x7f", (0, 1, 16)),
        ("next\u{85}line \u{85}".as_bytes(), (0, 1, 13)),
        ("\u{2028}x\u{2029}y \u{2028}".as_bytes(), (0, 1, 12)),
        ("\u{378} \u{ffff} \u{10ffff} \u{20c5} x".as_bytes(), (0, 1, 17)),
        (b"\xff\xfe", (0, 0, 2)),
        (b"a\xffb \xff c \xe2\x82 d \xed\xa0\x80 e\xc3", (0, 4, 19)),
        (b"latin \xe9t\xe9 \xa0 end", (0, 3, 15)),
    ];
    for (text, expected) in odd {
        assert_eq!(figures(text), *expected, "for {text:?}");
    }
}

#[test]
fn counts_like_wc_on_five_megabytes() {
    let line = "The quick brown f\u{f6}x jumps over 13 lazy dogs.\n".as_bytes();
    let text = line.repeat(5_000_000 / line.len());
    if let Some(expected) = wc(&text) {
        assert_eq!(figures(&text), expected);
    }
}

/// The same pieces in the same random order at every run.
fn shuffled(pieces: &[&[u8]], length: usize) -> Vec<u8> {
    let mut seed = 7_u64;
    let draws = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        pieces[(seed >> 40) as usize % pieces.len()]
    });
    draws.take(length).flatten().copied().collect()
}

#[test]
fn counts_like_wc_on_random_text() {
    let pieces = [" ", "A", "\n", "\u{e9}", "\u{a0}", "\u{2003}", "\u{200b}", "\u{3000}", "\t", "7"];
    let text = shuffled(&pieces.map(str::as_bytes), 200_000);
    if let Some(expected) = wc(&text) {
        assert_eq!(figures(&text), expected);
    }
}

#[test]
fn counts_random_bytes_like_wc_before_9_5() {
    // Few different bytes, so that valid sequences and white space are frequent.
    let bytes = [0x20, 0x41, 0x0a, 0xc2, 0xa0, 0xe2, 0x80, 0x83, 0x00, 0x85, 0xff, 0xe3].map(|byte| [byte]);
    let text = shuffled(&bytes.each_ref().map(|byte| byte.as_slice()), 200_000);
    // What `wc` 9.1 says.
    assert_eq!(figures(&text), (16_481, 12_692, 200_000));
}

#[test]
fn names_the_ten_most_frequent_words_with_ties_by_word() {
    let report = count("b a The the THE c-c d1 e f g h i j \u{c9}t\u{e9} \u{e9}t\u{e9}".as_bytes());
    let words: Vec<_> = report.top.iter().map(|(word, count)| format!("{word} {count}")).collect();
    assert_eq!(words, ["the 3", "c 2", "\u{e9}t\u{e9} 2", "a 1", "b 1", "d1 1", "e 1", "f 1", "g 1", "h 1"]);
}

#[test]
fn says_when_a_text_is_not_utf8() {
    assert!(count("\u{e9}".as_bytes()).utf8);
    assert!(!count(b"\xe9").utf8);
}
