//! Drives `caxton_fuzz_targets::handshake_section`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caxton_fuzz_targets::handshake_section(bytes));
