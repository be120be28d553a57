//! When a refused caller may try again: one table for every transport and every refusal that passes by itself.
//!
//! The same table stands in `docs/reference/control.md`.

use caxton_abi::Code;

/// A queue or table is full: it drains within a turn or a few.
const FULL_SECONDS: u64 = 1;
/// A process, a plugin or a store begins again: seconds, not milliseconds.
const RESTART_SECONDS: u64 = 5;
/// A disk is full or a store is missing: somebody has to do something, so asking often is of no use.
const OPERATOR_SECONDS: u64 = 10;
/// A table that only shrinks when something is removed, or not before the next start.
const REMOVAL_SECONDS: u64 = 60;

/// Seconds after which a caller who got this code with this HTTP status may try again; `None` where trying again as it is
/// can not help.
pub fn after_seconds(code: Code, http_status: u16) -> Option<u64> {
    match code {
        Code::MAILBOX_FULL
        | Code::RETRIES_FULL
        | Code::STORING
        | Code::PENDING_FULL
        | Code::TOO_MANY_WAITING => Some(FULL_SECONDS),
        Code::STORE_FAILED | Code::SHUTTING_DOWN | Code::PLUGIN_UNAVAILABLE => Some(RESTART_SECONDS),
        Code::STORE_FULL | Code::DURABLE_UNAVAILABLE => Some(OPERATOR_SECONDS),
        Code::NAMES_EXHAUSTED | Code::SYMBOLS_EXHAUSTED | Code::AGENT_LIMIT | Code::PLUGIN_GENERATIONS => {
            Some(REMOVAL_SECONDS)
        }
        _ if matches!(http_status, 429 | 503) => Some(FULL_SECONDS),
        _ => None,
    }
}
