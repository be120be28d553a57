//! Plugins are exchanged while messages flow: a held protocol port, and an address that goes to another endpoint.

use std::sync::{Arc, Mutex};

use caxton_abi::{
    Code, Envelope, Header, Payload, Uid,
    port::{Action, Observation, action, observed},
};
use caxton_acl::Performative::{Cfp, Inform};
use caxton_core::{Endpoint, Limits, Protocol, UnderWay, names::symbols};

use crate::rig::*;

const PORT: u32 = 1;

/// Keeps in order what it is told; its state is the list, so that a new version shows what it took over.
#[derive(Default)]
struct Book {
    lines: Mutex<Vec<String>>,
    errs: bool,
}

impl Book {
    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    fn taking_over(old: &Self) -> Arc<Self> {
        Arc::new(Self { lines: Mutex::new(old.lines()), errs: false })
    }
}

impl Protocol for Book {
    fn protocols(&self) -> Vec<String> {
        vec!["fipa-contract-net".to_owned()]
    }
    fn observe(&self, batch: &[Observation], _: u64, _: &mut Vec<Action>) -> Result<(), Code> {
        let line = |entry: &Observation| match entry.kind {
            observed::MESSAGE => text(&entry.envelope),
            observed::UNDELIVERABLE => format!("lost {}", text(&entry.envelope)),
            _ => format!("gone {}", entry.code),
        };
        self.lines.lock().unwrap().extend(batch.iter().map(line));
        if self.errs { Err(Code::PLUGIN_PANICKED) } else { Ok(()) }
    }
    fn timers(&self, tokens: &[u64], _: u64, out: &mut Vec<Action>) -> Result<(), Code> {
        self.lines.lock().unwrap().push(format!("timers {tokens:?}"));
        if tokens.is_empty() {
            out.push(Action { kind: action::SET_TIMER, token: 9, ..nothing() });
        }
        Ok(())
    }
    fn describe(&self, _: Uid) -> Option<String> {
        None
    }
}

fn nothing() -> Action {
    Action {
        kind: 0,
        flags: 0,
        code: Code::NONE,
        index: 0,
        token: 0,
        time_ms: 0,
        envelope: Envelope::new(Header::default(), Payload::EMPTY),
        text: Default::default(),
    }
}

fn watched(rig: &Rig, to: u32, content: &str) -> Envelope {
    let mut cfp = message(rig.client, to, Cfp, content);
    cfp.head.protocol = symbols::CONTRACT_NET;
    cfp
}

fn book(rig: &Rig) -> Arc<Book> {
    let book = Arc::new(Book::default());
    rig.bus.set_protocol(PORT, Some(book.clone()));
    book
}

#[test]
fn f14_a_protocol_is_swapped_in_mid_conversation_and_nothing_is_dropped() {
    let rig = Rig::new();
    let old = book(&rig);
    rig.submit(watched(&rig, rig.client, "before"));
    rig.bus.hold_protocol(PORT);
    rig.submit(watched(&rig, rig.client, "during"));
    assert_eq!((texts(&rig.got()), rig.bus.accounting().in_flight), (vec!["before".to_owned()], 1));
    assert!(rig.bus.protocol_quiet(PORT));
    let new = Book::taking_over(&old);
    rig.bus.set_protocol(PORT, Some(new.clone()));
    assert_eq!(old.lines(), ["before"]);
    rig.bus.release_protocol(PORT, rig.now);
    rig.submit(watched(&rig, rig.client, "after"));
    assert_eq!(texts(&rig.got()), ["during", "after"]);
    assert_eq!(new.lines(), ["before", "timers []", "during", "after"]);
    assert_eq!(rig.dead(), []);
}

#[test]
fn f14_when_the_new_version_refuses_the_old_one_goes_on_with_what_waited() {
    let rig = Rig::new();
    let old = book(&rig);
    rig.bus.hold_protocol(PORT);
    rig.submit(watched(&rig, rig.client, "during"));
    rig.bus.release_protocol(PORT, rig.now);
    assert_eq!(texts(&rig.got()), ["during"]);
    assert_eq!(old.lines(), ["during"]);
}

#[test]
fn what_follows_between_the_same_two_waits_behind_and_others_pass() {
    let rig = Rig::new();
    book(&rig);
    let other = rig.bus.claim("other", 1, rig.inbox.clone(), rig.now).unwrap();
    rig.bus.hold_protocol(PORT);
    rig.submit(watched(&rig, rig.client, "first"));
    rig.tell(rig.client, "second");
    rig.tell(other, "passes");
    assert_eq!(texts(&rig.got()), ["passes"]);
    rig.bus.release_protocol(PORT, rig.now);
    assert_eq!(texts(&rig.got()), ["first", "second"]);
}

#[test]
fn losses_are_told_after_the_hold_in_the_order_in_which_they_came() {
    let mut rig = Rig::new();
    book(&rig);
    let bob = rig.agent("bob", |_, _| Ok(()));
    let nobody = rig.address("nobody");
    rig.run();
    rig.submit(watched(&rig, nobody, "to nobody"));
    rig.bus.hold_protocol(PORT);
    rig.submit(watched(&rig, bob, "to bob"));
    rig.bus.remove("bob", rig.now).unwrap();
    rig.later(10_000);
    let new = Arc::new(Book::default());
    rig.bus.set_protocol(PORT, Some(new.clone()));
    rig.bus.release_protocol(PORT, rig.now);
    let stopped = format!("gone {}", Code::AGENT_STOPPED);
    assert_eq!(new.lines(), ["timers []", "to bob", &stopped, "to nobody", "lost to bob", "lost to nobody"]);
}

