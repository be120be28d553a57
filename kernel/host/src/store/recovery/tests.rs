use std::sync::Arc;

use caxton_abi::{Envelope, Header, Uid};
use caxton_core::{
    DeadLetter, Limits, Options, Time,
    store::{Change, Sighting},
};

use super::*;
use crate::store::{
    faulty::Faulty,
    transaction::{Group, Transaction},
};

fn bus() -> Bus {
    let limits = Arc::new(Limits::default());
    Bus::new(Options { platform: "test".into(), limits, workers: 1, seed: 1, content_in_signals: false })
        .unwrap()
}

fn message(bus: &Bus, stored: u64) -> Envelope {
    let [sender, receiver] = ["a", "b"].map(|name| bus.address(name).unwrap());
    Envelope::new(Header { sender, receiver, stored, deliveries: 1, ..Header::default() }, vec![7].into())
}

/// A store that an earlier run left.
fn left(bus: &Bus, changes: Vec<Change>) -> Faulty {
    let store = Faulty::default();
    store.put(key::VERSION.to_vec(), FORMAT.to_vec());
    let names = bus.directory();
    let mut group = Group::new(names.as_ref());
    group.add(&Transaction::new(changes));
    store.write(&group.finish()).unwrap();
    store
}

fn refusal(store: &Faulty, policy: Recover) -> String {
    read(store, &bus(), policy).unwrap_err().to_string()
}

#[test]
fn an_empty_store_gets_the_version() {
    let store = Faulty::default();
    assert!(read(&store, &bus(), Recover::Strict).unwrap().recovered.messages.is_empty());
    assert_eq!(store.get(key::VERSION).unwrap().unwrap().as_slice(), FORMAT);
}

#[test]
fn everything_comes_back_in_order_with_its_counts() {
    let names = bus();
    let keep = |number| Change::Keep(Box::new(message(&names, number)));
    let letter = DeadLetter { number: 300, at: Time::ZERO, code: Code::POISON, envelope: message(&names, 0) };
    let seen = Sighting { number: 301, sender: 2, id: Uid { hi: 0, lo: 1 }, digest: 9 };
    let mut changes: Vec<Change> = [256, 1, 255, 2, 3].map(keep).into();
    changes.push(Change::Count { stored: 255, deliveries: 4 });
    changes.extend([
        Change::Bury(Box::new(letter)),
        Change::Saw(seen),
        Change::Forget { stored: 2, counted: true },
    ]);
    let found = read(&left(&names, changes), &bus(), Recover::Strict).unwrap();
    let head = |message: &Envelope| (message.head.stored, message.head.deliveries);
    let heads: Vec<_> = found.recovered.messages.iter().map(head).collect();
    assert_eq!(heads, [(1, 1), (3, 1), (255, 4), (256, 1)]);
    assert_eq!(found.recovered.letters.len(), 1);
    assert_eq!(found.recovered.sightings, [seen]);
}

#[test]
fn a_damaged_record_stops_the_start_and_says_which() {
    let names = bus();
    let store = left(&names, vec![Change::Keep(Box::new(message(&names, 17)))]);
    store.put(key::numbered(key::MESSAGES, 18), vec![1, 2]);
    let told = refusal(&store, Recover::Strict);
    assert!(told.starts_with("record `m/18` cannot be read: "), "{told}");
    assert!(told.contains("server.recover") && told.ends_with("[CX0330]"), "{told}");
    assert_eq!(store.keys(), ["m/17", "m/18"]);
}

#[test]
fn damaged_records_are_put_aside_where_the_operator_says_so() {
    let names = bus();
    let keep = |number| Change::Keep(Box::new(message(&names, number)));
    let store = left(&names, (1..=6).map(keep).collect());
    [2, 3, 6].iter().for_each(|number| store.put(key::numbered(key::MESSAGES, *number), vec![9]));
    store.put(key::named(key::COUNTS, b"odd"), vec![1, 1]);
    let found = read(&store, &bus(), Recover::Skip).unwrap();
    let stored: Vec<_> = found.recovered.messages.iter().map(|message| message.head.stored).collect();
    assert_eq!((stored, found.aside), (vec![1, 4, 5], 4));
    let kept = store.get(&key::named(key::ASIDE, &key::numbered(key::MESSAGES, 3))).unwrap();
    assert_eq!(kept.unwrap().as_slice(), [9]);
    assert_eq!(read(&store, &bus(), Recover::Strict).unwrap().aside, 0);
}

#[test]
fn a_store_of_another_format_is_left_alone() {
    let store = Faulty::default();
    store.put(key::VERSION.to_vec(), vec![2]);
    let told = refusal(&store, Recover::Skip);
    assert!(told.contains("format [2], this server reads [1]") && told.ends_with("[CX0331]"), "{told}");
}

#[test]
fn a_store_of_somebody_else_is_left_alone() {
    let store = Faulty::default();
    store.put(b"foreign".to_vec(), vec![2]);
    assert!(refusal(&store, Recover::Skip).ends_with("[CX0330]"));
    assert_eq!(store.keys(), ["foreign"]);
}
