//! A guest that plays one role of a workload, named by the words of its configuration, a JSON string:
//!
//! | configuration | what it does |
//! |---|---|
//! | `source WINDOW CREDIT NAME…` | on `go` sends WINDOW messages to each NAME, and CREDIT more for each credit that comes |
//! | `durable source …` | the same with durable messages; `stop` ends it |
//! | `sink CREDIT` | takes messages, and gives each sender a credit for every CREDIT of them |
//! | `asker WINDOW NAME` | on `go` asks NAME WINDOW times, and once more for each answer |
//! | `paced RATE PHASE NAME` | PHASE microseconds after `go` begins to ask NAME RATE times a second, whether answers come or not; answers `report` with the latencies since the last one |
//! | `echo` | answers each request with its content |
//! | `initiator WINDOW NAME…` | on `go` begins WINDOW contract nets among the NAMEs, and another for each that ends |
//! | `bidder` | proposes for each call, and informs of the result when it is chosen |
//!
//! Contents have 256 bytes, or as many as the words `bytes N` before the role say. `go` is a message with the content `go`.
//! So many messages are under way at most as the windows allow, so a run neither floods mailboxes nor lets agents wait for
//! a clock.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

mod pace;

/// The allocator that the SDK gives every agent.
#[path = "../../../../wit/sdk/rust/src/heap.rs"]
mod heap;

#[global_allocator]
static HEAP: heap::Heap = heap::Heap::new();

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

use pace::Pace;

const CONTENT_BYTES: usize = 256;
const PROTOCOL: &str = "fipa-contract-net";
/// Seconds that participants have to propose; they always do in time.
const REPLY_WITHIN: u32 = 30;
const NONE: Uid = Uid { a: 0, b: 0, c: 0, d: 0 };

/// Numbers need no hashing.
#[derive(Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
    }
    fn write_u32(&mut self, number: u32) {
        self.0 = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

type Map<T> = HashMap<u32, T, BuildHasherDefault<Plain>>;

#[derive(Default)]
struct Net {
    bids: u32,
    winner: Option<AgentRef>,
    losers: Vec<AgentRef>,
}

enum Role {
    Source {
        window: u32,
        credit: u32,
        to: Vec<String>,
        receivers: Vec<AgentRef>,
        durable: bool,
    },
    Sink {
        credit: u32,
        taken: Map<u32>,
    },
    Asker {
        window: u32,
        to: String,
    },
    Paced(Pace),
    Echo,
    Initiator {
        window: u32,
        names: Vec<String>,
        participants: Vec<AgentRef>,
        nets: Map<Net>,
        next: u32,
        protocol: u32,
    },
    Bidder,
}

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(CONTENT_BYTES) };
    static ROLE: RefCell<Option<Role>> = const { RefCell::new(None) };
}

struct Guest;

impl lifecycle::Guest for Guest {
    fn init(start: lifecycle::Start) -> Result<(), Fault> {
        let text = String::from_utf8_lossy(&start.config).into_owned();
        let role = parse(text.trim_matches('"')).ok_or_else(|| unknown(&text))?;
        ROLE.set(Some(role));
        Ok(())
    }
}

impl handler::Guest for Guest {
    fn handle(batch: Vec<Message>) -> Result<(), Fault> {
        let mut out = Vec::with_capacity(batch.len());
        ROLE.with_borrow_mut(|role| match role {
            Some(role) => batch.into_iter().try_for_each(|message| role.take(message, &mut out)),
            None => Err(unknown("no role")),
        })?;
        if out.is_empty() { Ok(()) } else { bus::send(&out).map(drop) }
    }
}

impl timers::Guest for Guest {
    fn on_timer(_: u32) -> Result<(), Fault> {
        let out = ROLE.with_borrow_mut(|role| match role {
            Some(Role::Paced(pace)) => pace.tick(),
            _ => Vec::new(),
        });
        if out.is_empty() { Ok(()) } else { bus::send(&out).map(drop) }
    }
}

bindings::export!(Guest with_types_in bindings);

fn parse(text: &str) -> Option<Role> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let words = match words.as_slice() {
        ["bytes", count, role @ ..] => {
            BYTES.set(count.parse().ok()?);
            role
        }
        role => role,
    };
    match words {
        ["durable", source @ ..] => match parse(&source.join(" "))? {
            Role::Source { window, credit, to, receivers, .. } => {
                Some(Role::Source { window, credit, to, receivers, durable: true })
            }
            _ => None,
        },
        ["source", window, credit, to @ ..] => Some(Role::Source {
            window: window.parse().ok()?,
            credit: credit.parse().ok()?,
            to: owned(to),
            receivers: Vec::new(),
            durable: false,
        }),
        ["sink", credit] => Some(Role::Sink { credit: credit.parse().ok()?, taken: Map::default() }),
        ["asker", window, to] => Some(Role::Asker { window: window.parse().ok()?, to: (*to).to_owned() }),
        ["paced", rate, phase, to] => {
            Some(Role::Paced(Pace::new(rate.parse().ok()?, phase.parse().ok()?, (*to).to_owned())))
        }
        ["echo"] => Some(Role::Echo),
        ["initiator", window, names @ ..] => Some(Role::Initiator {
            window: window.parse().ok()?,
            names: owned(names),
            participants: Vec::new(),
            nets: Map::default(),
            next: 0,
            protocol: 0,
        }),
        ["bidder"] => Some(Role::Bidder),
        _ => None,
    }
}

fn unknown(text: &str) -> Fault {
    Fault { kind: FaultKind::Permanent, code: "role.unknown".into(), detail: text.into() }
}

