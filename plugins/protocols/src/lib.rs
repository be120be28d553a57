//! Plugin protocols: the interaction protocols as data tables and the engine that enforces them.
//!
//! ```text
//!   server ── observe, timers ──▶ Engine ── shard (lock) ── Conversation ── Session
//!          ◀── actions ────────── pass      message: which session, which event
//!                                           step:    which row of the table, what it does
//!                                           close:   deadlines, decision, end
//!   tables/contract_net · tables/request: constant rows, read by the engine, the exhaustive test and the picture
//! ```
//!
//! The engine sees a message before it is delivered, with its real receiver. Where the tables and rulings F1 to F14 of
//! the documentation leave something open, it does this:
//!
//! - A call without `reply-with` is keyed by its participant alone; answers then carry no `in-reply-to`.
//! - `in-reply-to` picks among several sessions of one participant. Only a proposal must carry it (row 2); any other
//!   act may leave it out when the participant has one session.
//! - A further call of the initiator may join until the conversation has had a bid, also when all calls so far are
//!   answered and it closed without a bid: calls arrive one by one, and a quick refusal must not shut out the rest.
//! - A stale reply-by in an accept, a cancel or a request is treated as in a call (F1): it is withheld, the initiator
//!   gets failure(expired), the session stays.
//! - Default times for accepts, requests and cancels are stamped into the message as F2 says for calls. A reply-by
//!   beyond `reply_by_max_ms` is amended to it.
//! - A bid of a lost agent fails as a commitment does (F7), so that nobody accepts it. A call that is not answered yet
//!   waits on: the next instance may still read it.
//! - A lost initiator's bids are rejected and the rest of its sessions cancelled on its behalf. What a participant then
//!   still sends to it in vain is not told to the participant: the cancel or the reject did.
//! - A bid whose delivery failed is void: its sender gets a failure, the session fails.
//! - When the winner fails, the time to decide starts anew, for a runner-up.
//! - When every accepted session is done and bids are left, the initiator has `reject_grace_ms` for its own rejects; it
//!   may also accept another bid, and then the rest stand while that one works. When the grace or the decision timeout
//!   is over, whichever is first, the engine rejects what is left.
//! - The initiator's own reject for a bid that the engine rejected, that expired, or whose maker was lost is withheld
//!   with that reason and nobody is told: both sides did right, the messages crossed. Its accept for such a bid is
//!   answered with a failure of the same reason (as F6 says of an expired one).
//! - A broken promise is told once. Whatever the engine hears after a session is over, from whichever side of a loss it
//!   looks, is not told again; only a cancel that came to nothing is. When the next instance of a lost agent still keeps
//!   the promise, its result is delivered flagged late; a failure of it is withheld.
//! - A refusal after reply-by is withheld and nobody is told: silence has said the same.
//! - Not-understood in answer to a cancel is a failure to cancel. A cancel without an answer ends the session at its
//!   reply-by. A second cancel while one is pending is out of sequence, because their answers could not be told apart.
//! - A failure that crosses a cancel is a result as well (F9). The participant's own answer to a cancel that the engine
//!   has answered is withheld.
//! - An answer to the call that crosses a cancel is no mistake: a refusal ends the session and the cancel is answered
//!   as in F9; a proposal or an agree is delivered and counts again if the cancel fails.
//! - Not-understood out of sequence, between initiator and participant, is delivered flagged: SC00029 allows it at any
//!   point, and it must not be lost.
//! - The sender of every other undeliverable message gets a failure, except for acts that end a session (failure,
//!   not-understood, refuse, reject-proposal) and messages of the platform.

mod close;
pub mod config;
mod conversation;
mod engine;
mod message;
mod pass;
pub mod picture;
mod sessions;
mod shard;
mod snapshot;
mod step;
pub mod table;
pub mod tables;

use std::sync::Arc;

use caxton_plugin::{Code, Error, Host, Plugin, Ports};

pub use config::Config;
pub use engine::Engine;
pub use pass::{Numbers, Words};
use table::State;
use tables::{CANCEL_META, CONTRACT_NET, REQUEST};

/// The plugin: an [`Engine`] with the server's numbers.
pub struct Protocols {
    engine: Arc<Engine>,
}

impl Plugin for Protocols {
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, Error> {
        config.check()?;
        let ams = format!("ams@{}", host.platform());
        let Some(platform) = host.address(&ams) else {
            let text = format!("the platform's agent `{ams}` has no address: raise `limits.names_max`");
            return Err(Error::new(Code::NAMES_EXHAUSTED, text));
        };
        let symbols = [CONTRACT_NET.token, REQUEST.token, CANCEL_META, "json"].map(|text| host.symbol(text));
        let mut words = Words::default();
        for (word, state) in words.0.iter_mut().zip(State::ALL) {
            *word = host.symbol(state.name());
        }
        if symbols.contains(&0) || words.0.contains(&0) {
            let text = "the protocols' tokens cannot be interned: use fewer different protocol, ontology and language names";
            return Err(Error::new(Code::SYMBOLS_EXHAUSTED, text));
        }
        let [contract_net, request, cancel_meta, json] = symbols;
        let numbers = Numbers { contract_net, request, cancel_meta, json, platform, words };
        Ok(Self { engine: Arc::new(Engine::new(config, numbers)) })
    }

    fn ports(self: &Arc<Self>) -> Ports {
        Ports::protocol(self.engine.clone())
    }
}

caxton_plugin::plugin!(Protocols, "../plugin.json");
