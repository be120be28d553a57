//! An attached agent's own words for what the server counts: its conversation-ids and reply-withs.
//!
//! The server carries numbers. What the agent wrote is repeated to it in the messages of that conversation and in the
//! in-reply-to of answers; who never wrote a text sees the number. Bounded by [`WORDS_MAX`] of each kind, oldest out.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

use caxton_plugin::{
    Header, Uid,
    asking::{Outgoing, Texts},
};

/// Texts of each kind that are remembered for one agent.
pub(super) const WORDS_MAX: usize = 4096;

/// The words of one agent.
#[derive(Debug, Default)]
pub(super) struct Words {
    conversations: Remembered<Uid>,
    questions: Remembered<(Uid, u32)>,
}

impl Words {
    /// Remembers what a message of the agent says where the server keeps something else.
    pub(super) fn keep(&mut self, outgoing: &Outgoing) {
        let Outgoing { conversation, reply_with, texts, .. } = outgoing;
        if texts.conversation != conversation.to_string() {
            self.conversations.keep(*conversation, &texts.conversation);
        }
        if let Some(text) = texts.reply_with.as_deref().filter(|text| *text != reply_with.to_string()) {
            self.questions.keep((*conversation, *reply_with), text);
        }
    }

    /// The words for a message to the agent.
    pub(super) fn of(&self, head: &Header) -> Texts {
        let conversation = self.conversations.get(&head.conversation);
        Texts {
            conversation: conversation.map_or_else(|| head.conversation.to_string(), str::to_owned),
            reply_with: self.questions.get(&(head.conversation, head.in_reply_to)).map(str::to_owned),
        }
    }
}

/// A bounded map whose oldest entry leaves first.
#[derive(Debug)]
struct Remembered<K> {
    texts: HashMap<K, String>,
    order: VecDeque<K>,
}

impl<K> Default for Remembered<K> {
    fn default() -> Self {
        Self { texts: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash> Remembered<K> {
    fn keep(&mut self, key: K, text: &str) {
        if self.texts.insert(key, text.to_owned()).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > WORDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.texts.remove(&oldest);
        }
    }

    fn get(&self, key: &K) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_words_leave_first() {
        let mut words = Remembered::default();
        (0..=WORDS_MAX).for_each(|number| words.keep(number, "text"));
        assert_eq!((words.get(&0), words.get(&1), words.texts.len()), (None, Some("text"), WORDS_MAX));
    }
}
