//! Every bound of the kernel in one place, with its unit and its reason.
//!
//! The host fills it from the configuration; nothing in the core grows beyond what stands here.

/// The bounds. A value is the largest that is still allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message's content. A whole text of several megabytes passes; a reference is better for more.
    pub content_bytes_max: usize,
    /// Receivers that one message names. More belong into a group.
    pub receivers_max: usize,
    /// Forwardings of one message, so that a loop of routes ends.
    pub hop_max: u8,
    /// Messages in one mailbox, also in the queue of one endpoint's address.
    pub mailbox_messages_max: usize,
    /// Bytes of content in one mailbox.
    pub mailbox_bytes_max: usize,
    /// Extra places in a mailbox for messages of the platform, so that a failure is not lost to a full mailbox.
    pub mailbox_platform_extra: usize,
    /// Messages that one turn takes: one guest call is spread over them.
    pub turn_messages_max: usize,
    /// Average length of an agent's last turns in nanoseconds up to which it runs on a lent thread.
    pub lent_turn_ns_max: u64,
    /// Bytes of content that one turn takes; one larger message still goes alone.
    pub turn_bytes_max: usize,
    /// Messages that one turn stages.
    pub outbox_messages_max: usize,
    /// Bytes of content that one turn stages: what the bus may have to hold at once for it.
    pub outbox_bytes_max: usize,
    /// Bytes of one agent's key-value state, keys and values.
    pub state_bytes_max: usize,
    /// Timers that one agent has set.
    pub timers_per_agent_max: usize,
    /// Timers that one protocol port has set: a few for each conversation that it follows.
    pub timers_per_protocol_max: usize,
    /// Log lines that one turn writes.
    pub log_lines_max: usize,
    /// Agents, also failed ones.
    pub agents_max: usize,
    /// Names known at once. Unused ones are forgotten when the table is full.
    pub names_max: usize,
    /// Protocol, ontology, language and encoding names. They are never forgotten.
    pub symbols_max: usize,
    /// Bytes of one symbol's text.
    pub symbol_bytes_max: usize,
    /// Messages that wait for an address to be resolved, over all addresses.
    pub pending_messages_max: usize,
    /// Bytes of content of the messages that wait for addresses.
    pub pending_bytes_max: usize,
    /// Milliseconds that an address waits to be resolved: a router answers in microseconds, a restarted one in seconds.
    pub pending_ms_max: u64,
    /// Messages that wait while a protocol is exchanged: a second of a busy server.
    pub held_messages_max: usize,
    /// Copies that one message becomes by routes.
    pub route_copies_max: usize,
    /// Dead letters that are kept to be looked at; older ones are forgotten and stay counted.
    pub dead_letters_max: usize,
    /// Bytes of content of the dead letters that are kept.
    pub dead_letter_bytes_max: usize,
    /// Milliseconds that an acked message is tried again when it names no reply-by: longer than a restart or a reload.
    pub acked_ms_max: u64,
    /// Acked messages that wait to be tried again, over all receivers.
    pub retries_messages_max: usize,
    /// Bytes of content of these.
    pub retries_bytes_max: usize,
    /// Hand-outs of one durable message; what outlives the server so often is not handed out again.
    pub deliveries_max: u8,
    /// Message ids of senders that are remembered to know duplicates: some minutes at a thousand a second.
    pub duplicates_max: usize,
    /// Signals in one ring between two drains.
    pub signals_ring_max: usize,
    /// New instances that an agent gets within [`Limits::restart_window_ms`] before it is given up.
    pub restarts_max: u32,
    /// Milliseconds of the window for [`Limits::restarts_max`].
    pub restart_window_ms: u64,
    /// Milliseconds before the second new instance of a streak; it doubles with each further one.
    pub restart_backoff_ms: u64,
    /// The longest wait for a new instance, milliseconds.
    pub restart_backoff_ms_max: u64,
    /// Bytes by which an agent's memory may grow after its `init` before it gets a fresh instance: a quarter of what it
    /// may have by default. Half of what it can grow by counts where that is less.
    pub recycle_memory_bytes: u64,
    /// Versions of one agent that live beside each other: the one that serves, one that comes in, and some that drain.
    pub versions_per_agent_max: usize,
    /// Conversations that a version of an agent remembers, so that they stay with it when another one comes in.
    pub conversations_per_agent_max: usize,
    /// Closed conversations that are remembered over all agents, so that an upgrade does not wait for them.
    pub conversations_closed_max: usize,
    /// Milliseconds without a message after which a conversation that no protocol watches is over.
    pub settle_ms: u64,
    /// Signals in a second up to which every conversation is traced; beyond it only some are, each as a whole.
    pub signals_per_second_max: u64,
    /// Milliseconds that a replaced version of an agent has to finish its conversations.
    pub upgrade_drain_ms: u64,
    /// Conversations that the conversation log keeps.
    pub conversations_max: usize,
    /// Entries that the log keeps of one conversation.
    pub conversation_events_max: usize,
    /// Entries that the log keeps in all: some hundred megabytes at most.
    pub conversation_log_entries_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            content_bytes_max: 16 << 20,
            receivers_max: 256,
            hop_max: 32,
            mailbox_messages_max: 1024,
            mailbox_bytes_max: 64 << 20,
            mailbox_platform_extra: 64,
            turn_messages_max: 64,
            lent_turn_ns_max: 200_000,
            turn_bytes_max: 1 << 20,
            outbox_messages_max: 4096,
            outbox_bytes_max: 64 << 20,
            state_bytes_max: 4 << 20,
            timers_per_agent_max: 1024,
            timers_per_protocol_max: 262_144,
            log_lines_max: 256,
            agents_max: 16_384,
            names_max: 1_048_576,
            symbols_max: 65_536,
            symbol_bytes_max: 1024,
            pending_messages_max: 65_536,
            pending_bytes_max: 64 << 20,
            pending_ms_max: 5_000,
            held_messages_max: 65_536,
            route_copies_max: 16_384,
            dead_letters_max: 4_096,
            dead_letter_bytes_max: 64 << 20,
            acked_ms_max: 30_000,
            retries_messages_max: 16_384,
            retries_bytes_max: 64 << 20,
            deliveries_max: 5,
            duplicates_max: 262_144,
            signals_ring_max: 65_536,
            restarts_max: 5,
            restart_window_ms: 10_000,
            restart_backoff_ms: 10,
            restart_backoff_ms_max: 5_000,
            recycle_memory_bytes: 32 << 20,
            versions_per_agent_max: 8,
            conversations_per_agent_max: 1_024,
            conversations_closed_max: 65_536,
            settle_ms: 5_000,
            signals_per_second_max: 50_000,
            upgrade_drain_ms: 60_000,
            conversations_max: 4_096,
            conversation_events_max: 2_048,
            conversation_log_entries_max: 262_144,
        }
    }
}
