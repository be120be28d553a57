//! Drives `caxton_fuzz_targets::acl_string`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caxton_fuzz_targets::acl_string(bytes));
