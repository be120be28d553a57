//! What reads foreign bytes, each as a function of bytes that panics when something does not hold.
//!
//! ```text
//!   tests/fuzz/fuzz_targets/NAME.rs ── libFuzzer, nightly ──▶ NAME(bytes)
//!   tests/replay.rs ── tests/fuzz/corpus/NAME, mutated ─────▶ NAME(bytes)
//! ```
//!
//! No input may panic, run for long or take memory that is not bounded. What else must hold stands at each function.
#![allow(clippy::panic, clippy::expect_used, reason = "a target tells what it found by panicking")]

mod http;
pub mod mutate;

use std::{path::Path, sync::Arc};

use caxton_abi::handshake::Handshake;
use caxton_acl::{Message, from_json, from_string, to_json, to_string};
use caxton_host::{
    config::{self, Source},
    plugin::handshake::inspect_bytes,
};
use caxton_runtime::{CompilerMode, RuntimeOptions, check_component};

pub use http::http_body;

/// A target by its name, which is also that of its folder of seeds.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("acl_string", acl_string),
    ("acl_json", acl_json),
    ("config", config),
    ("handshake_section", handshake_section),
    ("component_precheck", component_precheck),
    ("http_body", http_body),
];

/// A moment for relative times: 2026-11-20.
const NOW_MS: u64 = 1_795_132_800_000;

/// The string form: what is read can be written, in both forms, and read again as the same message.
pub fn acl_string(bytes: &[u8]) {
    if let Ok(message) = from_string(bytes, NOW_MS) {
        comes_back(&message);
    }
}

/// JSON: as [`acl_string`].
pub fn acl_json(bytes: &[u8]) {
    if let Ok(message) = from_json(bytes, NOW_MS) {
        comes_back(&message);
    }
}

fn comes_back(message: &Message) {
    let text = to_string(message).expect("what was read can be written as a string");
    let back = from_string(&text, NOW_MS).expect("what was written as a string can be read");
    assert!(back.same(message), "another message came back from {text}");
    let text = to_json(message).expect("what was read can be written as JSON");
    let back = from_json(&text, NOW_MS).expect("what was written as JSON can be read");
    assert!(back.same(message), "another message came back from {text}");
}

/// A configuration file: each fault has a known code, and its place lies inside the text.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Libraries that a file names would be looked for on this machine.
    if text.contains("library") || text.contains("plugin") {
        return;
    }
    let source = Source { name: "caxton.toml".to_owned(), text: Arc::from(text) };
    let Err(faults) = config::judge(source, &[]) else { return };
    assert!(!faults.is_empty(), "a refusal without a fault");
    for fault in faults {
        assert!(fault.code.entry().is_some(), "{fault:?} has no known code");
        if let Some(span) = &fault.span {
            assert!(text.get(span.clone()).is_some(), "{fault:?} points outside of the text");
            assert!(fault.position().is_some(), "{fault:?} has no line");
        }
        assert!(!fault.render(false).is_empty() && !fault.to_string().is_empty());
    }
}

/// A plugin's handshake section, and a whole library file: what is accepted came from the bytes.
pub fn handshake_section(bytes: &[u8]) {
    if let Ok(info) = Handshake::parse(bytes) {
        for text in [&info.rustc, &info.target, &info.symbol, &info.manifest] {
            let found = text.is_empty() || bytes.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(found, "{text:?} is not in the section");
        }
    }
    if let Err(error) = inspect_bytes(Path::new("x.so"), bytes) {
        assert!(error.code().entry().is_some(), "{error} has no known code");
    }
}

/// The checks of a component before anything is compiled: they accept nothing that a validator refuses.
pub fn component_precheck(bytes: &[u8]) {
    let options = RuntimeOptions::new("unused", CompilerMode::InProcess);
    match check_component(bytes, &options) {
        Ok(info) => {
            assert_eq!(info.bytes, bytes.len() as u64);
            wasmparser::validate(bytes).map(|_| ()).expect("a validator accepts what the check accepts");
        }
        Err(error) => assert!(error.code().entry().is_some(), "{error} has no known code"),
    }
}
