//! The protocols as data, one file each.

mod contract_net;
mod request;

pub use contract_net::CONTRACT_NET;
pub use request::REQUEST;

/// The token under which only cancels and their answers travel; the same is accepted under the protocol's own token.
pub const CANCEL_META: &str = "fipa-cancel-meta-protocol";
