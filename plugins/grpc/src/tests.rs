//! The transport with the library's own client, against a server in memory.

mod bench;
mod calls;
mod connections;
mod operations;
mod streams;
