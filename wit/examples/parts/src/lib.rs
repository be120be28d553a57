//! Answers in parts: a request for N gets N answers that say that others follow, and then the last one.
//!
//! A part goes out each `every_ms` milliseconds (configuration, 10 by default), so others have their turns in between and
//! a `cancel` in the same conversation is heard. It ends the answering, as does the end of the instance.

use std::{cell::RefCell, collections::HashSet, time::Duration};

use caxton_agent::{Agent, Fault, Message, Performative, Reason, Start, Uid, sleep};
use serde::Deserialize;

/// Parts of one answer.
const PARTS_MAX: u32 = 10_000;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    every_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { every_ms: 10 }
    }
}

/// Who answers: the conversations in which it does now, as words of their ids.
struct Parts {
    every: Duration,
    answering: RefCell<HashSet<[u32; 4]>>,
}

impl Agent for Parts {
    fn init(start: Start) -> Result<Self, Fault> {
        let config: Config = start.config()?;
        Ok(Self { every: Duration::from_millis(config.every_ms), answering: RefCell::default() })
    }

    async fn handle(&self, message: Message) -> Result<(), Fault> {
        match message.performative() {
            Performative::Request => self.answer(&message).await,
            Performative::Cancel => self.cancel(&message),
            _ if message.is_answer() => Ok(()),
            act => {
                let reason = Reason::new("unexpected-act", format!("takes request and cancel, not {act:?}"));
                message.not_understood(&reason).send().map(drop)
            }
        }
    }
}

impl Parts {
    async fn answer(&self, question: &Message) -> Result<(), Fault> {
        let Some(count) = question.text().trim().parse().ok().filter(|count| *count <= PARTS_MAX) else {
            let reason = Reason::new("not-a-number", format!("expected a number of parts up to {PARTS_MAX}"));
            return question.refuse(&reason).send().map(drop);
        };
        let conversation = words(question.conversation());
        if !self.answering.borrow_mut().insert(conversation) {
            let reason = Reason::new("busy", "this conversation has a question that is being answered");
            return question.refuse(&reason).send().map(drop);
        }
        for number in 1..=count {
            question.reply_part().text(&format!("part {number} of {count}")).send()?;
            sleep(self.every).await;
            if !self.answering.borrow().contains(&conversation) {
                return Ok(());
            }
        }
        self.answering.borrow_mut().remove(&conversation);
        question.inform().text(&format!("{count} parts")).send().map(drop)
    }

    /// Ends the answering in the cancel's conversation; the answer says whether there was any (SC00061's meta-protocol).
    fn cancel(&self, cancel: &Message) -> Result<(), Fault> {
        let stopped = self.answering.borrow_mut().remove(&words(cancel.conversation()));
        let answer = match stopped {
            true => cancel.inform(),
            false => cancel.failure(&Reason::new("already-done", "nothing is answered here")),
        };
        answer.send().map(drop)
    }
}

fn words(conversation: Uid) -> [u32; 4] {
    let Uid { a, b, c, d } = conversation;
    [a, b, c, d]
}

caxton_agent::export!(Parts);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::rc::Rc;

    use caxton_agent::testing::ScriptedHost;

    use super::*;

    fn asked(content: &str) -> (Rc<ScriptedHost>, Uid) {
        let host = ScriptedHost::install();
        let client = host.agent("client");
        host.start::<Parts>("").unwrap();
        let conversation = Uid { a: 1, b: 2, c: 3, d: 4 };
        let question = host.incoming(Performative::Request, client).conversation(conversation);
        host.deliver(question.reply_with(7).content(content.as_bytes()));
        (host, conversation)
    }

    #[test]
    fn a_part_goes_out_at_a_time_and_the_last_says_so() {
        let (host, _) = asked("2");
        host.advance(Duration::from_millis(10));
        let sent = host.sent();
        let said: Vec<&[u8]> = sent.iter().map(|sent| sent.content.as_slice()).collect();
        assert_eq!(said, [b"part 1 of 2".as_slice(), b"part 2 of 2"]);
        host.advance(Duration::from_millis(10));
        let sent = [sent, host.sent()].concat();
        let partial = |index: usize| sent[index].extra.as_ref().map(|extra| extra.params.clone());
        assert_eq!(partial(1), Some(vec![("X-Partial".to_owned(), "true".to_owned())]));
        assert_eq!((partial(2), sent[2].in_reply_to, sent.len()), (None, 7, 3));
        assert_eq!(sent[2].content, b"2 parts");
    }

    #[test]
    fn a_cancel_ends_the_answering() {
        let (host, conversation) = asked("5");
        let client = host.agent("client");
        let cancel = || host.incoming(Performative::Cancel, client).conversation(conversation);
        host.deliver(cancel());
        host.advance(Duration::from_millis(100));
        assert_eq!(
            host.sent().iter().map(|sent| sent.performative).collect::<Vec<_>>(),
            [Performative::Inform, Performative::Inform]
        );
        host.deliver(cancel());
        assert_eq!(host.sent().last().unwrap().performative, Performative::Failure);
    }

    #[test]
    fn what_is_no_number_of_parts_is_refused() {
        for content in ["", "many", "10001", "-1"] {
            let (host, _) = asked(content);
            assert_eq!(host.sent()[0].performative, Performative::Refuse, "{content}");
        }
    }
}
