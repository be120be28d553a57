//! The error that a plugin's author returns: a stable code, a message for the operator, detail for machines.

use caxton_abi::{
    Code,
    plugin::{PluginError, error_flags},
};
use serde_json::Value;

/// Why a plugin could not do what it was asked. Shown as `MESSAGE [CX0207]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    code: Code,
    message: String,
    retryable: bool,
    detail: Option<Value>,
}

impl Error {
    /// Makes an error. The message says what failed, on what, expected against found, and what to do.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: false, detail: None }
    }

    /// The answer to a verb that the plugin does not have.
    pub fn unknown_verb(verb: &str) -> Self {
        Self::new(Code::CONTROL_UNKNOWN_VERB, format!("no such operation: `{verb}`"))
    }

    /// Says that the same call may succeed later.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// Adds detail for machines; a JSON object.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.detail = Some(detail);
        self
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Its message, without the code.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// True when the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// Its detail.
    pub fn detail(&self) -> Option<&Value> {
        self.detail.as_ref()
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for Error {}

/// The code's meaning becomes the message.
impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code, code.entry().map_or("unknown error", |entry| entry.meaning))
    }
}

/// A failure of the plugin's own input and output.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(Code::INTERNAL, error.to_string())
    }
}

/// A document that is not what the operation expects.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Code::CONTROL_REQUEST_INVALID, error.to_string())
    }
}

/// A text that is no message: says the place, the fault and what to do.
impl From<caxton_acl::Error> for Error {
    fn from(error: caxton_acl::Error) -> Self {
        Self::new(Code(error.code()), error.to_string())
    }
}

impl From<PluginError> for Error {
    fn from(error: PluginError) -> Self {
        Self {
            code: error.code,
            retryable: error.flags & error_flags::RETRYABLE != 0,
            detail: serde_json::from_str(&error.detail).ok(),
            message: error.message.into(),
        }
    }
}

impl From<Error> for PluginError {
    fn from(error: Error) -> Self {
        let mut flags = 0;
        if error.retryable {
            flags |= error_flags::RETRYABLE;
        }
        if error.code == Code::PLUGIN_PANICKED {
            flags |= error_flags::PANICKED | error_flags::FATAL;
        }
        let detail = error.detail.map(|detail| detail.to_string()).unwrap_or_default();
        Self { code: error.code, flags, message: error.message.into(), detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crosses_the_boundary_and_comes_back_the_same() {
        let error =
            Error::new(Code::MAILBOX_FULL, "full").retryable().with_detail(serde_json::json!({"depth": 3}));
        assert_eq!(Error::from(PluginError::from(error.clone())), error);
    }

    #[test]
    fn a_panic_is_flagged_for_the_server() {
        let crossed = PluginError::from(Error::new(Code::PLUGIN_PANICKED, "boom"));
        assert_eq!(crossed.flags, error_flags::PANICKED | error_flags::FATAL);
    }

    #[test]
    fn shows_its_code() {
        assert_eq!(Error::new(Code(207), "no").to_string(), "no [CX0207]");
    }
}
