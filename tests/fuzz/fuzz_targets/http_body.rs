//! Drives `caxton_fuzz_targets::http_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caxton_fuzz_targets::http_body(bytes));
