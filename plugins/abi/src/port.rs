//! The ports: what a plugin can do for the server. Each call moves a batch of plain records and never blocks.
//!
//! Ports are called from the server's worker threads, several at a time. The SDK wraps every method so that a panic
//! becomes a [`PluginError`](crate::plugin::PluginError) and poisons the instance.

use abi_stable::{
    StableAbi, sabi_trait,
    std_types::{RBox, RSlice, RString, RVec},
};

use crate::{Code, Envelope, Payload, Signal, Uid, plugin::PResult};

/// What became of one message at the door: `code` zero means taken.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The message's id, stamped when it was accepted.
    pub id: Uid,
    /// Zero, or why it was refused.
    pub code: Code,
}

/// Owns addresses on the bus, for example a transport or a tool bridge.
#[sabi_trait]
pub trait EndpointV1: Send + Sync + 'static {
    /// Hands messages over, in order per sender. `out` gets one code each: zero when the endpoint took the message.
    #[sabi(last_prefix_field)]
    fn deliver(&self, batch: RVec<Envelope>, out: &mut RVec<Code>) -> PResult<()>;
}

/// An agent as the router sees it.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentEntry {
    /// Interned name.
    pub address: u32,
    /// Full name, `local@platform`.
    pub name: RString,
    /// What it can do, by its manifest.
    pub capabilities: RVec<RString>,
    /// Groups it belongs to, by its manifest.
    pub groups: RVec<RString>,
    /// False when the agent left.
    pub present: bool,
}

/// An address that has messages waiting and no route.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default, PartialEq, Eq)]
pub struct Unresolved {
    /// The interned address.
    pub address: u32,
    /// Its name, for example `capability:count-words`.
    pub name: RString,
}

/// How an address is forwarded: the values of [`RouteUpdate::mode`].
pub mod route {
    /// Nobody: waiting and later messages for it are dead letters.
    pub const NONE: u8 = 0;
    /// To the first target.
    pub const ONE: u8 = 1;
    /// A copy to every target (groups, broadcast).
    pub const ALL: u8 = 2;
    /// To one of the targets in turn (capabilities).
    pub const ANY: u8 = 3;
}

/// A change of the kernel's forwarding table.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteUpdate {
    /// The address that is programmed.
    pub address: u32,
    /// One of [`route`].
    pub mode: u8,
    /// Interned names of the targets; agents or addresses of endpoints.
    pub targets: RVec<u32>,
}

/// Resolves addresses and programs the forwarding table. Names of agents need no router.
#[sabi_trait]
pub trait RouterV1: Send + Sync + 'static {
    /// Agents that came or left, in order; answers with the table's changes.
    fn agents_changed(&self, changes: RSlice<'_, AgentEntry>, out: &mut RVec<RouteUpdate>) -> PResult<()>;
    /// Resolves addresses that have messages waiting; one update each, [`route::NONE`] for what it does not know.
    #[sabi(last_prefix_field)]
    fn resolve(&self, waiting: RSlice<'_, Unresolved>, out: &mut RVec<RouteUpdate>) -> PResult<()>;
}

/// Why a protocol sees an entry: the values of [`Observation::kind`].
pub mod observed {
    /// The message is about to be delivered.
    pub const MESSAGE: u8 = 1;
    /// An accepted message came to nothing: `code` says why, the envelope is the message.
    pub const UNDELIVERABLE: u8 = 2;
    /// The agent in `envelope.head.sender` lost its instance or left: what it promised is void. Conversations in
    /// `spared` are still being tried with a new instance. `code` is `AGENT_STOPPED`, `AGENT_FAILED`,
    /// `AGENT_INIT_FAILED` or, for an agent outside of the server, `ATTACHMENT_LOST` when it left for good. With a `head.conversation` only that one is concerned: a version of the
    /// agent left, and others go on.
    pub const AGENT_LOST: u8 = 3;
}

/// What a protocol is told.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Observation {
    /// One of [`observed`].
    pub kind: u8,
    /// Why, for what is not a message.
    pub code: Code,
    /// The message, or a header that names the lost agent.
    pub envelope: Envelope,
    /// For a lost agent: conversations that are spared.
    pub spared: RVec<Uid>,
}

/// What a protocol decides for the message at an index of the observed batch: the values of [`Action::kind`] below 16,
/// and what it asks for beside: 16 and above.
pub mod action {
    /// Deliver with `flags` set and, when `time_ms` is not zero, with that reply-by.
    pub const AMEND: u8 = 1;
    /// Do not deliver; the sender is not told by the bus. `code` says why. Counts as a dead letter.
    pub const WITHHOLD: u8 = 2;
    /// Send `envelope` (its id is stamped; it does not pass the protocol again). Flags are kept as given.
    pub const SEND: u8 = 16;
    /// Wake this protocol with `token` at `time_ms`; a token that is set again moves.
    pub const SET_TIMER: u8 = 17;
    /// Forget the timer `token`.
    pub const CANCEL_TIMER: u8 = 18;
    /// Record a session's transition: `envelope.head` has conversation, reply_with and the participant as sender, `text`
    /// is `FROM > TO`, `code` the reason. When `text` is empty, the upper half of `token` is the symbol of FROM and the
    /// lower half that of TO, so that it costs no text where nobody looks.
    pub const TRANSITION: u8 = 19;
    /// Record a conversation's end: `envelope.head` has the conversation and the initiator as sender, `text` the end
    /// state.
    pub const CLOSED: u8 = 20;
    /// A conversation began, or one that was recorded as ended goes on: `envelope.head` has the conversation.
    pub const OPENED: u8 = 21;
}

