//! Why a command failed: what, why, what to do next, and the exit code.
//!
//! ```text
//! error: cannot ask `ecko` [CX0302]
//!   why: nobody answers to `ecko@caxton`
//!   fix: check the name with `caxton get agents`
//! ```

use std::fmt;

use serde_json::{Value, json};

use crate::{client, problem::Problem, text::safe};

/// How much of an agent's answer an error repeats.
const CONTENT_CHARS_MAX: usize = 200;

/// The exit codes other than 0; 130 is what a shell reports after SIGINT.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Something failed that has no code of its own.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A configuration or a manifest is not valid.
    Invalid = 3,
    /// The server cannot be reached.
    Unreachable = 4,
    /// There is nothing of that name.
    NotFound = 5,
    /// It exists already, or its state does not allow it.
    Conflict = 6,
    /// Not permitted.
    Denied = 7,
    /// Not in time.
    Timeout = 8,
    /// A test failed, or a critical finding.
    Failed = 9,
    /// Versions that do not fit.
    Incompatible = 10,
}

/// A failed command.
#[derive(Debug)]
pub enum Failure {
    /// Something to tell.
    Report(Box<Report>),
    /// The reader of stdout went away, as in `caxton get agents | head -1`: nothing to tell, and no error.
    StdoutClosed,
}

/// What is told of a failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The exit code.
    pub exit: Exit,
    /// What failed, on what.
    pub what: String,
    /// The stable code such as `CX0302`; empty where there is none.
    pub code: String,
    /// The cause; empty where `what` says it all.
    pub why: String,
    /// What to do next; empty where nothing can be said.
    pub fix: String,
    /// The conversation that it happened in; empty where there is none.
    pub conversation: String,
    /// The server's problem document, where it came from one.
    pub document: Option<Value>,
}

impl Failure {
    /// A failure that arose here and not in the server.
    pub fn new(exit: Exit, what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        let (what, why, fix) = (what.into(), why.into(), fix.into());
        let (code, conversation) = (String::new(), String::new());
        Self::Report(Box::new(Report { exit, what, code, why, fix, conversation, document: None }))
    }

    /// The same with a stable code.
    #[must_use]
    pub fn coded(mut self, code: &str) -> Self {
        if let Self::Report(report) = &mut self {
            code.clone_into(&mut report.code);
        }
        self
    }

    /// The same with other words for what was done: "cannot read the results of job `7`".
    #[must_use]
    pub fn during(mut self, doing: &str) -> Self {
        if let Self::Report(report) = &mut self
            && report.what == "cannot ask the server"
        {
            report.what = format!("cannot {doing}");
        }
        self
    }

    /// A failed call of the server, while `doing` something such as "ask `echo`".
    pub fn of(doing: &str, error: client::Error) -> Self {
        let what = format!("cannot {doing}");
        let why = error.to_string();
        match error {
            client::Error::Problem(problem) => Self::refused(what, *problem),
            client::Error::Address { .. } => {
                Self::new(Exit::Usage, what, why, "pass `--server http://HOST:PORT` or set CAXTON_SERVER")
            }
            client::Error::Unreachable { .. } => Self::new(
                Exit::Unreachable,
                what,
                why,
                "start one with `caxton serve -f caxton.toml`, or pass `--server URL` or set CAXTON_SERVER",
            ),
            client::Error::BrokenOff { .. } => Self::new(
                Exit::Failure,
                what,
                why,
                "the server may be stopping, or the content is larger than it takes: see `caxton status`",
            ),
            client::Error::Request { .. } => {
                Self::new(Exit::Usage, what, why, "write names and parameters in printable ASCII")
            }
            client::Error::Timeout { .. } => {
                Self::new(Exit::Timeout, what, why, "allow more time, or look at it with `caxton status`")
            }
            client::Error::Contract { .. } => Self::new(
                Exit::Failure,
                what,
                why,
                "check that the address is a Caxton server's and compare `caxton version`",
            ),
        }
    }

    /// What the server refused, with what an agent said where one answered.
    fn refused(what: String, problem: Problem) -> Self {
        let member = |key: &str| problem.document.get(key).and_then(Value::as_str).unwrap_or_default();
        let content: String = member("content").chars().take(CONTENT_CHARS_MAX).collect();
        let why = if content.is_empty() {
            problem.detail.clone()
        } else {
            format!("{}: {content}", problem.detail)
        };
        let conversation = member("conversation-id").to_owned();
        let exit = problem.exit();
        let Problem { code, fix, document, .. } = problem;
        Self::Report(Box::new(Report { exit, what, code, why, fix, conversation, document: Some(document) }))
    }

    /// The exit code of the process.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Report(report) => report.exit as u8,
            Self::StdoutClosed => 0,
        }
    }
}

/// A failed call where nothing better is known of what was done.
impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        Self::of("ask the server", error)
    }
}

/// Makes the failure of a call of the server: `client.get(..).map_err(cannot("list agents"))`.
pub fn cannot(doing: impl Into<String>) -> impl FnOnce(client::Error) -> Failure {
    let doing = doing.into();
    move |error| Failure::of(&doing, error)
}

/// Writing to stdout failed.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::StdoutClosed;
        }
        Self::new(Exit::Failure, "cannot write to stdout", error.to_string(), "")
    }
}

impl Report {
    /// The document for `-o json`: the server's own, or one of the same form; in both with the short form under `error`,
    /// which is all that failures of the command line itself have.
    pub fn document(&self) -> Value {
        let message =
            if self.why.is_empty() { self.what.clone() } else { format!("{}: {}", self.what, self.why) };
        let mut document = self.document.clone().unwrap_or_else(|| {
            json!({"type": "about:blank", "title": format!("{:?}", self.exit).to_lowercase(), "detail": message,
                   "code": self.code, "fix": self.fix})
        });
        if let Value::Object(members) = &mut document {
            members.insert("error".to_owned(), short(&self.code, &message, &self.fix));
        }
        document
    }
}

/// The short form of an error: its code, null where there is none, what failed and why, and what to do.
pub fn short(code: &str, message: &str, fix: &str) -> Value {
    let code = Some(code).filter(|code| !code.is_empty());
    json!({"code": code, "message": message, "fix": fix})
}

/// The text for people, without a line break at the end.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if !self.code.is_empty() {
            write!(f, " [{}]", self.code)?;
        }
        for (label, text) in [("why", &self.why), ("fix", &self.fix)] {
            if !text.is_empty() {
                // One line each, whatever the server or an agent wrote.
                write!(f, "\n  {label}: {}", safe(text.trim_end()))?;
            }
        }
        if !self.conversation.is_empty() {
            write!(f, "\n  see: caxton conversation show {}", self.conversation)?;
        }
        Ok(())
    }
}
