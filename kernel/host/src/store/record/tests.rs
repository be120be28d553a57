use std::sync::Arc;

use caxton_core::{Limits, Options};
use proptest::prelude::*;

use super::*;

fn bus() -> Bus {
    bus_with(Limits::default())
}

fn bus_with(limits: Limits) -> Bus {
    let limits = Arc::new(limits);
    Bus::new(Options { platform: "test".into(), limits, workers: 1, seed: 1, content_in_signals: false })
        .unwrap()
}

/// A message that uses every field.
fn full(bus: &Bus) -> Envelope {
    let name = |text: &str| bus.address(text).unwrap();
    let symbol = |text: &str| bus.directory().intern(text);
    let head = Header {
        id: Uid { hi: 1, lo: 2 },
        conversation: Uid { hi: 3, lo: 4 },
        trace: TraceContext { trace: Uid { hi: 5, lo: 6 }, span: 7, flags: 1 },
        reply_by_ms: 8,
        sender: name("a"),
        receiver: name("b"),
        reply_with: 9,
        in_reply_to: 10,
        protocol: symbol("fipa-request"),
        ontology: symbol("weather"),
        language: symbol("json"),
        encoding: symbol("utf-8"),
        performative: 16,
        hop: 2,
        flags: 2,
        class: 2,
        deliveries: 1,
        stored: 11,
        ..Header::default()
    };
    let extra = Extra {
        receivers: vec![name("b"), name("group:all")].into(),
        reply_to: vec![name("c@there")].into(),
        params: vec![Tuple2("X-a".into(), "1".into())].into(),
    };
    Envelope { head, content: b"hello".to_vec().into(), extra: ROption::RSome(RArc::new(extra)) }
}

fn same(a: &Envelope, b: &Envelope) -> bool {
    let extra = |envelope: &Envelope| envelope.extra.as_ref().into_option().map(|extra| Extra::clone(extra));
    a.head == b.head && a.content == b.content && extra(a) == extra(b)
}

/// The bytes that version 1 wrote; they must be readable for good.
const GOLDEN: &str = "01\
    82808080808080808002\
    84808080808080808006\
    8680808080808080800a\
    07010809 0a10020202 010b\
    0661407465737406624074657374\
    0c666970612d72657175657374 0777656174686572 046a736f6e 057574662d38\
    0206624074657374 0967726f75703a616c6c\
    01076340746865726501035 82d610131 05 68656c6c6f";

fn golden() -> Vec<u8> {
    let digits: String = GOLDEN.split_whitespace().collect();
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn version_1_is_frozen() {
    let bus = bus();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&message(&full(&bus), &Texts::of(bus.directory().as_ref()))), hex(&golden()));
    assert!(same(&read_message(&golden(), &bus).unwrap(), &full(&bus)));
}

#[test]
fn names_are_found_again_by_a_server_that_numbers_them_otherwise() {
    let (bus, other) = (bus(), bus());
    other.address("first").unwrap();
    other.directory().intern("first");
    let read = read_message(&message(&full(&bus), &Texts::of(bus.directory().as_ref())), &other).unwrap();
    assert_ne!(read.head.sender, full(&bus).head.sender);
    let name = |address| other.directory().name_of(address).unwrap();
    assert_eq!((name(read.head.sender), name(read.head.receiver)), ("a@test".into(), "b@test".into()));
    assert_eq!(other.directory().symbol_name(read.head.ontology).unwrap(), "weather");
}

#[test]
fn a_dead_letter_and_a_sighting_come_back_whole() {
    let bus = bus();
    let names = bus.directory();
    let texts = Texts::of(names.as_ref());
    let dead = DeadLetter { number: 3, at: Time::from_nanos(12), code: Code::POISON, envelope: full(&bus) };
    let read = read_letter(3, &letter(&dead, &texts), &bus).unwrap();
    assert_eq!((read.number, read.at, read.code), (3, dead.at, dead.code));
    assert!(same(&read.envelope, &dead.envelope));
    let seen = Sighting { number: 4, sender: dead.envelope.head.sender, id: Uid { hi: 1, lo: 2 }, digest: 5 };
    assert_eq!(read_sighting(4, &sighting(&seen, &texts), &bus).unwrap(), seen);
    assert_eq!(read_count(&count(3)), Ok(3));
}

#[test]
fn another_version_is_told_from_damage() {
    let bus = bus();
    let read = |record: &[u8]| read_message(record, &bus).unwrap_err();
    assert_eq!(read(&[9, 1, 2]), Unreadable::Version(9));
    assert_eq!(read(&[9, 1, 2]).to_string(), "its form has version 9, this server reads version 1");
    assert!(matches!(read(&[]), Unreadable::Damaged(_)));
}

#[test]
fn a_cut_record_is_damaged_wherever_it_is_cut() {
    let bus = bus();
    for length in 1..golden().len() {
        let read = read_message(&golden()[..length], &bus);
        assert!(matches!(read, Err(Unreadable::Damaged(_))), "{length}: {read:?}");
    }
}

#[test]
fn a_table_that_is_full_is_no_damage() {
    let small =
        bus_with(Limits { symbols_max: caxton_core::names::symbols::JSON as usize, ..Limits::default() });
    let expected = Unreadable::Name { code: Code::SYMBOLS_EXHAUSTED, name: "weather".into() };
    assert_eq!(read_message(&golden(), &small).unwrap_err(), expected);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        id: u128,
        reply_by_ms: u64,
        number: u32,
        byte: u8,
        flags: u16,
        content: Vec<u8>,
        names in proptest::collection::vec("[a-z]{1,9}", 0..4),
        params in proptest::collection::vec((".{0,9}", ".{0,9}"), 0..4),
    ) {
        let bus = bus();
        let address = |name: &String| bus.address(name).unwrap();
        let extra = Extra {
            receivers: names.iter().map(address).collect(),
            reply_to: names.iter().rev().map(address).collect(),
            params: params.into_iter().map(|(name, value)| Tuple2(name.into(), value.into())).collect(),
        };
        let mut envelope = full(&bus);
        let head = &mut envelope.head;
        (head.id, head.reply_by_ms, head.flags) = (Uid::from_u128(id), reply_by_ms, flags);
        (head.reply_with, head.in_reply_to) = (number, number.rotate_left(7));
        (head.performative, head.hop, head.deliveries) = (byte, byte, byte);
        envelope.content = content.into();
        let empty = extra == Extra::default();
        envelope.extra = if empty { ROption::RNone } else { ROption::RSome(RArc::new(extra)) };
        let read = read_message(&message(&envelope, &Texts::of(bus.directory().as_ref())), &bus).unwrap();
        prop_assert!(same(&read, &envelope), "{read:?}");
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        let bus = bus();
        let record = [&[VERSION], bytes.as_slice()].concat();
        let _ = (read_message(&record, &bus), read_letter(1, &record, &bus), read_sighting(1, &record, &bus));
    }
}
