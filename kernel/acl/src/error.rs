//! Why a message was refused: what, where, expected against found, and what to do next.
//!
//! Texts from outside are repeated shortened and escaped, so an error is safe to log and to show in a terminal.

use std::fmt;

use crate::{limits, performative::Performative};

/// The stable numbers of the server's list of codes that this crate's errors map to.
pub mod codes {
    /// The message could not be read.
    pub const MESSAGE_MALFORMED: u16 = 300;
    /// The message names no receiver.
    pub const NO_RECEIVER: u16 = 303;
    /// The message names more receivers than the limit.
    pub const TOO_MANY_RECEIVERS: u16 = 304;
    /// The content is larger than the limit.
    pub const CONTENT_TOO_LARGE: u16 = 305;
    /// The communicative act is not one of the 22.
    pub const UNKNOWN_PERFORMATIVE: u16 = 308;
    /// reply-by is not a date and time.
    pub const REPLY_BY_INVALID: u16 = 318;
    /// The name cannot be an agent's.
    pub const NAME_INVALID: u16 = 319;
}

/// Where in its input an error lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Not known, or the message as a whole.
    #[default]
    Unknown,
    /// Bytes from the start of the text, from zero.
    Byte(usize),
    /// Line and column of a JSON text, both from one.
    Line(usize, usize),
    /// A field of the message, for example `receiver[2].name`.
    Field(String),
}

/// Reads as the start of an error message; empty when unknown.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => Ok(()),
            Self::Byte(offset) => write!(f, "at byte {offset}: "),
            Self::Line(line, column) => write!(f, "at line {line} column {column}: "),
            Self::Field(name) => write!(f, "in `{}`: ", clipped(name, limits::PATH_CHARS_MAX).escape_debug()),
        }
    }
}

