//! What a message is promised: how it says so, how the books are kept for each class, and what is left when the server
//! ends.

use std::sync::{Arc, Mutex};

use caxton_abi::{
    Code, Envelope, EventName, Extra, class,
    std_types::{RArc, ROption, Tuple2},
};
use caxton_acl::Performative::Inform;
use caxton_core::{ClassBooks, Limits, agent::Fault};

use crate::{rig::*, shelf::*};

fn with_param(mut message: Envelope, value: &str) -> Envelope {
    let params = vec![Tuple2("x-caxton-CLASS".into(), value.into())].into();
    message.extra = ROption::RSome(RArc::new(Extra { params, ..Extra::default() }));
    message
}

fn books(rig: &Rig, class: u8) -> ClassBooks {
    rig.bus.accounting().by_class[usize::from(class)]
}

#[test]
fn a_message_states_its_class_in_its_header_or_by_a_parameter() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| Ok(()));
    rig.submit(message(rig.client, bob, Inform, "plain"));
    rig.submit(with_param(message(rig.client, bob, Inform, "by parameter"), "acked"));
    rig.submit(with_param(acked(rig.client, bob, "the header counts"), "volatile"));
    assert_eq!((books(&rig, class::VOLATILE).accepted, books(&rig, class::ACKED).accepted), (1, 2));
}

#[test]
fn a_class_that_is_none_is_refused() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| Ok(()));
    let unknown = with_param(message(rig.client, bob, Inform, "x"), "safe");
    assert_eq!(rig.submit(unknown).code, Code::CLASS_UNKNOWN);
    assert_eq!(rig.submit(of_class(9, rig.client, bob, "x")).code, Code::CLASS_UNKNOWN);
    assert_eq!(books(&rig, class::VOLATILE).refused, 2);
}

#[test]
fn a_guest_learns_at_once_that_a_class_is_none_or_cannot_be_kept() {
    let rig = Rig::new();
    let client = rig.client;
    let codes = Arc::new(Mutex::new(Vec::new()));
    let log = codes.clone();
    let bob = rig.agent("bob", move |_, turn| {
        for message in [of_class(7, 0, client, "x"), durable(0, client, "y"), acked(0, client, "z")] {
            log.lock().unwrap().push(turn.stage(message).err());
        }
        Ok(())
    });
    rig.tell(bob, "go");
    rig.run();
    let codes = codes.lock().unwrap().clone();
    assert_eq!(codes, [Some(Code::CLASS_UNKNOWN), Some(Code::DURABLE_UNAVAILABLE), None]);
    assert_eq!(texts(&rig.got()), ["z"]);
}

#[test]
fn a_guest_learns_at_once_that_a_mailbox_is_full_until_it_is_not() {
    let rig = Rig::new();
    let small = caxton_core::AgentSpec { mailbox_messages_max: Some(1), ..spec("full") };
    let full = rig.deploy_as(small, Hooks::default());
    let codes = Arc::new(Mutex::new(Vec::new()));
    let log = codes.clone();
    let bob = rig.agent("bob", move |_, turn| {
        let staged = [message(0, full, Inform, "x"), acked(0, full, "y")].map(|message| turn.stage(message));
        log.lock().unwrap().extend(staged.map(Result::err));
        Err(fault())
    });
    rig.run();
    for word in ["fits", "does not"] {
        rig.tell(full, word);
    }
    rig.tell(bob, "go");
    let mut others = Vec::new();
    while let Some(turn) = rig.bus.next(0, rig.now) {
        if turn.address() == bob { rig.bus.finish(turn.run(), rig.now) } else { others.push(turn) }
    }
    // `full` took its message into a turn, so there is room again.
    rig.tell(bob, "again");
    let before = std::mem::take(&mut *codes.lock().unwrap());
    others.into_iter().for_each(|turn| rig.bus.finish(turn.run(), rig.now));
    rig.run();
    let after = codes.lock().unwrap().clone();
    assert!(before.iter().chain(&after).all(|code| code.is_none_or(|code| code == Code::MAILBOX_FULL)));
    assert_eq!(after.last().copied(), Some(None), "an acked message waits for room");
}

#[test]
fn every_class_has_its_own_sum() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let bob = rig.agent("bob", |batch, _| {
        if batch.iter().any(|message| text(message) == "bad") { Err(fault()) } else { Ok(()) }
    });
    rig.run();
    rig.tell(bob, "good");
    rig.tell(bob, "bad");
    rig.submit(acked(rig.client, bob, "good"));
    rig.keep(&shelf, bob, "good");
    rig.run_with(&shelf);
    rig.keep(&shelf, bob, "waits");
    let volatile = books(&rig, class::VOLATILE);
    assert_eq!((volatile.delivered, volatile.dead_lettered), (2, 1), "with the failure to the client");
    assert_eq!(books(&rig, class::ACKED).delivered, 1);
    let durable = books(&rig, class::DURABLE);
    assert_eq!((durable.accepted, durable.delivered, durable.in_flight), (2, 1, 1));
    assert!(rig.bus.accounting().holds());
}

#[test]
fn an_acked_message_of_any_act_expires() {
    let limits = Limits { acked_ms_max: 50, ..Limits::default() };
    let mut rig = Rig::with(limits);
    let bob = rig.agent("bob", |_, _| Ok(()));
    rig.run();
    rig.submit(acked(rig.client, bob, "late"));
    rig.now = rig.now.plus_millis(51);
    rig.run();
    assert_eq!(books(&rig, class::ACKED).expired, 1);
    assert_eq!(failure_code(&rig.got()[0]), "CX0306");
}

#[test]
fn what_is_left_at_the_end_is_dropped_dead_or_in_the_store() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let bob = rig.agent("bob", |_, _| Ok(()));
    rig.tell(bob, "volatile");
    rig.submit(message(rig.client, rig.address("nobody"), Inform, "parked"));
    rig.submit(acked(rig.client, bob, "acked"));
    rig.keep(&shelf, bob, "durable");
    rig.signals();
    let books = rig.bus.close(rig.now);
    assert!(books.holds(), "{books:?}");
    assert_eq!(books.dropped.get(&Code::SHUTTING_DOWN), Some(&2));
    assert_eq!(books.dead_lettered.get(&Code::SHUTTING_DOWN), Some(&1));
    assert_eq!((books.in_flight, shelf.kept.lock().unwrap().texts()), (1, vec!["durable".to_owned()]));
    assert_eq!(rig.named(EventName::MESSAGE_DROPPED).len(), 2);
    assert_eq!(rig.tell(bob, "late").code, Code::SHUTTING_DOWN);
}

#[test]
fn a_turn_that_ends_after_the_end_still_counts() {
    let rig = Rig::new();
    let bob = rig.agent("bob", move |_, turn| {
        let sender = turn.address;
        turn.stage(message(0, sender, Inform, "to itself"))
            .map(|_| ())
            .map_err(|code| Fault::Returned { code: code.slug().to_owned(), detail: String::new() })
    });
    rig.run();
    rig.tell(bob, "runs");
    let turn = rig.bus.next(0, rig.now).unwrap();
    let closed = rig.bus.close(rig.now);
    rig.bus.finish(turn.run(), rig.now);
    let books = rig.bus.accounting();
    assert!(closed.holds() && books.holds());
    assert_eq!((closed.in_flight, books.in_flight, books.delivered), (1, 0, 1));
    assert_eq!(books.refused, 2, "what it sent, and the failure for that");
}
