//! Messages of clients, for every transport: sends them as one address, and brings answers back to who asked.
//!
//! ```text
//!   ACL message of a client ── envelope (Sender: names to numbers) ──▶ Host::submit
//!                  who asked ◀── waiting (conversation, reply-with) ◀── Endpoint::deliver
//! ```
//!
//! The answer to a question is the first message of the conversation whose in-reply-to is the question's reply-with,
//! `agree` apart, which only announces one. A question without reply-by gets the end of the waiting as its reply-by, so
//! nobody works for a caller that left. With several receivers the first answer counts; later ones become dead letters.
//!
//! Errors carry what a client needs to know beside the code in their detail: `conversation-id`, and `refused` where
//! several copies were. Waiting needs a plugin whose manifest says `"runtime": true`. Bounded by `waiting_max` answers
//! that are waited for, [`MESSAGES_MAX`] messages and [`COPIES_MAX`] copies of one call.

pub mod accepted;
pub mod answers;
pub mod delivery;
pub mod envelope;
pub mod traceparent;
pub mod waiting;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

pub use accepted::{Accepted, judge};
pub use answers::{Answers, PARTIAL, Part};
use caxton_abi::{Code, Envelope, TraceContext, class, port::Outcome};
use caxton_acl::{DateTime, Message, Performative};
pub use delivery::Delivery;
pub use envelope::{Outgoing, Sender, Texts, full_name, minted};
use serde_json::json;
pub use waiting::{Ticket, Waiting};

use crate::{Error, Host};

/// How long a caller waits who does not say, in milliseconds.
pub const TIMEOUT_MS: u64 = 30_000;
/// Messages of one call: enough that the way there and back costs little for each.
pub const MESSAGES_MAX: usize = 1000;
/// Copies of all messages of one call together, where messages name several receivers.
pub const COPIES_MAX: usize = 16_384;
/// Answers that may come before the caller looks: an agree, the answer, and some room.
const ANSWERS_MAX: usize = 8;
/// How long a durable message may take to be written, where nothing else is set.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// One address with those who wait for answers at it.
pub struct Correspondent {
    host: Host,
    /// The claimed address; zero before the start.
    address: AtomicU32,
    /// The last reply-with that was given out.
    numbers: AtomicU32,
    waiting: Arc<Waiting>,
    write_timeout: Duration,
}

impl Correspondent {
    /// Makes one that holds up to `waiting_max` who wait; it has no address yet.
    pub fn new(host: Host, waiting_max: usize) -> Self {
        let waiting = Arc::new(Waiting::new(waiting_max));
        Self {
            host,
            address: AtomicU32::new(0),
            numbers: AtomicU32::new(0),
            waiting,
            write_timeout: WRITE_TIMEOUT,
        }
    }

    /// Gives out reply-withs from here on, for an instance that takes over from another.
    #[must_use]
    pub fn counting_from(mut self, reply_with: u32) -> Self {
        self.numbers = AtomicU32::new(reply_with);
        self
    }

    /// Sets how long a durable message may take to be written.
    #[must_use]
    pub fn writing_within(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// The server.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The address in whose name it sends; zero before the start.
    pub fn address(&self) -> u32 {
        self.address.load(Ordering::Acquire)
    }

    /// Sets the address; answers with the one before.
    pub fn set_address(&self, address: u32) -> u32 {
        self.address.swap(address, Ordering::AcqRel)
    }

    /// Who waits for what.
    pub fn waiting(&self) -> &Arc<Waiting> {
        &self.waiting
    }

    /// A fresh number for a reply-with, never zero; unique among four thousand million.
    pub fn number(&self) -> u32 {
        match self.numbers.fetch_add(1, Ordering::Relaxed).wrapping_add(1) {
            0 => self.number(),
            number => number,
        }
    }

    /// A number that this instance will not come to while it drains; the next instance counts from there.
    pub fn numbers_for_the_next(&self) -> u32 {
        /// More than any instance asks in the time of a drain.
        const AHEAD: u32 = 1 << 24;
        self.numbers.load(Ordering::Relaxed).wrapping_add(AHEAD)
    }

    /// Who sends a message that belongs to a trace.
    pub fn sender(&self, trace: Option<TraceContext>) -> Sender<'_> {
        Sender { host: &self.host, address: self.address(), number: self.number(), trace }
    }

    /// Hands an answer to the one who waits for it; for [`Endpoint::deliver`](crate::Endpoint::deliver).
    pub fn deliver(&self, answer: Envelope) -> Code {
        self.waiting.deliver(answer)
    }

    /// Submits messages and answers with one outcome each, when those that are durable are on disk.
    ///
    /// # Errors
    /// When the store does not end its write in time; what then became of the messages is not known.
    pub async fn submit(&self, batch: Vec<Envelope>) -> Result<Vec<Outcome>, Error> {
        if batch.iter().all(|envelope| envelope.head.class != class::DURABLE) {
            return Ok(self.host.submit(batch));
        }
        let written = self.host.submit_and_wait(batch);
        tokio::time::timeout(self.write_timeout, written).await.map_err(|_| {
            let message = format!(
                "the store did not write within {} ms; send it again with the same `id` to learn what became of it",
                self.write_timeout.as_millis()
            );
            Error::new(Code::REPLY_TIMEOUT, message)
        })
    }

