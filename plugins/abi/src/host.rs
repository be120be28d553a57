//! The one table that a plugin receives: everything the server does for it. Methods may be called from any thread.

use abi_stable::{
    sabi_trait,
    std_types::{RBox, RResult, RSlice, RStr, RString, RVec},
};
use async_ffi::BorrowingFfiFuture;

use crate::{
    Code, Envelope, Payload, Signal, Uid,
    plugin::{PResult, PluginError},
    port::{AgentEntry, Outcome, RouteUpdate},
};

/// The server as a plugin sees it.
#[sabi_trait]
pub trait HostV1: Send + Sync + 'static {
    /// Submits messages from addresses that this plugin claimed; appends one outcome each. Never blocks.
    fn submit(&self, batch: RVec<Envelope>, out: &mut RVec<Outcome>);
    /// Claims a name for this plugin's endpoint port and returns its address.
    fn claim(&self, name: RStr<'_>) -> RResult<u32, PluginError>;
    /// Gives a claimed address back; messages that still wait for it become dead letters.
    fn release(&self, address: u32);
    /// Changes the forwarding table; for routers.
    fn program(&self, routes: RVec<RouteUpdate>);
    /// The address of a full name (`local@platform`) or of a name to be resolved; appends one each, zero when the name
    /// is not valid or the table is full.
    fn addresses(&self, names: RSlice<'_, RStr<'_>>, out: &mut RVec<u32>);
    /// The names of addresses; appends one each, empty for an unknown address.
    fn names(&self, addresses: RSlice<'_, u32>, out: &mut RVec<RString>);
    /// Interns a protocol, ontology, language or encoding; zero when the table is full or the text empty.
    fn symbol(&self, text: RStr<'_>) -> u32;
    /// The text of symbols; appends one each, empty for an unknown symbol.
    fn symbols(&self, symbols: RSlice<'_, u32>, out: &mut RVec<RString>);
    /// The name of this platform, the part of an agent's name after `@`.
    fn platform(&self) -> RString;
    /// A fresh id (UUID version 7).
    fn mint(&self) -> Uid;
    /// Nanoseconds since the Unix epoch, by the server's clock.
    fn now_ns(&self) -> u64;
    /// Records signals.
    fn emit(&self, signals: RVec<Signal>);
    /// The lowest level that is recorded for a target: 1 trace to 5 error, 6 off.
    fn log_level(&self, target: RStr<'_>) -> u8;
    /// Records a log line; `fields` is a JSON object or empty.
    fn log(&self, level: u8, target: RStr<'_>, line: RStr<'_>, fields: RStr<'_>);
    /// Tells that this instance cannot go on; it is stopped and shown as failed.
    fn report_fatal(&self, error: PluginError);
    /// Runs a control operation: a verb such as `agents.list` with a JSON document, answered by a JSON document.
    /// Evolvable: an unknown verb is refused with its own code.
    #[sabi(last_prefix_field)]
    fn invoke<'a>(&'a self, verb: RString, request: Payload) -> BorrowingFfiFuture<'a, PResult<Payload>>;
    /// As `submit`, for messages of any class: answers when those that are durable are on disk; since minor 2.
    fn submit_and_wait<'a>(&'a self, batch: RVec<Envelope>) -> BorrowingFfiFuture<'a, RVec<Outcome>> {
        let refused = |envelope: &Envelope| Outcome { id: envelope.head.id, code: Code::DURABLE_UNAVAILABLE };
        let outcomes = batch.iter().map(refused).collect();
        BorrowingFfiFuture::new(std::future::ready(outcomes))
    }
    /// As `submit`, and lends the calling thread to the server: it may run a short turn of an agent that the batch found
    /// idle before it returns, and deliver what that agent answers; since minor 3. So the caller holds no lock that its
    /// own `deliver` takes.
    fn submit_and_lend(&self, batch: RVec<Envelope>, out: &mut RVec<Outcome>) {
        self.submit(batch, out);
    }
    /// As `claim`, for an agent outside of the server: `entry` has its name, capabilities and groups, and the router learns
    /// of it; since minor 4.
    fn attach(&self, entry: AgentEntry) -> RResult<u32, PluginError> {
        self.claim(entry.name.as_rstr())
    }
    /// As `release`, for an attached agent. With a `code` it was lost: what it promised is void and protocols are told, as
    /// of an agent that is removed. Zero when it left by itself; since minor 4.
    fn detach(&self, address: u32, code: Code) {
        let _of_this_minor = code;
        self.release(address);
    }
}

/// The host behind the boundary.
pub type HostBox = HostV1_TO<RBox<()>>;
