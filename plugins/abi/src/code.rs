//! Every refusal's code, in one closed list: number, slug, what it means, what to do next.
//!
//! The same code appears in a sender's refusal, a failure's content, a problem document, a log field and the CLI.
//! Numbers are never reused. Ranges: 01 configuration, 02 plugins, 03 messages, 04 components and agents,
//! 05 interaction protocols, 06 control, 09 the server itself.

use abi_stable::StableAbi;

/// A stable error code, shown as `CX0301`; zero means no error.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

/// What is known of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// Short name in kebab case, stable, for machines: `mailbox-full`.
    pub slug: &'static str,
    /// What it means, one sentence without a full stop.
    pub meaning: &'static str,
    /// What to do next, one sentence without a full stop.
    pub fix: &'static str,
    /// The HTTP status that an edge answers with (RFC 9110).
    pub http_status: u16,
}

macro_rules! codes {
    ($($name:ident = $number:literal, $slug:literal, $status:literal, $meaning:literal, $fix:literal;)*) => {
        impl Code {
            $(#[doc = $meaning] pub const $name: Code = Code($number);)*
        }
        /// Every code, ascending.
        pub const ALL: &[Entry] = &[
            $(Entry { code: Code($number), slug: $slug, meaning: $meaning, fix: $fix, http_status: $status },)*
        ];
    };
}

codes! {
    CONFIG_SYNTAX = 101, "config-syntax", 400, "the configuration is not valid TOML", "correct the file at the place shown";
    CONFIG_INVALID = 102, "config-invalid", 400, "a configuration key is unknown or its value has the wrong type", "correct the key at the place shown";
    CONFIG_UNREADABLE = 103, "config-unreadable", 400, "a configured file cannot be read", "check the path and its permissions";
    CONFIG_CONFLICT = 104, "config-conflict", 400, "two parts of the configuration contradict each other", "remove one of the two";
    CONFIG_NOT_RELOADABLE = 105, "config-not-reloadable", 409, "a key was changed that a running server cannot change", "restart the server, or put the old value back";

    PLUGIN_NOT_A_LIBRARY = 201, "plugin-not-a-library", 422, "the file is not a shared library for this machine", "point `library` at a plugin built for this platform";
    PLUGIN_NO_HANDSHAKE = 202, "plugin-no-handshake", 422, "the library carries no Caxton handshake, so it is not a plugin", "point `library` at a library built with the plugin SDK";
    PLUGIN_ABI_MISMATCH = 203, "plugin-abi-mismatch", 422, "the plugin speaks another version of the plugin boundary", "install a plugin built for this server, or a server built for this plugin";
    PLUGIN_LAYOUT_MISMATCH = 204, "plugin-layout-mismatch", 422, "the plugin's types have another layout than the server's", "rebuild the plugin against this server's SDK";
    PLUGIN_DIGEST_MISMATCH = 205, "plugin-digest-mismatch", 422, "the file's SHA-256 is not the one configured", "install the expected file, or update `digest`";
    PLUGIN_LOAD_FAILED = 206, "plugin-load-failed", 422, "the dynamic loader refused the library", "install what the loader names, or rebuild the plugin";
    PLUGIN_CONFIG_INVALID = 207, "plugin-config-invalid", 400, "the plugin refused its configuration", "correct the key named in the plugin's table";
    PLUGIN_CREATE_FAILED = 208, "plugin-create-failed", 500, "the plugin could not be created", "see the plugin's message";
    PLUGIN_START_FAILED = 209, "plugin-start-failed", 500, "the plugin could not start", "see the plugin's message";
    PLUGIN_PANICKED = 210, "plugin-panicked", 500, "the plugin panicked and is not called any more", "report it to the plugin's author with the message";
    PLUGIN_TIMED_OUT = 211, "plugin-timed-out", 504, "the plugin did not finish within its deadline", "raise the deadline, or report it to the plugin's author";
    PLUGIN_PANIC_ABORT = 212, "plugin-panic-abort", 422, "the plugin was built with panic=abort, so a panic in it would end the server", "rebuild it with panic = \"unwind\"";
    PLUGIN_NOT_FOUND = 213, "plugin-not-found", 404, "no plugin of that name is configured", "list them with `caxton get plugins`";
    PLUGIN_UNAVAILABLE = 214, "plugin-unavailable", 503, "the plugin that serves this is not running", "see `caxton describe plugin NAME`";
    PLUGIN_SNAPSHOT_REFUSED = 215, "plugin-snapshot-refused", 409, "the new version does not take over the old one's conversations, so the old one stays", "install a version that reads this snapshot, or reload when no conversation is open";
    PLUGIN_GENERATIONS = 216, "plugin-generations", 429, "as many versions of the plugin's library were loaded as one process may hold", "restart the server";
    PLUGIN_BUSY = 217, "plugin-busy", 409, "the plugin is being reloaded or restarted", "try again when it runs";

    MESSAGE_MALFORMED = 300, "message-malformed", 400, "the message could not be read", "correct it at the place shown";
    MAILBOX_FULL = 301, "mailbox-full", 429, "the receiver's mailbox is full", "send again later, or more slowly";
    UNKNOWN_RECEIVER = 302, "unknown-receiver", 404, "nobody answers to the receiver's name", "check the name with `caxton get agents`";
    NO_RECEIVER = 303, "no-receiver", 400, "the message names no receiver", "set `receiver`";
    TOO_MANY_RECEIVERS = 304, "too-many-receivers", 400, "the message names more receivers than the limit", "send to a group, or in parts";
    CONTENT_TOO_LARGE = 305, "content-too-large", 413, "the content is larger than the limit", "send a reference instead, or raise `limits.content_bytes_max`";
    EXPIRED = 306, "expired", 410, "the message's reply-by passed before it was delivered", "allow more time";
    HOP_LIMIT = 307, "hop-limit", 400, "the message was forwarded more often than the limit", "look for a loop between the agents named";
    UNKNOWN_PERFORMATIVE = 308, "unknown-performative", 400, "the communicative act is not one of the 22 of FIPA SC00037", "use the act named as nearest";
    NAMES_EXHAUSTED = 309, "names-exhausted", 429, "the table of names is full", "remove agents, or raise `limits.names_max`";
    PENDING_FULL = 310, "pending-full", 429, "too many messages wait for an address to be resolved", "send again later";
    AGENT_STOPPED = 311, "agent-stopped", 409, "the receiver is draining or stopped", "deploy it again, or send to another";
    REFUSED_BY_ENDPOINT = 312, "refused-by-endpoint", 422, "the endpoint that owns the address refused the message", "see the endpoint's reason";
    POISON = 313, "poison", 422, "the message trapped its receiver twice", "see the trap in the log of the agent";
    SENDER_FORGED = 314, "sender-forged", 403, "the message claims a sender that is not its own", "leave `sender` out";
    OUTBOX_FULL = 315, "outbox-full", 429, "the turn staged more messages than the limit", "send fewer messages per turn";
    HANDLER_FAULT = 316, "handler-fault", 422, "the agent returned a fault for the message", "see the fault's code and detail";
    SYMBOLS_EXHAUSTED = 317, "symbols-exhausted", 429, "the table of symbols is full", "use fewer different protocol, ontology and language names";
    REPLY_BY_INVALID = 318, "reply-by-invalid", 400, "reply-by is not a date and time", "use RFC 3339, FIPA DateTime, or a relative time such as +2s";
    NAME_INVALID = 319, "name-invalid", 400, "the name has a character that agent names cannot have, or is too long", "use 1 to 255 characters without spaces, controls and parentheses";
    DUPLICATE = 320, "duplicate", 200, "the message was accepted before and is not delivered twice", "nothing to do";
    ID_CONFLICT = 321, "id-conflict", 409, "another message of this sender has the same id and different contents", "give each message its own id, or leave `id` out";
    CLASS_UNKNOWN = 322, "class-unknown", 400, "the delivery class is not volatile, acked or durable", "use one of the three, or leave it out for volatile";
    DURABLE_UNAVAILABLE = 323, "durable-unavailable", 503, "durable messages are not taken, because no store is running", "configure a store plugin, or see why it failed with `caxton get plugins`";
    STORE_FULL = 324, "store-full", 507, "the store's disk is full", "free space and send again: the store recovers by itself";
    STORE_FAILED = 325, "store-failed", 503, "the store could not write and refuses until it was opened again and verified", "see the store's state with `caxton describe plugin NAME`";
    DELIVERIES_EXCEEDED = 326, "deliveries-exceeded", 422, "the message was handed out as often as allowed and no turn with it committed", "see the agent's log, then requeue it";
    STORING = 327, "storing", 429, "a message with this id is being stored", "send it again in a moment to learn what became of it";
    RETRIES_FULL = 328, "retries-full", 429, "too many messages wait to be tried again", "send again later";
    CLASS_NEEDS_WAIT = 329, "class-needs-wait", 400, "this call answers at once, and a durable message is accepted only when it is on disk", "submit it with the call that waits";
    STORE_DAMAGED = 330, "store-damaged", 500, "a record of the store cannot be read", "restore the store from a copy, or have such records put aside with `server.recover`";
    STORE_VERSION = 331, "store-version", 500, "the store was written in a format that this server does not read", "start the version of the server that wrote it";

    COMPONENT_NOT_WASM = 401, "component-not-wasm", 422, "the file is not WebAssembly", "build the agent as a component";
    COMPONENT_CORE_MODULE = 402, "component-core-module", 422, "the file is a core module, not a component", "build for wasm32-wasip2, or wrap it with `wasm-tools component new`";
    COMPONENT_INVALID = 403, "component-invalid", 422, "the component does not validate", "rebuild it with a current toolchain";
    COMPONENT_WRONG_WORLD = 404, "component-wrong-world", 422, "the component does not export what the world `caxton:agent/agent` asks for", "export the interface named, in the version named";
    COMPONENT_IMPORT_UNKNOWN = 405, "component-import-unknown", 422, "the component imports something that this server does not provide", "remove the import, or load the plugin that provides it";
    COMPONENT_IMPORT_DENIED = 406, "component-import-denied", 403, "the component imports something that it was not granted", "add the grant to the agent's manifest, or remove the import";
    COMPONENT_TOO_LARGE = 407, "component-too-large", 413, "the component is larger than the limit", "strip it, or raise `limits.component_bytes_max`";
    COMPONENT_TOO_COMPLEX = 408, "component-too-complex", 422, "the component's structure exceeds a limit", "split the function named, or raise the limit named";
    COMPONENT_COMPILE_LIMIT = 409, "component-compile-limit", 422, "compiling the component took more time or memory than allowed", "make it smaller, or raise `limits.compile_seconds_max`";
    COMPONENT_UNKNOWN = 410, "component-unknown", 404, "no component of that digest is stored", "upload it first";
    PACKAGE_INVALID = 411, "package-invalid", 422, "the manifest inside of the component is not valid", "correct the key named and pack the component again";
    PACKAGE_WIDENED = 412, "package-widened", 403, "the manifest asks for more than the component's package allows", "ask for what the package names, or pack the component with more";
    TOOL_MISSING = 413, "tool-missing", 422, "a program that builds agents is not on this machine", "install the program named, or build on another machine";
    BUILD_FAILED = 414, "build-failed", 422, "the component could not be built from its sources", "correct what the compiler says and build again";
    AGENT_EXISTS = 420, "agent-exists", 409, "an agent of that name exists", "choose another name, or delete it first";
    AGENT_NOT_FOUND = 421, "agent-not-found", 404, "no agent of that name exists", "list them with `caxton get agents`";
    AGENT_INIT_FAILED = 422, "agent-init-failed", 422, "the agent's init failed", "see the reason given";
    AGENT_LIMIT = 423, "agent-limit", 429, "the server holds as many agents as it may", "delete some, or raise `limits.agents_max`";
    AGENT_MANIFEST_INVALID = 424, "agent-manifest-invalid", 400, "the agent's manifest is not valid", "correct the key named";
    AGENT_FAILED = 425, "agent-failed", 409, "the agent failed too often and was stopped", "see `caxton describe agent NAME`, then deploy it again";
    UPGRADE_RUNNING = 426, "upgrade-running", 409, "another version of the agent is being brought in", "promote it or roll it back first";
    NO_PREVIOUS_VERSION = 427, "no-previous-version", 409, "the agent has no version to go back to", "deploy the version that you want";
    NO_CANARY = 428, "no-canary", 409, "the agent has no canary to promote", "deploy one with `--canary PERCENT`";
    TRAP_DEADLINE = 430, "trap-deadline", 422, "the agent used up the time of its turn", "do less in one turn, or raise `limits.turn_ms_max`";
    TRAP_MEMORY = 431, "trap-memory", 422, "the agent reached its memory limit", "use less memory, or raise `limits.memory_bytes_max`";
    TRAP_STACK = 432, "trap-stack", 422, "the agent's call stack overflowed", "recurse less deeply";
    TRAP_UNREACHABLE = 433, "trap-unreachable", 422, "the agent panicked or aborted", "see the frames in its log";
    TRAP_OTHER = 434, "trap-other", 422, "the agent trapped", "see the frames in its log";
    TRAP_DENIED = 435, "trap-denied", 403, "the agent called something that its sandbox denies", "use messages, timers and state instead";

    BID_LATE = 501, "late", 409, "the proposal came after the call's reply-by", "answer sooner";
    BID_EXPIRED = 502, "bid-expired", 409, "the proposal's validity passed before it was accepted", "decide sooner";
    AGENT_LOST = 503, "agent-lost", 502, "the agent that made the commitment trapped or was removed", "accept the next best proposal, or call again";
    UNEXPECTED_ACT = 504, "unexpected-act", 409, "the act does not fit the state of the conversation", "follow the protocol's order";
    NOT_A_ROLE = 505, "not-a-role", 409, "the act belongs to the other role of the protocol", "let the right agent send it";
    NO_DECISION = 506, "no-decision", 408, "the initiator decided nothing in time, so all proposals are rejected", "decide within the decision timeout";
    ALREADY_DONE = 507, "already-done", 409, "the result crossed the cancellation, and the result wins", "use the result";
    NO_REPLY = 508, "no-reply", 408, "no answer came by reply-by", "allow more time, or ask others";
    RESULT_OVERDUE = 509, "result-overdue", 408, "the result did not come by the acceptance's reply-by", "wait for the late result, or call again";
    CONVERSATION_EXISTS = 510, "conversation-exists", 409, "the conversation-id is in use", "let the server mint one";
    CONVERSATION_CLOSED = 511, "conversation-closed", 409, "the conversation is closed", "start a new one";
    CONVERSATION_UNKNOWN = 512, "conversation-unknown", 404, "no conversation of that id is known", "list them with `caxton get conversations`";
    CONVERSATION_LIMIT = 513, "conversation-limit", 429, "the protocol plugin follows as many conversations as it may", "finish some, or raise `conversations_max`";
    REJECTED_UNDECIDED = 514, "not-selected", 409, "another proposal was accepted and the initiator left this one unanswered", "nothing to do";

    CONTROL_UNKNOWN_VERB = 601, "control-unknown-verb", 404, "no such control operation", "use one of the operations listed";
    CONTROL_REQUEST_INVALID = 602, "control-request-invalid", 400, "the request's document is not valid", "correct the key named";
    NOT_FOUND = 603, "not-found", 404, "there is nothing of that kind and name", "check the kind and the name";
    REPLY_TIMEOUT = 604, "reply-timeout", 504, "no answer came in time", "allow more time, or look at the conversation";
    METHOD_NOT_ALLOWED = 605, "method-not-allowed", 405, "the resource does not take this method", "use one of the methods in Allow";
    MEDIA_TYPE = 606, "media-type", 415, "the body's media type is not supported", "send the media type named";
    BODY_TOO_LARGE = 607, "body-too-large", 413, "the body is larger than the limit", "send less, or raise the limit named";
    TOO_MANY_WAITING = 608, "too-many-waiting", 429, "too many callers wait for answers", "try again later";

    JOB_UNKNOWN = 609, "job-unknown", 404, "no job of that id is known, or its results were kept as long as they had to be", "list them with `caxton get jobs`";
    JOB_OVER = 610, "job-over", 409, "the job has ended", "resume it, or create another";
    JOBS_FULL = 611, "jobs-full", 429, "as many jobs or items are kept as may be", "delete jobs that are over, or try again later";
    ATTACHMENT_UNKNOWN = 612, "attachment-unknown", 404, "no agent is attached under that id: it left, or did not ask in time", "attach it again";
    ATTACHMENT_LOST = 613, "attachment-lost", 502, "the agent outside of the server did not ask for its messages in time", "attach it again, and ask more often than its lease";
    CANCELLED = 614, "cancelled", 409, "it was cancelled before it was done", "resume it, or ask again";

    HOST_LIMIT = 901, "host-limit", 503, "the operating system's limits do not allow what is configured", "set what the message names";
    INTERNAL = 902, "internal", 500, "the server met a state that it does not expect", "report it with the trace id";
    SHUTTING_DOWN = 903, "shutting-down", 503, "the server stops before the answer came", "ask the next instance, or this one when it runs again";
}

impl Code {
    /// No error.
    pub const NONE: Code = Code(0);

    /// The list's entry; `None` for zero and for codes of a newer minor.
    pub fn entry(self) -> Option<&'static Entry> {
        ALL.binary_search_by_key(&self, |entry| entry.code).ok().and_then(|index| ALL.get(index))
    }

    /// The code's short name; `unknown` when it is not in the list.
    pub fn slug(self) -> &'static str {
        self.entry().map_or("unknown", |entry| entry.slug)
    }

    /// True for zero.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Shows `CX0301`.
impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CX{:04}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_ascending_and_has_no_slug_twice() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
        let mut slugs: Vec<_> = ALL.iter().map(|entry| entry.slug).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), ALL.len());
    }
}