/// One decision or wish of a protocol. Messages without a decision are delivered as they are.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Action {
    /// One of [`action`].
    pub kind: u8,
    /// Flags to set, see [`crate::flags`].
    pub flags: u16,
    /// The reason.
    pub code: Code,
    /// Which message of the batch.
    pub index: u32,
    /// A timer's token, or the symbols of a transition.
    pub token: u64,
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// A message to send, or a header that says what a record is about.
    pub envelope: Envelope,
    /// A transition's or end's text.
    pub text: RString,
}

/// Watches the conversations of its protocols. Pure: the same input gives the same actions.
#[sabi_trait]
pub trait ProtocolV1: Send + Sync + 'static {
    /// The protocol tokens it watches; asked once.
    fn protocols(&self) -> RVec<RString>;
    /// Messages that name one of its protocols, in order, and what happened to earlier ones.
    fn observe(&self, batch: RSlice<'_, Observation>, now_ms: u64, out: &mut RVec<Action>) -> PResult<()>;
    /// Timers that are due.
    fn timers(&self, tokens: RSlice<'_, u64>, now_ms: u64, out: &mut RVec<Action>) -> PResult<()>;
    /// All state as a versioned document, to be restored by another version.
    fn snapshot(&self) -> PResult<RVec<u8>>;
    /// Takes over the state of another instance.
    fn restore(&self, snapshot: RSlice<'_, u8>) -> PResult<()>;
    /// What is known of a conversation, as JSON; empty when nothing is.
    #[sabi(last_prefix_field)]
    fn describe(&self, conversation: Uid) -> PResult<RString>;
}

/// Takes signals out of the server.
#[sabi_trait]
pub trait ExporterV1: Send + Sync + 'static {
    /// Takes a batch, in the order of each worker. Must not block for long; what it cannot take it counts and drops.
    fn export(&self, batch: RSlice<'_, Signal>) -> PResult<()>;
    /// Writes out what it holds; called before the server ends.
    #[sabi(last_prefix_field)]
    fn flush(&self) -> PResult<()>;
}

/// What a change does: the values of [`StoreOp::kind`].
pub mod store_op {
    /// Writes `value` under `key`, whether or not there is one already.
    pub const PUT: u8 = 1;
    /// Removes `key`; removing what is not there is no error.
    pub const REMOVE: u8 = 2;
    /// Removes every key from `key` up to, not including, `value`.
    pub const TRUNCATE: u8 = 3;
}

/// One change of a store. Keys are ordered as bytes.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreOp {
    /// One of [`store_op`].
    pub kind: u8,
    /// The key, at most [`STORE_KEY_BYTES_MAX`] bytes.
    pub key: RVec<u8>,
    /// What is written, or where a truncation ends.
    pub value: Payload,
}

/// What lies under a key.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreEntry {
    /// The key.
    pub key: RVec<u8>,
    /// What lies there.
    pub value: Payload,
}

/// Bytes of a key of a store.
pub const STORE_KEY_BYTES_MAX: usize = 512;

/// Keeps bytes under ordered keys, on stable storage. The server calls `write` from one thread of its own at a time, so
/// these methods may block; reads may come beside it.
#[sabi_trait]
pub trait StoreV1: Send + Sync + 'static {
    /// Applies all changes as one transaction, in order, and returns only when they are on stable storage
    /// (`fdatasync` returned). On an error nothing of them is applied. [`Code::STORE_FULL`] means that the store goes on
    /// and the same call may succeed when there is space; any other error that it cannot go on before
    /// [`reopen`](StoreV1::reopen).
    fn write(&self, changes: RSlice<'_, StoreOp>) -> PResult<()>;
    /// Appends the value under a key to `out`, or nothing.
    fn get(&self, key: RSlice<'_, u8>, out: &mut RVec<StoreEntry>) -> PResult<()>;
    /// Appends entries from `from` up to, not including, `until` (empty for the end), in order: at most `entries_max`,
    /// and no further one once their values have `bytes_max` bytes.
    fn read(
        &self,
        from: RSlice<'_, u8>,
        until: RSlice<'_, u8>,
        entries_max: u32,
        bytes_max: u64,
        out: &mut RVec<StoreEntry>,
    ) -> PResult<()>;
    /// Closes what is open, opens it again and verifies it. On success everything that a `write` reported as done is
    /// there and the store takes changes again.
    #[sabi(last_prefix_field)]
    fn reopen(&self) -> PResult<()>;
}

/// An endpoint behind the boundary.
pub type EndpointBox = EndpointV1_TO<RBox<()>>;
/// A router behind the boundary.
pub type RouterBox = RouterV1_TO<RBox<()>>;
/// A protocol behind the boundary.
pub type ProtocolBox = ProtocolV1_TO<RBox<()>>;
/// An exporter behind the boundary.
pub type ExporterBox = ExporterV1_TO<RBox<()>>;
/// A store behind the boundary.
pub type StoreBox = StoreV1_TO<RBox<()>>;
