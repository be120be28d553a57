//! An agent's life as types: a transition that is not allowed does not compile.
//!
//! ```text
//! Starting ──started──▶ Active ──lose──▶ Replacing ──started──▶ Active
//!    │ fail                │ fail            │ fail
//!    ▼                     ▼                 ▼
//!  Failed ◀────────────────┴─────────────────┘      Starting · Active · Replacing ──drain──▶ Draining ──stop──▶ Stopped
//! ```
//!
//! FIPA (SC00023) buffers for `initiated` (here starting and replacing) and delivers to `active`. A cell of the registry
//! holds the state at run time in [`Life`].

use caxton_abi::Code;

/// An agent in the state `S`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent<S> {
    state: S,
}

/// Its first instance is being made; messages are buffered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starting;
/// It handles messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active;
/// Its instance is gone and a new one is being made; messages are buffered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacing;
/// It takes no messages; the turn that runs is its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draining;
/// It is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped;
/// It was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    code: Code,
    reason: String,
}

/// States in which messages are taken.
pub trait Taking: sealed::Sealed {}
impl Taking for Starting {}
impl Taking for Active {}
impl Taking for Replacing {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Starting {}
    impl Sealed for super::Active {}
    impl Sealed for super::Replacing {}
}

impl Agent<Starting> {
    /// A new agent.
    pub const fn deploy() -> Self {
        Self { state: Starting }
    }

    /// Its `init` returned ok.
    pub fn started(self) -> Agent<Active> {
        Agent { state: Active }
    }
}

impl Agent<Active> {
    /// A trap took its instance.
    pub fn lose(self) -> Agent<Replacing> {
        Agent { state: Replacing }
    }
}

impl Agent<Replacing> {
    /// The new instance's `init` returned ok.
    pub fn started(self) -> Agent<Active> {
        Agent { state: Active }
    }
}

impl<S: Taking> Agent<S> {
    /// It is being removed.
    pub fn drain(self) -> Agent<Draining> {
        Agent { state: Draining }
    }

    /// It is given up.
    pub fn fail(self, code: Code, reason: String) -> Agent<Failed> {
        Agent { state: Failed { code, reason } }
    }
}

impl Agent<Draining> {
    /// Nothing of it runs any more.
    pub fn stop(self) -> Agent<Stopped> {
        Agent { state: Stopped }
    }
}

impl Agent<Failed> {
    /// Why it was given up.
    pub const fn code(&self) -> Code {
        self.state.code
    }

    /// What happened, in words.
    pub fn reason(&self) -> &str {
        &self.state.reason
    }
}

/// The state at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// See [`Starting`].
    Starting(Agent<Starting>),
    /// See [`Active`].
    Active(Agent<Active>),
    /// See [`Replacing`].
    Replacing(Agent<Replacing>),
    /// See [`Draining`].
    Draining(Agent<Draining>),
    /// See [`Stopped`].
    Stopped(Agent<Stopped>),
    /// See [`Failed`].
    Failed(Agent<Failed>),
}

impl Default for Life {
    fn default() -> Self {
        Self::Starting(Agent::deploy())
    }
}

impl Life {
    /// The state's name, as views and signals show it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Starting(_) => "starting",
            Self::Active(_) => "active",
            Self::Replacing(_) => "replacing",
            Self::Draining(_) => "draining",
            Self::Stopped(_) => "stopped",
            Self::Failed(_) => "failed",
        }
    }

    /// True when the next turn makes an instance.
    pub const fn needs_instance(&self) -> bool {
        matches!(self, Self::Starting(_) | Self::Replacing(_))
    }

    /// True for states in which messages are taken.
    pub const fn takes_messages(&self) -> bool {
        matches!(self, Self::Starting(_) | Self::Active(_) | Self::Replacing(_))
    }

    /// True for [`Life::Failed`].
    pub const fn has_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Why it was given up, if it was.
    pub(crate) fn failure(&self) -> Option<(Code, String)> {
        match self {
            Self::Failed(agent) => Some((agent.code(), agent.reason().to_owned())),
            _ => None,
        }
    }

    /// `init` returned ok.
    pub(crate) fn started(&mut self) {
        self.advance(|life| match life {
            Self::Starting(agent) => Self::Active(agent.started()),
            Self::Replacing(agent) => Self::Active(agent.started()),
            other => other,
        });
    }

    /// A trap took the instance. An agent that is still being made stays in its state and is made again.
    pub(crate) fn lose(&mut self) {
        self.advance(|life| match life {
            Self::Active(agent) => Self::Replacing(agent.lose()),
            other => other,
        });
    }

    /// It is being removed; true when that begins now.
    pub(crate) fn drain(&mut self) -> bool {
        let takes = self.takes_messages();
        self.advance(|life| match life {
            Self::Starting(agent) => Self::Draining(agent.drain()),
            Self::Active(agent) => Self::Draining(agent.drain()),
            Self::Replacing(agent) => Self::Draining(agent.drain()),
            other => other,
        });
        takes
    }

    /// It is given up.
    pub(crate) fn fail(&mut self, code: Code, reason: String) {
        self.advance(|life| match life {
            Self::Starting(agent) => Self::Failed(agent.fail(code, reason)),
            Self::Active(agent) => Self::Failed(agent.fail(code, reason)),
            Self::Replacing(agent) => Self::Failed(agent.fail(code, reason)),
            other => other,
        });
    }

    /// Nothing of it runs any more.
    pub(crate) fn stop(&mut self) {
        self.advance(|life| match life {
            Self::Draining(agent) => Self::Stopped(agent.stop()),
            other => other,
        });
    }

    fn advance(&mut self, step: impl FnOnce(Self) -> Self) {
        *self = step(std::mem::take(self));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_instance_is_replaced_and_the_agent_goes_on() {
        let mut life = Life::default();
        life.started();
        life.lose();
        assert_eq!(life.as_str(), "replacing");
        life.started();
        assert_eq!(life.as_str(), "active");
    }

    #[test]
    fn a_failed_agent_neither_starts_nor_drains() {
        let mut life = Life::default();
        life.fail(Code::AGENT_INIT_FAILED, "no".into());
        life.started();
        assert!(!life.drain());
        assert_eq!(life.as_str(), "failed");
    }

    #[test]
    fn an_agent_that_was_removed_during_its_turn_stops_after_it() {
        let mut life = Life::default();
        life.started();
        assert!(life.drain());
        life.lose();
        assert_eq!(life.as_str(), "draining");
        life.stop();
        assert_eq!(life.as_str(), "stopped");
    }
}
