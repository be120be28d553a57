//! The sessions of a conversation, in the order of their calls, with what is asked of them for every message: how many
//! stand in a state, and which belong to an agent.
//!
//! A conversation may have thousands of sessions and gets as many messages, so neither question may visit them all.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    conversation::Session,
    table::{STATES, State},
};

/// So many sessions are searched one after the other; an index for fewer would cost more than it saves.
const SEARCHED_MAX: usize = 16;

/// The end of a chain.
const END: u32 = u32::MAX;

/// The sessions of one conversation.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    list: Vec<Session>,
    counts: [u32; STATES],
    open: u32,
    /// Kept when there are more than [`SEARCHED_MAX`].
    index: Option<Box<Index>>,
}

/// For each participant the chain of its sessions.
#[derive(Clone, Debug, Default)]
struct Index {
    /// The first and the last session of each.
    chains: HashMap<u32, (u32, u32), RandomState>,
    /// For each session the next one of the same participant.
    next: Vec<u32>,
}

impl Index {
    fn add(&mut self, at: usize, participant: u32) {
        let at = at as u32;
        self.next.push(END);
        let chain = self.chains.entry(participant).or_insert((at, at));
        let last = std::mem::replace(&mut chain.1, at);
        if last != at
            && let Some(next) = self.next.get_mut(last as usize)
        {
            *next = at;
        }
    }

    fn first(&self, participant: u32) -> u32 {
        self.chains.get(&participant).map_or(END, |chain| chain.0)
    }

    fn after(&self, at: u32) -> u32 {
        self.next.get(at as usize).copied().unwrap_or(END)
    }
}

impl Sessions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The session at an index.
    pub fn get(&self, at: usize) -> Option<&Session> {
        self.list.get(at)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.list.iter()
    }

    /// How many stand in a state.
    pub fn count(&self, state: State) -> u32 {
        self.counts.get(state as usize).copied().unwrap_or_default()
    }

    /// How many are not final.
    pub fn open(&self) -> u32 {
        self.open
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, more: usize) {
        self.list.reserve(more);
        if self.list.len() + more > SEARCHED_MAX {
            let index = self.index();
            index.chains.reserve(more);
            index.next.reserve(more);
        }
    }

    /// Adds one at the end and returns its index.
    pub fn push(&mut self, session: Session) -> usize {
        let at = self.list.len();
        self.change(session.state, 1);
        self.list.push(session);
        if self.list.len() > SEARCHED_MAX {
            self.index();
        }
        at
    }

    /// The index, with every session that is there in it.
    fn index(&mut self) -> &mut Index {
        let index = self.index.get_or_insert_default();
        for at in index.next.len()..self.list.len() {
            if let Some(session) = self.list.get(at) {
                index.add(at, session.participant);
            }
        }
        index
    }

    /// Puts another state of the same session in its place.
    pub fn replace(&mut self, at: usize, session: Session) {
        let state = session.state;
        let Some(place) = self.list.get_mut(at) else { return };
        let before = std::mem::replace(place, session).state;
        self.change(before, -1);
        self.change(state, 1);
    }

    fn change(&mut self, state: State, by: i32) {
        if let Some(count) = self.counts.get_mut(state as usize) {
            *count = count.saturating_add_signed(by);
        }
        if !state.is_final() {
            self.open = self.open.saturating_add_signed(by);
        }
    }

    /// The indices, ascending, of the sessions whose participant is one of two; of few sessions all are given.
    pub fn among(&self, one: u32, other: u32) -> Among<'_> {
        match self.index.as_deref().filter(|_| self.list.len() > SEARCHED_MAX) {
            Some(index) => {
                let second = if one == other { END } else { index.first(other) };
                Among { index: Some(index), first: index.first(one), second, until: END }
            }
            None => Among { index: None, first: 0, second: END, until: self.list.len() as u32 },
        }
    }
}

/// Two chains merged, or a plain range.
pub struct Among<'a> {
    index: Option<&'a Index>,
    first: u32,
    second: u32,
    until: u32,
}

impl Iterator for Among<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let at = self.first.min(self.second);
        if at >= self.until {
            return None;
        }
        let after = self.index.map_or(at + 1, |index| index.after(at));
        if at == self.first {
            self.first = after;
        } else {
            self.second = after;
        }
        Some(at as usize)
    }
}

impl FromIterator<Session> for Sessions {
    fn from_iter<T: IntoIterator<Item = Session>>(sessions: T) -> Self {
        let mut all = Self::default();
        for session in sessions {
            all.push(session);
        }
        all
    }
}

impl Serialize for Sessions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sessions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use caxton_plugin::Header;

    use super::*;

    fn session(participant: u32) -> Session {
        Session::new(&Header { receiver: participant, ..Header::default() }, 1)
    }

    #[test]
    fn sessions_of_two_agents_come_in_the_order_of_their_calls() {
        for count in [8, 100] {
            for reserved in [0, count] {
                let mut sessions = Sessions::default();
                sessions.reserve(reserved as usize);
                (0..count).for_each(|n| assert_eq!(sessions.push(session(n % 7)), n as usize));
                let mine = |at: &usize| [3, 5].contains(&sessions.get(*at).unwrap().participant);
                let found: Vec<_> = sessions.among(3, 5).filter(mine).collect();
                let all: Vec<_> = (0..count as usize).filter(mine).collect();
                assert_eq!(found, all);
                assert_eq!(
                    sessions.among(3, 3).filter(mine).count(),
                    sessions.among(9, 3).filter(mine).count()
                );
            }
        }
    }

    #[test]
    fn an_agent_without_a_session_has_none_among_many() {
        let sessions: Sessions = (0..100).map(session).collect();
        assert_eq!(sessions.among(100, 101).next(), None);
        assert_eq!(sessions.among(7, 100).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn states_are_counted_as_they_change() {
        let mut sessions: Sessions = (0..3).map(session).collect();
        sessions.replace(1, Session { state: State::Bid, ..session(1) });
        sessions.replace(2, Session { state: State::Done, ..session(2) });
        let counts = [State::Start, State::Bid, State::Done].map(|state| sessions.count(state));
        assert_eq!((counts, sessions.open()), ([1, 1, 1], 2));
    }
}
