//! The demo as a person runs it, on a folder that it has never seen.

use std::{fs, process::Command};

use caxton_kit::{artifacts, server::printed};
use tempfile::TempDir;

/// Texts of every odd kind: empty, one word without a line feed, UTF-8, bytes that are none, and five megabytes.
fn odd_folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("empty.txt", b"");
    write("word.txt", b"word");
    write("windows.txt", b"one two\r\nthree\r\n\r\n");
    write("utf8.txt", "Zażółć gęślą jaźń — naïve café\u{2003}über\u{a0}alles 日本語 テキスト\n".as_bytes());
    write("latin1.txt", b"caf\xe9 cr\xe8me \xff\xfe br\xfbl\xe9e\n");
    write("nul.bin", b"a\0b c\x01d\n\n\x7f\n");
    let line = "The quick brown fox jumps over the lazy dog, and 42 more words follow it\n";
    write("five-megabytes.txt", line.repeat(5_000_000 / line.len() + 1).as_bytes());
    fs::create_dir(dir.path().join("below")).unwrap();
    write("below/deep.txt", b"a a a b b c\n");
    dir
}

#[test]
fn every_odd_text_has_a_correct_report_and_the_books_balance() {
    let dir = odd_folder();
    let tasks = artifacts::native().unwrap().join("caxton-tasks");
    let output =
        Command::new(tasks).arg("demo").arg(dir.path()).current_dir(artifacts::root()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", printed(&output));
    assert!(text.contains("8 of 8 tasks have a correct report"), "{text}");
    for shown in ["propose", "late", "trap", "failure", "accept-proposal", "accepted ", "trace.jsonl"] {
        assert!(text.contains(shown), "{shown} is not in {text}");
    }
}