#[test]
fn timers_of_a_held_protocol_come_after_what_waited() {
    let mut rig = Rig::new();
    let old = book(&rig);
    rig.bus.hold_protocol(PORT);
    rig.bus.set_protocol(PORT, Some(old.clone()));
    rig.bus.release_protocol(PORT, rig.now);
    rig.bus.hold_protocol(PORT);
    rig.later(1);
    rig.submit(watched(&rig, rig.client, "during"));
    rig.bus.release_protocol(PORT, rig.now);
    rig.later(1);
    assert_eq!(old.lines(), ["timers []", "during", "timers [9]"]);
}

#[test]
fn more_than_may_wait_fails_and_the_sender_is_told() {
    let rig = Rig::with(Limits { held_messages_max: 1, ..Limits::default() });
    book(&rig);
    rig.bus.hold_protocol(PORT);
    rig.submit(watched(&rig, rig.client, "waits"));
    rig.submit(watched(&rig, rig.client, "finds no room"));
    assert_eq!(rig.dead(), [Code::PLUGIN_UNAVAILABLE]);
    rig.bus.release_protocol(PORT, rig.now);
    assert_eq!(texts(&rig.got())[0], "waits");
}

#[test]
fn a_held_protocol_that_is_taken_away_fails_what_waited() {
    let rig = Rig::new();
    book(&rig);
    rig.bus.hold_protocol(PORT);
    rig.submit(watched(&rig, rig.client, "during"));
    rig.bus.set_protocol(PORT, None);
    rig.bus.release_protocol(PORT, rig.now);
    assert_eq!(rig.dead(), [Code::PLUGIN_UNAVAILABLE]);
    assert_eq!(failure_code(&rig.got()[0]), "CX0214");
}

#[test]
fn a_failure_is_told_to_the_sender_when_the_new_protocol_errs() {
    let mut rig = Rig::new();
    book(&rig);
    let nobody = rig.address("nobody");
    rig.submit(watched(&rig, nobody, "to nobody"));
    rig.bus.hold_protocol(PORT);
    rig.later(10_000);
    rig.bus.set_protocol(PORT, Some(Arc::new(Book { errs: true, ..Book::default() })));
    rig.bus.release_protocol(PORT, rig.now);
    assert_eq!(failure_code(&rig.got()[0]), "CX0302");
}

/// Submits from within `deliver`, which a held port must outlive.
struct Answers(Arc<Rig>);

impl Endpoint for Answers {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        for question in &batch {
            let mut answer = message(question.head.receiver, self.0.client, Inform, "answer");
            answer.head.protocol = symbols::CONTRACT_NET;
            self.0.submit(answer);
        }
        vec![Code::NONE; batch.len()]
    }
}

#[test]
fn what_is_sent_while_the_port_goes_on_passes_after_what_waited() {
    let rig = Arc::new(Rig::new());
    let lines = book(&rig);
    let echo = rig.bus.claim("echo", 1, Arc::new(Answers(rig.clone())), rig.now).unwrap();
    rig.bus.hold_protocol(PORT);
    rig.submit(watched(&rig, echo, "question"));
    rig.submit(watched(&rig, rig.client, "later"));
    rig.bus.release_protocol(PORT, rig.now);
    assert_eq!(lines.lines(), ["question", "later", "answer"]);
    assert_eq!(texts(&rig.got()), ["later", "answer"]);
    rig.bus.release(echo, rig.now);
}

#[test]
fn an_address_goes_to_another_endpoint_in_order() {
    let rig = Rig::new();
    let (old, new) = (Arc::new(Inbox::default()), Arc::new(Inbox::default()));
    let address = rig.bus.claim("desk", 7, old.clone(), rig.now).unwrap();
    rig.tell(address, "one");
    assert!(rig.bus.transfer(address, new.clone(), UnderWay::Ends, rig.now));
    rig.tell(address, "two");
    assert_eq!(texts(&old.got.lock().unwrap()), ["one"]);
    assert_eq!(texts(&new.got.lock().unwrap()), ["two"]);
    assert_eq!(rig.bus.owner_of(address), Some(7));
    assert!(!rig.bus.transfer(9_999, new, UnderWay::Ends, rig.now));
}

/// Hands its own address to another endpoint while it is called, as a host does for one that hangs.
struct Hangs {
    rig: Arc<Rig>,
    next: Arc<Inbox>,
    under_way: UnderWay,
    seen: Mutex<Vec<String>>,
}

impl Endpoint for Hangs {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let address = batch[0].head.receiver;
        self.rig.tell(address, "behind");
        self.rig.bus.transfer(address, self.next.clone(), self.under_way, self.rig.now);
        self.seen.lock().unwrap().extend(texts(&self.next.got.lock().unwrap()));
        vec![Code::NONE; batch.len()]
    }
}

fn taken_before_the_call_ended(under_way: UnderWay) -> (Vec<String>, Vec<String>) {
    let rig = Arc::new(Rig::new());
    let next = Arc::new(Inbox::default());
    let hangs = Hangs { rig: rig.clone(), next: next.clone(), under_way, seen: Mutex::default() };
    let hangs = Arc::new(hangs);
    let address = rig.bus.claim("desk", 1, hangs.clone(), rig.now).unwrap();
    rig.tell(address, "first");
    rig.bus.release(address, rig.now);
    let seen = hangs.seen.lock().unwrap().clone();
    let all = texts(&next.got.lock().unwrap());
    (seen, all)
}

#[test]
fn the_next_endpoint_is_called_after_the_call_that_is_under_way() {
    assert_eq!(taken_before_the_call_ended(UnderWay::Ends), (Vec::new(), vec!["behind".to_owned()]));
}

#[test]
fn a_call_that_hangs_is_not_waited_for() {
    let behind = vec!["behind".to_owned()];
    assert_eq!(taken_before_the_call_ended(UnderWay::Abandoned), (behind.clone(), behind));
}