    /// Sends messages and does not wait for answers; one result each, in order. A bad one does not refuse the others.
    pub async fn send(
        &self,
        messages: Vec<(Message, Delivery)>,
        trace: Option<TraceContext>,
    ) -> Vec<Result<Accepted, Error>> {
        let count = messages.len();
        let read = messages.into_iter();
        let read = read.map(|(message, delivery)| self.sender(trace).outgoing(message, delivery));
        match self.send_read(read.collect()).await {
            Ok(results) => results,
            Err(error) => vec![Err(error); count],
        }
    }

    /// Sends messages that were read, as one batch; those that were not keep their error.
    ///
    /// # Errors
    /// As [`Correspondent::submit`].
    pub async fn send_read(
        &self,
        mut read: Vec<Result<Outgoing, Error>>,
    ) -> Result<Vec<Result<Accepted, Error>>, Error> {
        bound(&mut read);
        let copies = read.iter().flatten().flat_map(|outgoing| outgoing.copies.iter().cloned()).collect();
        let outcomes = self.submit(copies).await?;
        let mut outcomes = outcomes.as_slice();
        let results = read.into_iter().map(|outgoing| {
            let outgoing = outgoing?;
            let (own, rest) = outcomes.split_at_checked(outgoing.copies.len()).unwrap_or((outcomes, &[]));
            outcomes = rest;
            judge(outgoing, own)
        });
        Ok(results.collect())
    }

    /// Submits every copy of a question, and waits for those that are durable; else this thread may run the agent.
    async fn put(&self, outgoing: &Outgoing) -> Result<(), Error> {
        let outcomes = match outgoing.delivery.class {
            class::DURABLE => self.submit(outgoing.copies.clone()).await?,
            _ => self.host.submit_and_lend(outgoing.copies.clone()),
        };
        accepted::asked(outgoing, &outcomes)
    }

    /// Sends a question and waits until its answer comes or the time is over.
    ///
    /// # Errors
    /// What is wrong with the question, why it was refused, [`Code::DUPLICATE`] when it was asked before,
    /// [`Code::TOO_MANY_WAITING`], and [`Code::REPLY_TIMEOUT`]. An agent's failure is an answer and no error.
    pub async fn ask(
        &self,
        question: Message,
        delivery: Delivery,
        timeout: Duration,
        trace: Option<TraceContext>,
    ) -> Result<Answer, Error> {
        let outgoing = self.question(question, delivery, timeout, trace)?;
        let mut ticket = self.waiting.open(ANSWERS_MAX);
        ticket.expect(outgoing.conversation, outgoing.reply_with)?;
        self.put(&outgoing).await?;
        let waited = within(timeout, async {
            loop {
                let answer = ticket.answer().await;
                if answer.head.performative != Performative::Agree.code() {
                    break answer;
                }
            }
        });
        // The protocol's own clock ends at the same moment and may be first.
        let answer = waited.await.filter(|answer| envelope::platform_code(answer) != Some(Code::NO_REPLY));
        match answer {
            Some(envelope) => Ok(Answer { envelope, outgoing }),
            None => Err(no_answer(&outgoing, timeout)),
        }
    }

    fn question(
        &self,
        mut question: Message,
        delivery: Delivery,
        timeout: Duration,
        trace: Option<TraceContext>,
    ) -> Result<Outgoing, Error> {
        if question.reply_by.is_none() {
            question.reply_by =
                DateTime::from_ms(self.host.now_ms().saturating_add(timeout.as_millis() as u64));
        }
        self.sender(trace).outgoing(question, delivery)
    }
}

/// An answer, and the question's own words.
#[derive(Clone)]
pub struct Answer {
    /// The answer as it came.
    pub envelope: Envelope,
    /// The question as it went out.
    pub outgoing: Outgoing,
}

impl Answer {
    /// The answer in the words of the one who asked.
    ///
    /// # Errors
    /// When its act is none.
    pub fn message(&self, host: &Host) -> Result<Message, Error> {
        envelope::message(host, &self.envelope, &self.outgoing.texts)
    }

    /// Its act.
    ///
    /// # Errors
    /// When it is none.
    pub fn act(&self) -> Result<Performative, Error> {
        envelope::act(&self.envelope)
    }

    /// Why the platform says that the question came to nothing; `None` for what an agent says.
    pub fn platform_code(&self) -> Option<Code> {
        envelope::platform_code(&self.envelope)
    }

    /// The conversation as the client wrote it, or as minted.
    pub fn conversation_id(&self) -> &str {
        &self.outgoing.texts.conversation
    }
}

/// An error that names the conversation of the question.
fn about(outgoing: &Outgoing, error: Error) -> Error {
    error.with_detail(json!({"conversation-id": outgoing.texts.conversation}))
}

fn no_answer(outgoing: &Outgoing, timeout: Duration) -> Error {
    let receivers = outgoing.receivers.join("`, `");
    let message = format!("no answer from `{receivers}` within {} ms", timeout.as_millis());
    about(outgoing, Error::new(Code::REPLY_TIMEOUT, message))
}

/// Refuses the messages with which the copies are more than [`COPIES_MAX`].
fn bound(read: &mut [Result<Outgoing, Error>]) {
    let mut left = COPIES_MAX;
    for entry in read {
        let Ok(outgoing) = entry else { continue };
        match left.checked_sub(outgoing.copies.len()) {
            Some(less) => left = less,
            None => {
                let message = format!(
                    "the messages of one request may have {COPIES_MAX} receivers together; send this one in the next"
                );
                *entry = Err(Error::new(Code::TOO_MANY_RECEIVERS, message));
            }
        }
    }
}

/// What a future gives within a time; sets no timer for one that is ready.
pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(value) => Some(value),
        Poll::Pending => tokio::time::timeout(limit, future).await.ok(),
    }
}

#[cfg(test)]
mod tests;
