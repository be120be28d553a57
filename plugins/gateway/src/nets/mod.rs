//! `contract-nets.run`: the endpoint is the initiator of a contract net (SC00029) and answers with its result.
//!
//! ```text
//!   participants ── agents.list ──▶ names ── cfp each, own reply-with ──▶ bids, until all answered or the deadline
//!   best bid ── accept ──▶ result: done, or failed or overdue ──▶ the next best bid while valid ── the others: reject
//! ```
//!
//! A contract net that began goes on when its caller leaves, so that nobody who bid is left without an answer; it ends
//! by its own times.

mod bids;
mod participants;

use std::{sync::Arc, time::Duration};

use bids::{Bids, Select, State as Part};
use caxton_acl::Performative;
use caxton_plugin::{
    Code, Envelope, Error, Header, Payload,
    asking::{Ticket, delivery, envelope, minted, traceparent},
    class,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{document, shared::Shared};

/// The protocol's token.
const PROTOCOL: &str = "fipa-contract-net";

/// The request's document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Call {
    participants: Vec<String>,
    task: String,
    /// What the winner gets with the acceptance.
    #[serde(default)]
    work: String,
    #[serde(default = "deadline_ms")]
    deadline_ms: u64,
    #[serde(default = "result_timeout_ms")]
    result_timeout_ms: u64,
    #[serde(default)]
    select: Select,
    #[serde(default = "price_key")]
    price_key: String,
    /// The class of every message of the initiator.
    #[serde(default)]
    class: Option<String>,
    /// The trace that its messages belong to, as W3C writes it.
    #[serde(default)]
    traceparent: Option<String>,
}

fn deadline_ms() -> u64 {
    2000
}

fn result_timeout_ms() -> u64 {
    30_000
}

fn price_key() -> String {
    "price".to_owned()
}

/// Runs a contract net to its end.
pub(crate) async fn run(shared: &Arc<Shared>, call: Call) -> Result<Value, Error> {
    let shared = shared.clone();
    shared.open()?;
    check(&shared, &call)?;
    let runs = shared.net();
    let net = tokio::spawn(async move {
        let _runs = runs;
        Net::open(&shared, &call).await?.run(&call).await
    });
    net.await.unwrap_or_else(|_| Err(Error::new(Code::INTERNAL, "the code of this contract net panicked")))
}

fn check(shared: &Shared, call: &Call) -> Result<(), Error> {
    let max = shared.config.ask_timeout_ms_max;
    let times = [("deadline-ms", call.deadline_ms), ("result-timeout-ms", call.result_timeout_ms)];
    match times.iter().find(|(_, millis)| *millis == 0 || *millis > max) {
        Some((key, millis)) => {
            let detail = format!("`{key}` is {millis}, expected 1 to {max} (ask_timeout_ms_max)");
            Err(Error::new(Code::CONTROL_REQUEST_INVALID, detail))
        }
        None => Ok(()),
    }
}

/// A contract net that runs.
struct Net<'a> {
    shared: &'a Shared,
    ticket: Ticket,
    bids: Bids,
    /// What every message of the initiator has in common.
    head: Header,
    text: String,
}

/// How an accepted bid ended.
enum Work {
    Done(Payload),
    /// With what is known of the failure.
    Failed(Payload),
    Overdue,
}

impl<'a> Net<'a> {
    /// Finds the participants and takes places for the answers of each, to the call and to an acceptance.
    async fn open(shared: &'a Shared, call: &Call) -> Result<Self, Error> {
        let trace = call.traceparent.as_deref().and_then(traceparent::parse).unwrap_or_default();
        let names = participants::expand(shared, &call.participants).await?;
        let texts: Vec<&str> = names.iter().map(String::as_str).collect();
        let addresses = shared.host.addresses(&texts);
        let class = call.class.as_deref().map_or(Ok(class::VOLATILE), delivery::parse)?;
        let (conversation, text) = minted(&shared.host);
        let protocol = shared.host.symbol(PROTOCOL);
        let sender = shared.asking.address();
        let head = Header { conversation, trace, sender, protocol, class, ..Header::default() };
        // Each may answer the call, an acceptance and a rejection.
        let mut ticket = shared.asking.waiting().open(names.len().saturating_mul(3));
        let mut bids = Bids::new(call.select, call.price_key.clone());
        for (name, address) in names.into_iter().zip(addresses) {
            if address == 0 {
                let detail = format!("the server gives no address to `{name}`");
                return Err(Error::new(Code::NAMES_EXHAUSTED, detail));
            }
            let numbers = [shared.asking.number(), shared.asking.number()];
            for number in numbers {
                ticket.expect(conversation, number)?;
            }
            bids.call(name, address, numbers);
        }
        Ok(Self { shared, ticket, bids, head, text })
    }

