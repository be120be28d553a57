//! A question with an answer in parts: each is given as it comes, and who leaves before the last cancels.
//!
//! An answer with the user parameter [`PARTIAL`] `true` is a part and others follow. The first without it, or a
//! failure, refuse or not-understood, is the last; `fipa-request` allows one result, so there the first is. `agree` announces an answer and is none. Parts that nobody takes wait
//! in a bounded queue; what does not fit is refused to the agent, which learns that it is too fast.

use std::{sync::Arc, time::Duration};

use caxton_abi::{Code, Envelope, Header, Payload, TraceContext, port::Outcome};
use caxton_acl::{Message, Performative};
use tokio::time::Instant;

use super::{Answer, Correspondent, Delivery, Outgoing, Texts, Ticket, envelope, no_answer};
use crate::Error;

/// The user parameter that tells that an answer is a part and others follow.
pub const PARTIAL: &str = "X-Partial";
/// The protocol in which the first answer is the last.
const ONE_RESULT: &str = "fipa-request";
/// Parts that may come before the caller looks.
pub const PARTS_MAX: usize = 256;

/// One answer of several.
#[derive(Clone, Debug)]
pub struct Part {
    /// The answer as it came.
    pub envelope: Envelope,
    /// True when no other follows.
    pub last: bool,
}

/// The answers to one question. Dropping it before the last one sends a FIPA `cancel` to who was asked.
pub struct Answers {
    correspondent: Arc<Correspondent>,
    ticket: Ticket,
    outgoing: Outgoing,
    timeout: Duration,
    until: Instant,
    /// The question's protocol allows one result.
    one_result: bool,
    over: bool,
}

impl Correspondent {
    /// Sends a question whose answer may come in parts, all of them within `timeout`.
    ///
    /// # Errors
    /// As [`Correspondent::ask`], but for the time, which is told by [`Answers::next`].
    pub async fn ask_stream(
        self: &Arc<Self>,
        question: Message,
        delivery: Delivery,
        timeout: Duration,
        trace: Option<TraceContext>,
    ) -> Result<Answers, Error> {
        let one_result = question.protocol.as_deref() == Some(ONE_RESULT);
        let outgoing = self.question(question, delivery, timeout, trace)?;
        let mut ticket = self.waiting.open(PARTS_MAX);
        ticket.expect(outgoing.conversation, outgoing.reply_with)?;
        let until = Instant::now() + timeout;
        let mut answers = Answers {
            correspondent: self.clone(),
            ticket,
            outgoing,
            timeout,
            until,
            one_result,
            over: false,
        };
        // Made before the question goes out, so that a caller that leaves meanwhile cancels too.
        let put = self.put(&answers.outgoing).await;
        answers.over = put.is_err();
        put.map(|()| answers)
    }

    /// Sends a FIPA `cancel` in a question's conversation to whom it was asked; one outcome each. What they answer to
    /// the cancel is taken and forgotten; what they still answer to the question becomes a dead letter.
    pub fn cancel(&self, outgoing: &Outgoing) -> Vec<Outcome> {
        let cancels = outgoing.copies.iter().map(|copy| {
            let reply_with = self.number();
            self.waiting.cancelled(copy.head.conversation, reply_with);
            let head = Header {
                conversation: copy.head.conversation,
                trace: copy.head.trace,
                sender: copy.head.sender,
                receiver: copy.head.receiver,
                reply_with,
                protocol: copy.head.protocol,
                ontology: copy.head.ontology,
                language: copy.head.language,
                performative: Performative::Cancel.code(),
                ..Header::default()
            };
            Envelope::new(head, Payload::EMPTY)
        });
        self.host.submit(cancels.collect())
    }
}

impl Answers {
    /// The next answer; `None` after the last one or an error.
    pub async fn next(&mut self) -> Option<Result<Part, Error>> {
        if self.over {
            return None;
        }
        loop {
            let answer = tokio::time::timeout_at(self.until, self.ticket.answer()).await.ok();
            // The protocol's own clock ends at the same moment and may be first.
            let answer = answer.filter(|answer| envelope::platform_code(answer) != Some(Code::NO_REPLY));
            let Some(envelope) = answer else {
                self.over = true;
                // A protocol ends the question by its own clock.
                if !self.names_protocol() {
                    self.correspondent.cancel(&self.outgoing);
                }
                return Some(Err(no_answer(&self.outgoing, self.timeout)));
            };
            if envelope.head.performative == Performative::Agree.code() {
                continue;
            }
            self.over = self.one_result || !is_part(&envelope);
            return Some(Ok(Part { envelope, last: self.over }));
        }
    }

    fn names_protocol(&self) -> bool {
        self.outgoing.copies.first().is_some_and(|copy| copy.head.protocol != 0)
    }

    /// An answer in the words of the one who asked.
    ///
    /// # Errors
    /// When its act is none.
    pub fn message(&self, part: &Part) -> Result<Message, Error> {
        envelope::message(&self.correspondent.host, &part.envelope, self.texts())
    }

    /// The part together with the question, as [`Correspondent::ask`] gives it.
    pub fn answer(&self, part: Part) -> Answer {
        Answer { envelope: part.envelope, outgoing: self.outgoing.clone() }
    }

    /// The question's own words.
    pub fn texts(&self) -> &Texts {
        &self.outgoing.texts
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if !self.over {
            self.correspondent.cancel(&self.outgoing);
        }
    }
}

/// True for an answer that others follow.
pub fn is_part(envelope: &Envelope) -> bool {
    let ends = [Performative::Failure, Performative::Refuse, Performative::NotUnderstood];
    let mut params = envelope.extra.as_ref().into_option().into_iter().flat_map(|extra| extra.params.iter());
    !ends.iter().any(|act| act.code() == envelope.head.performative)
        && params.any(|param| param.0.eq_ignore_ascii_case(PARTIAL) && param.1.eq_ignore_ascii_case("true"))
}
