//! When a refused caller may try again: the seconds of `Retry-After`, one table for every refusal that passes by itself.
//!
//! The same table stands in `docs/reference/control.md`.

use axum::http::StatusCode;
use caxton_plugin::Code;

/// A queue or table is full: it drains within a turn or a few.
const FULL_SECONDS: u64 = 1;
/// A process, a plugin or a store begins again: seconds, not milliseconds.
const RESTART_SECONDS: u64 = 5;
/// A disk is full or a store is missing: somebody has to do something, so asking often is of no use.
const OPERATOR_SECONDS: u64 = 10;
/// A table that only shrinks when something is removed, or not before the next start.
const REMOVAL_SECONDS: u64 = 60;

/// Seconds after which a caller who got this code with this status may try again; `None` where trying again as it is
/// can not help.
pub(crate) fn after_seconds(code: Code, status: StatusCode) -> Option<u64> {
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
        _ if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
            Some(FULL_SECONDS)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: Code) -> (u16, Option<u64>) {
        let status = StatusCode::from_u16(code.entry().unwrap().http_status).unwrap();
        (status.as_u16(), after_seconds(code, status))
    }

    #[test]
    fn every_refusal_of_a_message_that_passes_by_itself_says_when() {
        for (code, expected) in [
            (Code::MAILBOX_FULL, (429, Some(1))),
            (Code::RETRIES_FULL, (429, Some(1))),
            (Code::STORING, (429, Some(1))),
            (Code::PENDING_FULL, (429, Some(1))),
            (Code::TOO_MANY_WAITING, (429, Some(1))),
            (Code::STORE_FAILED, (503, Some(5))),
            (Code::SHUTTING_DOWN, (503, Some(5))),
            (Code::PLUGIN_UNAVAILABLE, (503, Some(5))),
            (Code::DURABLE_UNAVAILABLE, (503, Some(10))),
            (Code::STORE_FULL, (507, Some(10))),
            (Code::ID_CONFLICT, (409, None)),
            (Code::UNKNOWN_RECEIVER, (404, None)),
        ] {
            assert_eq!(of(code), expected, "{code}");
        }
    }
}
