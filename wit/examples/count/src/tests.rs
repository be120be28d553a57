#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    io::Write,
    process::{Command, Stdio},
};

use super::*;

/// `wc` of this machine in C.UTF-8: lines, words, bytes; nothing where it is not GNU coreutils.
fn wc(text: &[u8]) -> Option<(usize, usize, usize)> {
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

fn figures(text: &[u8]) -> (usize, usize, usize) {
    let report = count(text);
    (report.lines, report.words, report.bytes)
}

#[test]
fn counts_like_wc_on_odd_texts() {
    let odd: &[&[u8]] = &[
        b"",
        b"\n",
        b"no newline at the end",
        b"two\r\nlines\r\n",
        b"a\0b \0 \x01",
        b"\t\x0b\x0c form feed",
        b"\x1b[1mbold\x1b[0m",
        "caf\u{e9} na\u{ef}ve \u{2192} \u{1f600}".as_bytes(),
        "no\u{a0}break thin\u{202f}space figure\u{2007}space join\u{2060}er".as_bytes(),
        "\u{65e5}\u{672c}\u{3000}\u{8a9e}\u{2003}em next\u{85}line zero\u{200b}width".as_bytes(),
        "\u{378} \u{e000} \u{301} \u{feff} \u{ffff} \u{10ffff} \u{1f600} \u{20c5}".as_bytes(),
        "\u{85} \u{200b} \u{ad} \u{301} \u{2028}x\u{2029}y\u{1680}z".as_bytes(),
        b"\xff\xfe",
        b"a\xffb \xff c \xe2\x82 d \xed\xa0\x80 e\xc3",
        b"latin \xe9t\xe9 \xa0 end",
    ];
    for text in odd {
        if let Some(expected) = wc(text) {
            assert_eq!(figures(text), expected, "for {text:?}");
        }
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

#[test]
fn counts_like_wc_on_random_bytes() {
    let mut seed = 7_u64;
    let text: Vec<u8> = (0..200_000)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Low entropy in the high bits, so that valid sequences and white space are frequent.
            [0x20, 0x41, 0x0a, 0xc2, 0xa0, 0xe2, 0x80, 0x83, 0x00, 0x85, 0xff, 0xe3]
                [(seed >> 40) as usize % 12]
        })
        .collect();
    if let Some(expected) = wc(&text) {
        assert_eq!(figures(&text), expected);
    }
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
