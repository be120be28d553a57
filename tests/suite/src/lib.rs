//! The suite has no code of its own: one binary, `tests/main.rs`, with a module for each topic, so that it links once.