fn resolve(names: &[String]) -> Result<Vec<AgentRef>, Fault> {
    names.iter().map(|name| directory::resolve(name).ok_or_else(|| unknown(name))).collect()
}

impl Role {
    fn take(&mut self, message: Message, out: &mut Vec<Draft>) -> Result<(), Fault> {
        let go = message.content == b"go";
        match self {
            Self::Source { window, to, receivers, durable, .. } if go => {
                *receivers = resolve(to)?;
                for receiver in receivers {
                    (0..*window).for_each(|_| out.push(load(*receiver, *durable)));
                }
            }
            Self::Source { credit, .. } if message.content == b"stop" => *credit = 0,
            Self::Source { credit, durable, .. } => {
                (0..*credit).for_each(|_| out.push(load(message.sender, *durable)));
            }
            Self::Sink { credit, taken } => {
                let taken = taken.entry(message.sender).or_default();
                *taken += 1;
                if *taken == *credit {
                    *taken = 0;
                    out.push(Draft { content: Vec::new(), ..draft(message.sender, Performative::Inform) });
                }
            }
            Self::Asker { window, to } if go => {
                let to = resolve(std::slice::from_ref(to))?;
                for _ in 0..*window {
                    out.extend(to.iter().map(|to| draft(*to, Performative::Request)));
                }
            }
            Self::Asker { .. } => {
                let next = Draft {
                    conversation: message.conversation,
                    ..draft(message.sender, Performative::Request)
                };
                out.push(Draft { content: message.content, ..next });
            }
            Self::Paced(pace) if go => pace.begin()?,
            Self::Paced(pace) if message.content == b"report" => {
                out.push(Draft { content: pace.report(), ..answer(&message, Performative::Inform) });
            }
            Self::Paced(pace) => pace.note(&message),
            Self::Echo => {
                let answer = Draft { content: Vec::new(), ..answer(&message, Performative::Inform) };
                out.push(Draft { content: message.content, ..answer });
            }
            Self::Initiator { window, names, participants, protocol, .. } if go => {
                *participants = resolve(names)?;
                *protocol = directory::intern(PROTOCOL);
                for _ in 0..*window {
                    self.call(out);
                }
            }
            Self::Initiator { .. } => self.conduct(&message, out),
            Self::Bidder => match message.performative {
                Performative::Cfp => {
                    let bid =
                        Draft { reply_with: message.reply_with, ..answer(&message, Performative::Propose) };
                    out.push(bid);
                }
                Performative::AcceptProposal => out.push(answer(&message, Performative::Inform)),
                _ => {}
            },
        }
        Ok(())
    }

    /// Calls for proposals.
    fn call(&mut self, out: &mut Vec<Draft>) {
        let Self::Initiator { participants, nets, next, protocol, .. } = self else { return };
        *next = next.wrapping_add(1).max(1);
        nets.insert(*next, Net::default());
        let (reply_with, protocol) = (*next, *protocol);
        let reply_by = Instant { seconds: clock::now().seconds + REPLY_WITHIN, nanos: 0 };
        out.push(Draft { reply_with, protocol, reply_by, ..to_all(participants, Performative::Cfp) });
    }

    /// Takes a bid, chooses when it was the last one, and begins anew after the result.
    fn conduct(&mut self, message: &Message, out: &mut Vec<Draft>) {
        let Self::Initiator { participants, nets, .. } = self else { return };
        let number = message.in_reply_to;
        match message.performative {
            Performative::Propose => {
                let Some(net) = nets.get_mut(&number) else { return };
                net.bids += 1;
                if net.winner.is_none() {
                    net.winner = Some(message.sender);
                } else {
                    net.losers.push(message.sender);
                }
                if net.bids as usize == participants.len() {
                    let accept =
                        Draft { reply_with: number, ..answer(message, Performative::AcceptProposal) };
                    out.push(Draft { to: net.winner.unwrap_or(0), ..accept });
                    if !net.losers.is_empty() {
                        let reject = answer(message, Performative::RejectProposal);
                        let to = to_all(&net.losers, Performative::RejectProposal);
                        out.push(Draft { to: to.to, extra: to.extra, ..reject });
                    }
                }
            }
            Performative::Inform if nets.remove(&number).is_some() => self.call(out),
            _ => {}
        }
    }
}

/// A message that a source sends.
fn load(to: AgentRef, durable: bool) -> Draft {
    let class = || ("X-caxton-class".to_owned(), "durable".to_owned());
    let extra = || Extra { receivers: Vec::new(), reply_to: Vec::new(), params: vec![class()] };
    Draft { extra: durable.then(extra), ..draft(to, Performative::Inform) }
}

fn draft(to: AgentRef, performative: Performative) -> Draft {
    Draft {
        to,
        performative,
        conversation: NONE,
        reply_with: 0,
        in_reply_to: 0,
        reply_by: Instant { seconds: 0, nanos: 0 },
        protocol: 0,
        ontology: 0,
        language: 0,
        encoding: 0,
        content: vec![b'x'; BYTES.get()],
        extra: None,
    }
}

fn answer(message: &Message, performative: Performative) -> Draft {
    Draft {
        conversation: message.conversation,
        in_reply_to: message.reply_with,
        protocol: message.protocol,
        ..draft(message.sender, performative)
    }
}

/// One message to several receivers.
fn to_all(receivers: &[AgentRef], performative: Performative) -> Draft {
    let (first, rest) = receivers.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
    let extra = Extra { receivers: rest.to_vec(), reply_to: Vec::new(), params: Vec::new() };
    let extra = if rest.is_empty() { None } else { Some(extra) };
    Draft { extra, ..draft(first, performative) }
}
