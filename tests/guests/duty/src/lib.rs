//! A guest with one duty, named by the words of its configuration, a JSON string:
//!
//! | configuration | what it does |
//! |---|---|
//! | `answer WORD` | answers with `WORD` and the content; bids `{"price":1}` for every task, and its result is `WORD` |
//! | `silent` | answers nothing |
//! | `relay NAME MS` | works MS milliseconds, then passes the message on to NAME, durable, as `ID CONTENT` (cut) |
//! | `slow MS` | works MS milliseconds for each message, then answers |
//! | `hog MS` | works MS milliseconds of each turn, and sends itself the next message |
//! | `flaky N` | traps on a content whose number divides by N, answers others |
//! | `bad` | traps on every message |
//! | `produce NAME PER_TICK` | sends so many messages to NAME every ten milliseconds and counts what became of them |
//!
//! A message that wants an answer carries a reply-with and is no inform. A producer answers it with its counts.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant as Moment},
};

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/caxton", world: "timed-agent" });
}

use bindings::{
    caxton::agent::{
        bus, clock, directory,
        types::{AgentRef, Draft, Extra, Fault, FaultKind, Instant, Message, Performative, Uid},
    },
    exports::caxton::agent::{handler, lifecycle, timers},
};

/// How often a producer sends.
const TICK_NANOS: u32 = 10_000_000;
/// The only timer.
const TICK: u32 = 1;
/// The mark of a message that the platform made.
const PLATFORM: u32 = 4;
/// What of a content is passed on.
const RELAYED_BYTES: usize = 36;
/// How a message states its delivery class.
const CLASS: &str = "X-caxton-class";

#[derive(Clone)]
enum Duty {
    Answer(String),
    Silent,
    Relay { to: String, span: Duration },
    Slow(Duration),
    Hog(Duration),
    Flaky(u64),
    Bad,
    Produce { to: String, per_tick: u32 },
}

#[derive(Default)]
struct Counts {
    sent: u64,
    /// Codes that `send` answered with, one for each message of the batch that was refused.
    refused: BTreeMap<String, u64>,
    /// Codes in the failures that the platform sent back.
    failed: BTreeMap<String, u64>,
}

thread_local! {
    static DUTY: RefCell<Duty> = const { RefCell::new(Duty::Bad) };
    static SELF: RefCell<AgentRef> = const { RefCell::new(0) };
    static COUNTS: RefCell<Counts> = RefCell::default();
}

struct Guest;

impl lifecycle::Guest for Guest {
    fn init(start: lifecycle::Start) -> Result<(), Fault> {
        let text = String::from_utf8_lossy(&start.config).into_owned();
        let duty = parse(text.trim_matches('"')).ok_or_else(|| unknown(&text))?;
        SELF.set(start.self_);
        if matches!(duty, Duty::Produce { .. }) {
            tick();
        }
        DUTY.set(duty);
        Ok(())
    }
}

impl handler::Guest for Guest {
    fn handle(batch: Vec<Message>) -> Result<(), Fault> {
        let duty = DUTY.with_borrow(Clone::clone);
        if let Duty::Hog(span) = duty {
            work(span);
            return bus::send(&[plain(SELF.with_borrow(|own| *own), Vec::new())]).map(drop);
        }
        batch.iter().try_for_each(|message| perform(&duty, message))
    }
}

impl timers::Guest for Guest {
    fn on_timer(_: u32) -> Result<(), Fault> {
        if let Duty::Produce { to, per_tick } = DUTY.with_borrow(Clone::clone) {
            produce(&to, per_tick);
            tick();
        }
        Ok(())
    }
}

bindings::export!(Guest with_types_in bindings);

fn parse(text: &str) -> Option<Duty> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let millis = |text: &str| text.parse().ok().map(Duration::from_millis);
    match words.as_slice() {
        ["answer", word] => Some(Duty::Answer((*word).to_owned())),
        ["relay", name, span] => millis(span).map(|span| Duty::Relay { to: (*name).to_owned(), span }),
        ["slow", span] => millis(span).map(Duty::Slow),
        ["hog", span] => millis(span).map(Duty::Hog),
        ["flaky", number] => number.parse().ok().filter(|number| *number > 0).map(Duty::Flaky),
        ["silent"] => Some(Duty::Silent),
        ["bad"] => Some(Duty::Bad),
        ["produce", name, count] => {
            count.parse().ok().map(|per_tick| Duty::Produce { to: (*name).to_owned(), per_tick })
        }
        _ => None,
    }
}

fn unknown(text: &str) -> Fault {
    Fault { kind: FaultKind::Permanent, code: "duty.unknown".into(), detail: text.into() }
}

