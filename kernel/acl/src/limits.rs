//! Every bound of the message model, with its unit and its reason, in one place.
//!
//! The codecs enforce them while they read, so a hostile text costs no more than its own length. A server may set
//! tighter bounds of its own; it cannot set wider ones at the text edges.

/// Bytes of content after decoding: 4 MiB, above which a reference should be sent.
pub const CONTENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Receivers of one message; larger audiences are groups.
pub const RECEIVERS_MAX: usize = 256;
/// Agents in `reply-to`; each of them gets every reply.
pub const REPLY_TO_MAX: usize = 64;
/// User parameters of one message.
pub const PARAMS_MAX: usize = 64;
/// Bytes of the value of one user parameter; more belongs into the content.
pub const PARAM_BYTES_MAX: usize = 8 * 1024;
/// Bytes of the name of one user parameter, the `X-` included.
pub const PARAM_NAME_BYTES_MAX: usize = 128;
/// Bytes of language, encoding, ontology, protocol, conversation-id, reply-with and in-reply-to, each.
pub const TOKEN_BYTES_MAX: usize = 1024;
/// Bytes of an agent's name, `@` and platform included.
pub const NAME_BYTES_MAX: usize = 255;
/// Transport addresses of one agent identifier.
pub const ADDRESSES_MAX: usize = 16;
/// Bytes of one transport address, the length that common HTTP servers accept for a URL.
pub const ADDRESS_BYTES_MAX: usize = 2048;
/// Resolvers that one agent identifier names directly.
pub const RESOLVERS_MAX: usize = 16;
/// Levels of resolvers of resolvers; real platforms use one.
pub const RESOLVER_DEPTH_MAX: usize = 8;
/// Levels of parentheses in an SC00070 expression, and of arrays and objects in JSON.
pub const NESTING_MAX: usize = 64;
/// Keys of one JSON object: the parameters of a message, its user parameters, and room for a misspelt one.
pub const JSON_KEYS_MAX: usize = 16 + PARAMS_MAX;
/// Characters of a hostile text that an error repeats.
pub const SHOWN_CHARS_MAX: usize = 48;
/// Characters of a field's path that an error repeats: enough for a name below the deepest resolver.
pub const PATH_CHARS_MAX: usize = 160;
/// Entries of a JSON list that are kept: one more than any list may have, so that the excess is seen.
pub const JSON_LIST_MAX: usize = RECEIVERS_MAX + 1;
