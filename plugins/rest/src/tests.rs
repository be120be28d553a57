//! The plugin against a server that is scripted: in process for what it says, over real sockets for how it is framed.

mod ask;
mod batch;
mod bench;
mod contract_net;
mod control;
mod delivery;
mod errors;
mod raw;
mod sockets;