/// A refusal of a message or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text does not have the form of a message, or a part is over its limit.
    #[error("{place}expected {expected}, found {found}; {fix}")]
    Malformed {
        /// Where it lies.
        place: Place,
        /// What should stand there.
        expected: String,
        /// What stands there, shortened.
        found: String,
        /// What to do next.
        fix: String,
    },
    /// The act is not one of the 22 of SC00037.
    #[error("{place}{found} is not a communicative act{}; use one of {}", did_you_mean(.nearest), Performative::list())]
    UnknownPerformative {
        /// Where it lies.
        place: Place,
        /// The unknown act, shortened and quoted.
        found: String,
        /// The known act that was probably meant.
        nearest: Option<Performative>,
    },
    /// The message names no receiver.
    #[error("the message names no receiver; set `receiver`")]
    NoReceiver,
    /// More than [`limits::RECEIVERS_MAX`] receivers.
    #[error(
        "{place}expected at most {max} receivers, found more; send to a group, or in parts",
        max = limits::RECEIVERS_MAX
    )]
    TooManyReceivers {
        /// Where it lies.
        place: Place,
    },
    /// More than [`limits::CONTENT_BYTES_MAX`] bytes of content.
    #[error(
        "{place}expected at most {max} bytes of content, found {found}; send a reference instead",
        max = limits::CONTENT_BYTES_MAX
    )]
    ContentTooLarge {
        /// Where it lies.
        place: Place,
        /// The content's size in bytes.
        found: usize,
    },
    /// `reply-by` is not a time that Caxton can keep.
    #[error(
        "{place}expected a date and time, found {found}: {why}; write 2026-11-20T12:00:00Z (RFC 3339), \
         20261120T120000000Z (FIPA) or a relative time such as +2s"
    )]
    ReplyByInvalid {
        /// Where it lies.
        place: Place,
        /// The text, shortened and quoted.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The name cannot be an agent's.
    #[error(
        "{place}expected an agent's name, found {found}: {why}; use 1 to {max} bytes without spaces, control \
         characters, quotes and parentheses",
        max = limits::NAME_BYTES_MAX
    )]
    NameInvalid {
        /// Where it lies.
        place: Place,
        /// The name, shortened and quoted.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Error {
    /// The number of the refusal in the server's list of codes, see [`codes`].
    pub const fn code(&self) -> u16 {
        match self {
            Self::Malformed { .. } => codes::MESSAGE_MALFORMED,
            Self::UnknownPerformative { .. } => codes::UNKNOWN_PERFORMATIVE,
            Self::NoReceiver => codes::NO_RECEIVER,
            Self::TooManyReceivers { .. } => codes::TOO_MANY_RECEIVERS,
            Self::ContentTooLarge { .. } => codes::CONTENT_TOO_LARGE,
            Self::ReplyByInvalid { .. } => codes::REPLY_BY_INVALID,
            Self::NameInvalid { .. } => codes::NAME_INVALID,
        }
    }

    /// Where the error lies; unknown for a missing receiver.
    pub const fn place(&self) -> &Place {
        match self {
            Self::NoReceiver => &Place::Unknown,
            Self::Malformed { place, .. }
            | Self::UnknownPerformative { place, .. }
            | Self::TooManyReceivers { place }
            | Self::ContentTooLarge { place, .. }
            | Self::ReplyByInvalid { place, .. }
            | Self::NameInvalid { place, .. } => place,
        }
    }

    /// Says where the error lies, unless that is known already.
    #[must_use]
    pub fn at(mut self, known: Place) -> Self {
        match &mut self {
            Self::NoReceiver => {}
            Self::Malformed { place, .. }
            | Self::UnknownPerformative { place, .. }
            | Self::TooManyReceivers { place }
            | Self::ContentTooLarge { place, .. }
            | Self::ReplyByInvalid { place, .. }
            | Self::NameInvalid { place, .. } => {
                if *place == Place::Unknown {
                    *place = known;
                }
            }
        }
        self
    }

    /// Makes a [`Error::Malformed`] whose place is not known yet.
    pub(crate) fn malformed(
        expected: impl Into<String>,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::Malformed {
            place: Place::Unknown,
            expected: expected.into(),
            found: found.into(),
            fix: fix.into(),
        }
    }

    /// The error for a part that is `found` large where `max` is allowed, for example "2000 bytes".
    pub(crate) fn over(what: &str, unit: &str, found: usize, max: usize) -> Self {
        Self::malformed(
            format!("{what} of at most {max} {unit}"),
            format!("{found} {unit}"),
            "make it smaller",
        )
    }
}

/// Refuses `found` above `max`.
pub(crate) fn within(what: &str, unit: &str, found: usize, max: usize) -> Result<(), Error> {
    if found > max { Err(Error::over(what, unit, found, max)) } else { Ok(()) }
}

/// A hostile text, shortened, escaped and in double quotes.
pub(crate) fn shown(text: &str) -> String {
    format!("{:?}", clipped(text, limits::SHOWN_CHARS_MAX))
}

fn clipped(text: &str, chars_max: usize) -> String {
    let mut start: String = text.chars().take(chars_max).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

fn did_you_mean(nearest: &Option<Performative>) -> String {
    nearest.map_or_else(String::new, |act| format!(", the nearest is `{act}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_hostile_text_short_and_escaped() {
        assert_eq!(shown("a\u{202e}b\n\0"), r#""a\u{202e}b\n\0""#);
        assert_eq!(shown(&"x".repeat(1_000_000)).chars().count(), limits::SHOWN_CHARS_MAX + 3);
        assert_eq!(Place::Field("a\u{1b}[31m".to_owned()).to_string(), "in `a\\u{1b}[31m`: ");
    }

    #[test]
    fn keeps_the_place_that_is_known_first() {
        let error = Error::malformed("a", "b", "c").at(Place::Byte(3)).at(Place::Byte(9));
        assert_eq!(error.to_string(), "at byte 3: expected a, found b; c");
    }
}
