//! Drives `caxton_fuzz_targets::acl_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caxton_fuzz_targets::acl_json(bytes));
