//! The life cycle of a plugin as the operator sees it, and how long each step may take.

use std::time::Duration;

use caxton_abi::Code;

/// Where a plugin stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is configured; its file was not read yet.
    Discovered,
    /// Its file was read and judged; nothing of it ran.
    Verified,
    /// Its library is mapped.
    Loaded,
    /// It exists with its configuration and does nothing yet.
    Created,
    /// It binds, connects, claims.
    Starting,
    /// It does its work.
    Running,
    /// It does its work in part; the text says what is missing.
    Degraded(String),
    /// It takes no new work and finishes what it holds.
    Draining,
    /// It ended as asked.
    Stopped,
    /// It ended otherwise, or was never loaded, and is not called any more.
    Failed {
        /// Why, as a code.
        code: Code,
        /// Why, in words.
        reason: String,
    },
}

impl State {
    /// Its word, for the operator.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Discovered => "discovered",
            Self::Verified => "verified",
            Self::Loaded => "loaded",
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded(_) => "degraded",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Failed { .. } => "failed",
        }
    }

    /// True when the plugin's code may be called.
    pub const fn is_callable(&self) -> bool {
        matches!(self, Self::Created | Self::Starting | Self::Running | Self::Degraded(_) | Self::Draining)
    }

    /// True when the step is part of the life cycle.
    pub const fn may_become(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Failed { .. } | Self::Stopped, _) => false,
            (_, Self::Failed { .. })
            | (Self::Discovered, Self::Verified)
            | (Self::Verified, Self::Loaded)
            | (Self::Loaded, Self::Created)
            | (Self::Created, Self::Starting | Self::Stopped)
            | (Self::Starting, Self::Running)
            | (Self::Running, Self::Degraded(_))
            | (Self::Degraded(_), Self::Running | Self::Degraded(_))
            | (Self::Running | Self::Degraded(_), Self::Draining | Self::Stopped)
            | (Self::Draining, Self::Stopped) => true,
            _ => false,
        }
    }
}

/// How long a plugin's steps may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// To start.
    pub start: Duration,
    /// To finish what it holds.
    pub drain: Duration,
    /// To end.
    pub stop: Duration,
}

/// Ten seconds let a transport connect and finish requests; an end has nothing left to wait for.
impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { start: seconds(10), drain: seconds(10), stop: seconds(5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> State {
        State::Failed { code: Code::PLUGIN_PANICKED, reason: "boom".to_owned() }
    }

    fn degraded() -> State {
        State::Degraded("no upstream".to_owned())
    }

    #[test]
    fn only_the_documented_steps_are_taken() {
        let states = [
            State::Discovered,
            State::Verified,
            State::Loaded,
            State::Created,
            State::Starting,
            State::Running,
            degraded(),
            State::Draining,
            State::Stopped,
            failed(),
        ];
        let steps: Vec<String> = states
            .iter()
            .map(|from| {
                let to: Vec<_> = states.iter().filter(|to| from.may_become(to)).map(State::as_str).collect();
                format!("{} > {}", from.as_str(), to.join(" "))
            })
            .collect();
        assert_eq!(
            steps,
            [
                "discovered > verified failed",
                "verified > loaded failed",
                "loaded > created failed",
                "created > starting stopped failed",
                "starting > running failed",
                "running > degraded draining stopped failed",
                "degraded > running degraded draining stopped failed",
                "draining > stopped failed",
                "stopped > ",
                "failed > ",
            ]
        );
    }
}
