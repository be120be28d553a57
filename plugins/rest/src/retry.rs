//! When a refused caller may try again: the seconds of `Retry-After`, see [`caxton_plugin::retry`].

use axum::http::StatusCode;
use caxton_plugin::Code;

/// Seconds after which a caller who got this code with this status may try again; `None` where trying again as it is
/// can not help.
pub(crate) fn after_seconds(code: Code, status: StatusCode) -> Option<u64> {
    caxton_plugin::retry::after_seconds(code, status.as_u16())
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
