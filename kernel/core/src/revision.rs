//! Versions of an agent as operators and the host see them.

use std::sync::Arc;

use caxton_abi::Code;

use crate::{
    agent::BodyFactory,
    held::Judge,
    lineage::{Role, Roster, Version},
    registry::AgentSpec,
    sync::lock,
    time::Time,
};

/// A version that was brought in, or one that serves again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The agent's address.
    pub address: u32,
    /// The number of the version that serves when all goes well.
    pub revision: u32,
}

/// What became of a version that was brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It serves.
    Active,
    /// It gets this share of the new conversations, percent.
    Canary(u8),
    /// It does not serve; the version before goes on.
    Failed {
        /// Why.
        code: Code,
        /// Why, in words.
        reason: String,
    },
}

/// Takes the outcome of a version; called once, from any thread, and must not block.
pub type Told = Box<dyn FnOnce(Outcome) + Send>;

/// A version of an agent as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionView {
    /// Its number, from 1.
    pub number: u32,
    /// `candidate`, `canary`, `active`, `draining` or `failed`.
    pub state: &'static str,
    /// Why it failed; zero when it did not.
    pub code: Code,
    /// Why it failed, in words.
    pub reason: String,
    /// The digest of its component.
    pub digest: String,
    /// The part of the new conversations that it gets, percent.
    pub share: u8,
    /// Conversations that it takes part in.
    pub conversations: usize,
    /// Messages that wait for it.
    pub mailbox_messages: usize,
    /// When it was brought in.
    pub since: Time,
}

/// What a version is made of, kept to come back to it.
#[derive(Clone)]
pub(crate) struct Blueprint {
    pub(crate) spec: AgentSpec,
    pub(crate) factory: Arc<dyn BodyFactory>,
}

impl Roster {
    /// The versions that live, oldest first, and the last one that failed beside another.
    pub(crate) fn views(&self, judge: &Judge<'_>) -> Vec<RevisionView> {
        let canary = self.versions.iter().find_map(|version| match version.role {
            Role::Canary(share) => Some(share),
            _ => None,
        });
        let mut views: Vec<_> =
            self.versions.iter().map(|version| version.view(canary.unwrap_or_default(), judge)).collect();
        views.extend(self.fallen.clone());
        views.sort_by_key(|view| view.number);
        views.dedup_by_key(|view| view.number);
        views
    }
}

impl Version {
    /// What operators see, when a canary has `canary` percent.
    pub(crate) fn view(&self, canary: u8, judge: &Judge<'_>) -> RevisionView {
        let desk = lock(&self.cell.desk);
        let (state, share) = match self.role {
            Role::Candidate(_) => ("candidate", 0),
            Role::Canary(share) => ("canary", share),
            Role::Serving => ("active", 100 - canary.min(100)),
            Role::Draining(_) => ("draining", 0),
        };
        let failure = desk.life.failure();
        let state = if failure.is_some() { "failed" } else { state };
        let (code, reason) = failure.unwrap_or_default();
        RevisionView {
            number: self.cell.version,
            state,
            code,
            reason,
            digest: self.cell.factory.digest().to_owned(),
            share,
            conversations: desk.held.open(judge),
            mailbox_messages: desk.mailbox.len() + desk.retry.len(),
            since: self.since,
        }
    }
}
