//! Drives `caxton_fuzz_targets::component_precheck`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caxton_fuzz_targets::component_precheck(bytes));
