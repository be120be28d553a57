//! The plugin against a server that is scripted: in process for what it says, over real sockets for how it is framed.

mod ask;
mod batch;
mod bench;
mod control;
mod cors;
mod delivery;
mod errors;
mod openapi;
mod raw;
mod sockets;
mod streams;
