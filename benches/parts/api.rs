//! `cargo bench`, the part that needs a whole server: what each transport adds to the round trip inside, beside a bare
//! server of the same library in the same run. `caxton-bench overhead` prints the same with other rounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::Command;

fn main() {
    // `cargo test --benches` only builds it and sees that it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let status = Command::new(env!("CARGO_BIN_EXE_caxton-bench")).arg("overhead").status().unwrap();
    assert!(status.success(), "caxton-bench overhead: {status}");
}