    async fn run(mut self, call: &Call) -> Result<Value, Error> {
        self.call_for_proposals(call).await;
        self.collect(Duration::from_millis(call.deadline_ms)).await;
        let won =
            self.award(Payload::from(call.work.clone()), Duration::from_millis(call.result_timeout_ms)).await;
        self.reject_others().await;
        let outcome = match (&won, self.bids.any()) {
            (Some(_), _) => "completed",
            (None, true) => "failed",
            (None, false) => "no-bids",
        };
        let (winner, result) = won.unzip();
        let (key, result) = match result {
            Some(result) => document::member("result", &result),
            None => ("result".to_owned(), Value::Null),
        };
        Ok(json!({
            "kind": "caxton.contract-net/v1",
            "conversation-id": self.text,
            "bids": self.bids.document(),
            "winner": winner,
            key: result,
            "outcome": outcome,
        }))
    }

    /// Sends the task to everyone; whose copy the bus refuses has failed.
    async fn call_for_proposals(&mut self, call: &Call) {
        let reply_by_ms = self.shared.host.now_ms().saturating_add(call.deadline_ms);
        let content = Payload::from(call.task.clone());
        let head = Header { performative: Performative::Cfp.code(), reply_by_ms, ..self.head };
        let copies = self.bids.list().iter().map(|bid| {
            let head = Header { receiver: bid.address, reply_with: bid.called_with, ..head };
            Envelope::new(head, content.clone())
        });
        let codes = self.submit(copies.collect()).await;
        for (index, code) in codes.into_iter().enumerate().filter(|(_, code)| !code.is_none()) {
            self.bids.fail(index, reason(code));
        }
    }

    /// Takes bids until everyone answered or the deadline passes.
    async fn collect(&mut self, deadline: Duration) {
        let (bids, ticket) = (&mut self.bids, &mut self.ticket);
        let all = async {
            while bids.undecided() {
                bids.answer(&ticket.answer().await);
            }
        };
        // Passing the deadline is an ordinary end of the calling.
        let _ = tokio::time::timeout(deadline, all).await;
        self.bids.close();
    }

    /// Accepts the best bid, and after a failure or an overdue result the next best, while bids bind. Answers with the
    /// agent that did the work and its result. Who was overdue may still be at work: a task may be done twice.
    async fn award(&mut self, work: Payload, timeout: Duration) -> Option<(String, Payload)> {
        while let Some(index) = self.bids.best(self.shared.host.now_ms()) {
            match self.accept(index, work.clone(), timeout).await {
                Work::Done(result) => {
                    self.bids.set(index, Part::Done);
                    return self.bids.list().get(index).map(|bid| (bid.agent.clone(), result));
                }
                Work::Failed(reason) => self.bids.fail(index, reason),
                Work::Overdue => self.bids.set(index, Part::Overdue),
            }
        }
        None
    }

    async fn accept(&mut self, index: usize, work: Payload, timeout: Duration) -> Work {
        let Some(bid) = self.bids.list().get(index) else { return Work::Failed(Payload::EMPTY) };
        let numbers = [bid.called_with, bid.accepted_with];
        let head = Header {
            performative: Performative::AcceptProposal.code(),
            receiver: bid.address,
            reply_with: bid.accepted_with,
            in_reply_to: bid.proposed_with,
            reply_by_ms: self.shared.host.now_ms().saturating_add(timeout.as_millis() as u64),
            ..self.head
        };
        self.bids.set(index, Part::Accepted);
        let codes = self.submit(vec![Envelope::new(head, work)]).await;
        if let Some(code) = codes.into_iter().find(|code| !code.is_none()) {
            return Work::Failed(reason(code));
        }
        tokio::time::timeout(timeout, self.result(numbers)).await.unwrap_or(Work::Overdue)
    }

    /// Waits for the accepted agent; what others say meanwhile goes into the book.
    async fn result(&mut self, in_reply_to: [u32; 2]) -> Work {
        loop {
            let answer = self.ticket.answer().await;
            if !in_reply_to.contains(&answer.head.in_reply_to) {
                self.bids.answer(&answer);
                continue;
            }
            match Performative::from_code(answer.head.performative) {
                Some(Performative::Inform) => return Work::Done(answer.content),
                Some(Performative::Failure)
                    if envelope::platform_code(&answer) == Some(Code::RESULT_OVERDUE) =>
                {
                    return Work::Overdue;
                }
                Some(Performative::Failure | Performative::Refuse | Performative::NotUnderstood) => {
                    return Work::Failed(answer.content);
                }
                _ => {}
            }
        }
    }

    /// Every bid that is still open gets its rejection.
    async fn reject_others(&mut self) {
        let head = Header { performative: Performative::RejectProposal.code(), ..self.head };
        let open = self.bids.reject_open().into_iter();
        let copies = open.map(|(receiver, in_reply_to)| {
            Envelope::new(Header { receiver, in_reply_to, ..head }, Payload::EMPTY)
        });
        // A rejection that the bus refuses has no effect on the result; the bus records it.
        self.submit(copies.collect()).await;
    }

    /// Submits messages; answers with one code each, zero for those that were accepted.
    async fn submit(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let count = batch.len();
        match self.shared.asking.submit(batch).await {
            Ok(outcomes) => outcomes.into_iter().map(|outcome| outcome.code).collect(),
            Err(error) => vec![error.code(); count],
        }
    }
}

/// What a refusal of the bus says in the place of the participant.
fn reason(code: Code) -> Payload {
    Payload::from(format!("{code} {}", code.slug()))
}
