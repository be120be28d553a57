//! What agent authors write against in Rust: messages, asking and contract-net roles over the WIT world.
//!
//! ```text
//!   your agent:  impl Agent  |  impl Bidder + Contractor
//!        |            ask · request · ContractNet · sleep · state · log
//!   executor:    what waits, by conversation and reply-with, or by time
//!        |
//!   bindings:    caxton:agent@0.1.0 — handle(batch), on-timer, bus.send, …
//! ```
//!
//! A turn is one call of the host: it begins with messages or a timer and ends when everything in the agent waits.
//! What a turn sends leaves when it ends well; a panic drops the turn, and the messages come again to a new instance.
//! `await` on an answer or a time ends this task's part of the turn; it goes on in the turn that brings it.
//!
//! An agent that answers every request with what it got, complete:
//! ```
//! use caxton_agent::{Agent, Fault, Message, Start};
//!
//! struct Echo;
//!
//! impl Agent for Echo {
//!     fn init(_: Start) -> Result<Self, Fault> {
//!         Ok(Self)
//!     }
//!     async fn handle(&self, message: Message) -> Result<(), Fault> {
//!         message.inform().content(message.content()).send().map(drop)
//!     }
//! }
//!
//! caxton_agent::export!(Echo);
//! # fn main() {}
//! ```
//! It is built with `cargo build --release --target wasm32-wasip2` as a `cdylib`.

mod agent;
mod ask;
mod bidder;
#[doc(hidden)]
pub mod bindings;
mod contract_net;
mod draft;
mod executor;
mod fault;
#[cfg(any(target_arch = "wasm32", test))]
mod heap;
mod host;
pub mod log;
mod message;
mod names;
pub mod respond;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod time;

pub use agent::{Agent, Component, Start};
pub use ask::{AskError, GRACE, REPLY_WITHIN, ask, ask_all, request};
pub use bidder::{Bidder, Contractor, OPEN_BIDS_MAX};
pub use contract_net::{Award, Bid, BidId, ContractError, ContractNet, NoBid, PARTICIPANTS_MAX};
pub use draft::{Draft, Recipient, send_all};
pub use executor::{
    SESSION_MESSAGES_MAX, SESSIONS_MAX, TASKS_MAX, TIMER_TOKEN, fresh_number, new_conversation, now, sleep,
    spawn,
};
pub use fault::{Failure, Fault, FaultKind, Reason, Refusal};
pub use host::{AgentRef, Uid};
pub use message::{FIPA_CONTRACT_NET, FIPA_REQUEST, Marks, Message, PARTIAL, Performative};
pub use names::{find, name_of, resolve};
pub use time::Instant;

/// Agents allocate in the rhythm of their messages. A crate that brings an allocator of its own leaves out the feature
/// `allocator`.
#[cfg(all(target_arch = "wasm32", feature = "allocator"))]
#[global_allocator]
static HEAP: heap::Heap = heap::Heap::new();

/// Makes a crate a component: `caxton_agent::export!(MyAgent);` once, at its root. Outside WebAssembly it does nothing,
/// so that an agent's logic can be tested natively.
#[macro_export]
macro_rules! export {
    ($agent:ty) => {
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::assert_agent::<$agent>;
        #[cfg(target_arch = "wasm32")]
        #[doc(hidden)]
        mod caxton_component {
            use super::*;
            type Exported = $crate::Component<$agent>;
            $crate::bindings::export_component!(Exported with_types_in $crate::bindings);
        }
    };
}

/// Keeps an exported agent in use, and checked, where it is not exported.
#[doc(hidden)]
pub fn assert_agent<A: Agent>() {
    let _ = A::init;
}
