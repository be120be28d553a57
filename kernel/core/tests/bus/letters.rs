//! Dead letters: numbered, bounded, sent again and purged.

use std::sync::{Arc, Mutex};

use caxton_abi::{Code, EventName, flags};
use caxton_core::{Limits, store::Requeued};

use crate::{rig::*, shelf::*};

type Results = Arc<Mutex<Option<Vec<(u64, Code)>>>>;

fn requeue(rig: &Rig, numbers: &[u64]) -> Results {
    let results = Results::default();
    let answer = results.clone();
    let take = move |all: Vec<Requeued>| {
        *answer.lock().unwrap() = Some(all.iter().map(|one| (one.number, one.code)).collect());
    };
    rig.bus.requeue(numbers, rig.now, Box::new(take));
    results
}

fn numbers(rig: &Rig) -> Vec<u64> {
    rig.bus.dead_letters(100).iter().map(|letter| letter.number).collect()
}

/// A dead letter of an agent that was removed.
fn bury(rig: &Rig, text: &str) -> u64 {
    let bob = rig.agent("bob", |_, _| Ok(()));
    rig.tell(bob, text);
    rig.bus.remove("bob", rig.now).unwrap();
    rig.run();
    numbers(rig)[0]
}

#[test]
fn letters_are_numbered_and_listed_newest_first() {
    let rig = Rig::new();
    let (one, two) = (bury(&rig, "one"), bury(&rig, "two"));
    assert!(one < two);
    assert_eq!(numbers(&rig), [two, one]);
    let letter = rig.bus.dead_letter(one).unwrap();
    assert_eq!(
        (text(&letter.envelope).as_str(), letter.code, letter.at),
        ("one", Code::AGENT_STOPPED, rig.now)
    );
    assert!(rig.bus.dead_letter(99).is_none());
}

#[test]
fn the_oldest_letter_is_forgotten_and_counted() {
    let rig = Rig::with(Limits { dead_letters_max: 1, ..Limits::default() });
    bury(&rig, "one");
    let two = bury(&rig, "two");
    assert_eq!(numbers(&rig), [two]);
    let books = rig.bus.accounting();
    assert_eq!((books.dead(), books.dead_letters_forgotten), (2, 1));
}

#[test]
fn a_letter_that_is_sent_again_is_the_same_message_flagged() {
    let rig = Rig::new();
    let number = bury(&rig, "again");
    let id = rig.bus.dead_letter(number).unwrap().envelope.head.id;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    rig.agent("bob", move |batch, _| {
        log.lock().unwrap().extend(batch.iter().map(|message| (message.head.id, message.head.flags)));
        Ok(())
    });
    let results = requeue(&rig, &[number, 99]);
    rig.run();
    assert_eq!(results.lock().unwrap().clone().unwrap(), [(number, Code::NONE), (99, Code::NOT_FOUND)]);
    assert_eq!(*seen.lock().unwrap(), [(id, flags::REDELIVERED)]);
    assert!(numbers(&rig).is_empty());
    assert_eq!(rig.bus.accounting().accepted, 3, "the message, its failure, and the message again");
}

#[test]
fn a_letter_that_is_refused_stays() {
    let rig = Rig::with(Limits { pending_messages_max: 0, ..Limits::default() });
    let number = bury(&rig, "x");
    let results = requeue(&rig, &[number]);
    assert_eq!(results.lock().unwrap().clone().unwrap(), [(number, Code::PENDING_FULL)]);
    assert_eq!(numbers(&rig), [number]);
}

#[test]
fn a_letter_that_is_purged_is_gone_and_stays_counted() {
    let rig = Rig::new();
    let number = bury(&rig, "x");
    assert_eq!(rig.bus.purge(&[number, 99]), [number]);
    assert!(numbers(&rig).is_empty());
    assert_eq!(rig.bus.accounting().dead(), 1);
}

#[test]
fn a_durable_letter_leaves_the_store_when_its_message_is_kept_again() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let bob = rig.agent("bob", |_, _| Ok(()));
    rig.keep(&shelf, bob, "x");
    rig.bus.remove("bob", rig.now).unwrap();
    rig.run_with(&shelf);
    let number = numbers(&rig)[0];
    rig.agent("bob", |_, _| Ok(()));
    rig.run();
    let results = requeue(&rig, &[number]);
    assert!(results.lock().unwrap().is_none(), "it is being written");
    let second = requeue(&rig, &[number]);
    assert_eq!(second.lock().unwrap().clone().unwrap(), [(number, Code::STORING)]);
    assert!(rig.write_one(&shelf));
    assert_eq!(results.lock().unwrap().clone().unwrap(), [(number, Code::NONE)]);
    let kept = shelf.kept.lock().unwrap().clone();
    assert_eq!((kept.letters.len(), kept.messages.len()), (0, 1));
    rig.run_with(&shelf);
    assert_eq!(rig.bus.agent("bob").unwrap().received, 1);
    assert!(shelf.kept.lock().unwrap().messages.is_empty());
}

#[test]
fn a_durable_letter_that_cannot_be_written_stays() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let bob = rig.agent("bob", |_, _| Ok(()));
    rig.keep(&shelf, bob, "x");
    rig.bus.remove("bob", rig.now).unwrap();
    rig.run_with(&shelf);
    let number = numbers(&rig)[0];
    let results = requeue(&rig, &[number]);
    rig.fail_one(&shelf, Code::STORE_FULL);
    assert_eq!(results.lock().unwrap().clone().unwrap(), [(number, Code::STORE_FULL)]);
    assert_eq!(numbers(&rig), [number]);
    rig.bus.purge(&[number]);
    rig.write(&shelf);
    assert!(shelf.kept.lock().unwrap().letters.is_empty());
}

#[test]
fn an_acked_letter_gets_a_new_time() {
    let mut rig = Rig::new();
    let stubborn = rig.agent("stubborn", |_, _| Err(fault()));
    rig.submit(acked(rig.client, stubborn, "x"));
    rig.run();
    let number = numbers(&rig)[0];
    rig.bus.remove("stubborn", rig.now).unwrap();
    rig.agent("stubborn", |_, _| Ok(()));
    rig.later(60_000);
    rig.signals();
    requeue(&rig, &[number]);
    rig.run();
    assert_eq!(rig.bus.agent("stubborn").unwrap().received, 1);
    assert!(rig.named(EventName::MESSAGE_EXPIRED).is_empty());
}
