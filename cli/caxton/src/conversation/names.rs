//! The agents of a conversation, in the order of their lanes, and the names under which a picture shows them.

use super::{
    Conversation,
    steps::{Step, What},
};
use crate::text::safe;

/// Stands for an agent that the record does not name.
const NAMELESS: &str = "?";

/// The agents of a conversation: the initiator, the participants, then whoever else appears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    full: Vec<String>,
    /// The platform that all agents share, with its `@`; empty when they share none.
    platform: String,
}

impl Names {
    /// The agents that the steps and the document name.
    pub fn of(conversation: &Conversation, steps: &[Step]) -> Self {
        let declared = std::iter::once(&conversation.initiator).chain(&conversation.participants);
        let seen = steps.iter().flat_map(|step| match &step.what {
            What::Message(message) => vec![&message.from, &message.to],
            What::Trap { agent, .. } | What::Transition { agent, .. } => vec![agent],
        });
        let mut full: Vec<String> = Vec::new();
        let declared = declared.filter(|name| !name.is_empty());
        for name in declared.chain(seen) {
            if !full.contains(name) {
                full.push(name.clone());
            }
        }
        let platform = shared_platform(&full);
        Self { full, platform }
    }

    /// The number of the agent's lane.
    pub fn lane(&self, name: &str) -> usize {
        self.full.iter().position(|known| known == name).unwrap_or_default()
    }

    /// The name as shown: without the platform that all share.
    pub fn shown(&self, name: &str) -> String {
        if name.is_empty() {
            return NAMELESS.to_owned();
        }
        safe(name.strip_suffix(&self.platform).unwrap_or(name)).into_owned()
    }

    /// All names as shown, in the order of the lanes.
    pub fn all_shown(&self) -> Vec<String> {
        self.full.iter().map(|name| self.shown(name)).collect()
    }
}

fn shared_platform(names: &[String]) -> String {
    let mut platforms = names.iter().map(|name| name.rfind('@').and_then(|at| name.get(at..)));
    let Some(Some(first)) = platforms.next() else { return String::new() };
    let shared = platforms.all(|platform| platform == Some(first));
    if shared { first.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(initiator: &str, participants: &[&str]) -> Names {
        let participants = participants.iter().map(|name| (*name).to_owned()).collect();
        Names::of(&Conversation { initiator: initiator.into(), participants, ..Conversation::default() }, &[])
    }

    #[test]
    fn platform_is_left_out_when_all_share_it() {
        assert_eq!(names("m@caxton", &["a@caxton", "m@caxton"]).all_shown(), ["m", "a"]);
        assert_eq!(names("m@caxton", &["a@other"]).all_shown(), ["m@caxton", "a@other"]);
    }
}
