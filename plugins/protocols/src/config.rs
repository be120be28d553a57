//! The plugin's table of the server's configuration, with its defaults.

use caxton_plugin::{Code, Error};
use serde::Deserialize;

/// The longest time that any key may name: a year.
const TIME_MS_MAX: u64 = 366 * 24 * 3_600_000;

/// What happens with a message that does not fit its conversation (row 19, ruling F10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfSequence {
    /// It is withheld and its sender gets not-understood.
    #[default]
    NotUnderstood,
    /// It is withheld.
    Drop,
    /// It is delivered, flagged out of sequence.
    Deliver,
}

/// The configuration. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long an answer may take when the message that asks has no reply-by (ruling F2).
    pub default_reply_by_ms: u64,
    /// How long the initiator may take to decide (ruling F5).
    pub decision_timeout_ms: u64,
    /// How long the initiator may take to reject the other bids itself when every accepted one is done (row 10).
    pub reject_grace_ms: u64,
    /// How long a result may take when the accept has no reply-by, and after an agree.
    pub result_timeout_ms: u64,
    /// The furthest reply-by that the engine follows; a later one is amended to it, so that every conversation ends.
    pub reply_by_max_ms: u64,
    /// What happens with a message out of sequence.
    pub out_of_sequence: OutOfSequence,
    /// Most open conversations; a further one is refused.
    pub conversations_max: usize,
    /// Most sessions in a conversation; a further call is refused.
    pub sessions_max: usize,
    /// How long a closed conversation is kept, so that late messages meet it.
    pub closed_keep_ms: u64,
    /// Most closed conversations kept; the oldest go first.
    pub closed_max: usize,
    /// Most sessions of closed conversations kept, so that a few large ones do not fill the memory.
    pub closed_sessions_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default_reply_by_ms: 30_000,
            decision_timeout_ms: 60_000,
            reject_grace_ms: 1_000,
            result_timeout_ms: 300_000,
            reply_by_max_ms: 24 * 3_600_000,
            out_of_sequence: OutOfSequence::default(),
            conversations_max: 100_000,
            sessions_max: 10_000,
            closed_keep_ms: 300_000,
            closed_max: 20_000,
            closed_sessions_max: 200_000,
        }
    }
}

impl Config {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`Code::PLUGIN_CONFIG_INVALID`], naming the key.
    pub fn check(&self) -> Result<(), Error> {
        let times = [
            ("default_reply_by_ms", self.default_reply_by_ms),
            ("decision_timeout_ms", self.decision_timeout_ms),
            ("reject_grace_ms", self.reject_grace_ms),
            ("result_timeout_ms", self.result_timeout_ms),
            ("reply_by_max_ms", self.reply_by_max_ms),
            ("closed_keep_ms", self.closed_keep_ms),
        ];
        let counts = [
            ("conversations_max", self.conversations_max),
            ("sessions_max", self.sessions_max),
            ("closed_max", self.closed_max),
            ("closed_sessions_max", self.closed_sessions_max),
        ];
        for (key, value) in times {
            if value == 0 || value > TIME_MS_MAX {
                return Err(refused(key, value, TIME_MS_MAX));
            }
        }
        for (key, value) in counts {
            if value == 0 || value > u32::MAX as usize {
                return Err(refused(key, value as u64, u64::from(u32::MAX)));
            }
        }
        Ok(())
    }
}

fn refused(key: &str, found: u64, max: u64) -> Error {
    let text = format!("`{key}` is {found}, expected 1 to {max}: correct it in this plugin's table");
    Error::new(Code::PLUGIN_CONFIG_INVALID, text)
}