fn perform(duty: &Duty, message: &Message) -> Result<(), Fault> {
    match duty {
        Duty::Answer(word) => match message.performative {
            Performative::Cfp => propose(message),
            Performative::AcceptProposal => answer(message, word.clone().into_bytes()),
            _ => answer(message, [word.as_bytes(), b" ", &message.content].concat()),
        },
        Duty::Relay { to, span } => {
            work(*span);
            relay(to, message)
        }
        Duty::Slow(span) => {
            work(*span);
            answer(message, message.content.clone())
        }
        Duty::Flaky(number) => {
            let text = String::from_utf8_lossy(&message.content);
            if text.trim().parse::<u64>().is_ok_and(|found| found % number == 0) {
                panic!("traps on {text}, as configured");
            }
            answer(message, message.content.clone())
        }
        Duty::Bad => panic!("traps on every message, as configured"),
        Duty::Produce { .. } => {
            note_failure(message);
            answer(message, report().into_bytes())
        }
        Duty::Hog(_) | Duty::Silent => Ok(()),
    }
}

/// Computes until the span is over; the clock is the host's, so the work is the same on any machine.
fn work(span: Duration) {
    let began = Moment::now();
    let mut sum: u64 = 1;
    while began.elapsed() < span {
        for step in 0..2_000u64 {
            sum = black_box(sum.wrapping_mul(31).wrapping_add(step));
        }
    }
}

fn plain(to: AgentRef, content: Vec<u8>) -> Draft {
    Draft {
        to,
        performative: Performative::Inform,
        conversation: Uid { a: 0, b: 0, c: 0, d: 0 },
        reply_with: 0,
        in_reply_to: 0,
        reply_by: Instant { seconds: 0, nanos: 0 },
        protocol: 0,
        ontology: 0,
        language: 0,
        encoding: 0,
        content,
        extra: None,
    }
}

/// Answers what wants an answer, and nothing else: an inform may carry a reply-with and wants none.
fn answer(message: &Message, content: Vec<u8>) -> Result<(), Fault> {
    let told = message.performative == Performative::Inform || message.marks & PLATFORM != 0;
    if told || message.reply_with == 0 {
        return Ok(());
    }
    bus::send(&[answering(message, content)]).map(drop)
}

fn propose(message: &Message) -> Result<(), Fault> {
    let draft = Draft {
        performative: Performative::Propose,
        reply_with: message.reply_with,
        ..answering(message, b"{\"price\":1}".to_vec())
    };
    bus::send(&[draft]).map(drop)
}

fn answering(message: &Message, content: Vec<u8>) -> Draft {
    Draft {
        conversation: message.conversation,
        in_reply_to: message.reply_with,
        protocol: message.protocol,
        ..plain(message.sender, content)
    }
}

fn relay(name: &str, message: &Message) -> Result<(), Fault> {
    if message.marks & PLATFORM != 0 {
        return Ok(());
    }
    let to = directory::resolve(name).ok_or_else(|| unknown(name))?;
    let start = &message.content[..message.content.len().min(RELAYED_BYTES)];
    let content = [uuid(message.id).as_bytes(), b" ", start].concat();
    let params = vec![(CLASS.to_owned(), "durable".to_owned())];
    let extra = Some(Extra { receivers: Vec::new(), reply_to: Vec::new(), params });
    bus::send(&[Draft { extra, ..plain(to, content) }]).map(drop)
}

/// The 8-4-4-4-12 form of RFC 9562.
fn uuid(id: Uid) -> String {
    let (b, c) = (id.b, id.c);
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:04x}{:08x}", id.a, b >> 16, b & 0xffff, c >> 16, c & 0xffff, id.d)
}

fn tick() {
    let now = clock::now();
    let nanos = now.nanos + TICK_NANOS;
    let due = Instant { seconds: now.seconds + nanos / 1_000_000_000, nanos: nanos % 1_000_000_000 };
    clock::set_timer(due, TICK);
}

fn produce(name: &str, count: u32) {
    let Some(to) = directory::resolve(name) else { return };
    for _ in 0..count {
        let sent = bus::send(&[plain(to, b"produced".to_vec())]);
        COUNTS.with_borrow_mut(|counts| match sent {
            Ok(_) => counts.sent += 1,
            Err(fault) => *counts.refused.entry(fault.code).or_default() += 1,
        });
    }
}

fn note_failure(message: &Message) {
    if message.marks & PLATFORM == 0 || message.performative != Performative::Failure {
        return;
    }
    let text = String::from_utf8_lossy(&message.content);
    let code = text.find("CX").and_then(|at| text.get(at..at + 6)).unwrap_or("none").to_owned();
    COUNTS.with_borrow_mut(|counts| *counts.failed.entry(code).or_default() += 1);
}

/// `sent N refused CX0301 M failed CX0301 K`.
fn report() -> String {
    COUNTS.with_borrow(|counts| {
        let mut text = format!("sent {}", counts.sent);
        for (word, codes) in [("refused", &counts.refused), ("failed", &counts.failed)] {
            for (code, count) in codes {
                text.push_str(&format!(" {word} {code} {count}"));
            }
        }
        text
    })
}
