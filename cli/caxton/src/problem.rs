//! The server's refusals as it writes them: RFC 9457 problem documents, and the exit code that each stands for.

use std::time::Duration;

use serde_json::Value;

use crate::failure::Exit;

/// An `application/problem+json` document.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable code, as `CX0302`; empty when the answer carried none.
    pub code: String,
    /// The code's short name, as `unknown-receiver`.
    pub title: String,
    /// What happened, in one sentence.
    pub detail: String,
    /// What to do next; empty when the answer carried none.
    pub fix: String,
    /// After which time the server may be asked again; `None` when it named none.
    pub retry_after: Option<Duration>,
    /// The whole document, unchanged.
    pub document: Value,
}

impl Problem {
    /// Reads a problem from an error answer; a body that is not such a document becomes its detail.
    pub fn of(status: u16, body: &[u8]) -> Self {
        let parsed = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
        let document = parsed.unwrap_or_else(|| {
            let detail: String =
                String::from_utf8_lossy(body).trim().chars().take(DETAIL_CHARS_MAX).collect();
            serde_json::json!({"type": "about:blank", "title": "", "status": status, "detail": detail})
        });
        let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (code, title, detail, fix) = (text("code"), text("title"), text("detail"), text("fix"));
        let detail = match (detail.is_empty(), title.is_empty()) {
            (false, _) => detail,
            (true, false) => title.clone(),
            (true, true) => format!("the server answered with status {status}"),
        };
        let retry_after = document.get("retry-after-ms").and_then(Value::as_u64).map(Duration::from_millis);
        Self { status, code, title, detail, fix, retry_after, document }
    }

    /// The exit code: by the code where the status says too little, else by the status.
    pub fn exit(&self) -> Exit {
        let number = self.code.strip_prefix("CX").and_then(|digits| digits.parse::<u16>().ok());
        match (number, self.status) {
            // Versions of the plugin boundary or of the WIT world that do not fit.
            (Some(203 | 204 | 404 | 405), _) => Exit::Incompatible,
            // The configuration and the manifests that the user writes.
            (Some(101..=104 | 207 | 424), _) => Exit::Invalid,
            (Some(306), _) | (_, 408 | 504) => Exit::Timeout,
            (_, 401 | 403) => Exit::Denied,
            (_, 404) => Exit::NotFound,
            (_, 409) => Exit::Conflict,
            _ => Exit::Failure,
        }
    }
}

/// How much of a body that is not a problem document is repeated.
const DETAIL_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: &str, status: u16) -> Exit {
        Problem::of(status, serde_json::json!({ "code": code }).to_string().as_bytes()).exit()
    }

    #[test]
    fn exit_code_follows_the_code_and_then_the_status() {
        assert_eq!(exit("CX0421", 404), Exit::NotFound);
        assert_eq!(exit("CX0420", 409), Exit::Conflict);
        assert_eq!(exit("CX0406", 403), Exit::Denied);
        assert_eq!(exit("CX0604", 504), Exit::Timeout);
        assert_eq!(exit("CX0424", 400), Exit::Invalid);
        assert_eq!(exit("CX0404", 422), Exit::Incompatible);
        assert_eq!(exit("CX0301", 429), Exit::Failure);
    }

    #[test]
    fn answer_that_is_no_document_becomes_the_detail() {
        let problem = Problem::of(502, b"bad gateway\n");
        assert_eq!((problem.detail.as_str(), problem.code.as_str()), ("bad gateway", ""));
        assert_eq!(Problem::of(500, b"").detail, "the server answered with status 500");
    }
}
