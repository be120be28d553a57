//! What an agent does, apart from the framework that carries its letters: the same roles as Caxton's guest
//! (`benches/guests/load`), so that frameworks are compared and not programs.
//!
//! A letter carries no address; an agent was told whom it speaks with and finds the sender by its number. That spares the
//! frameworks the reference counts, which is in their favour. Nothing checks deadlines, roles or late bids.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use hdrhistogram::Histogram;
use tokio::sync::oneshot;

use crate::{CONTENT_BYTES, nanos_since};

/// A way to reach an agent.
pub trait Address: Clone + Send + 'static {
    /// Sends a letter; nobody waits for room, because windows bound what is under way.
    fn tell(&self, letter: Letter<Self>);
}

/// The content of a letter, shared between the receivers of one letter to many.
pub type Content = Arc<[u8]>;

/// A content, allocated for each letter as an agent would.
pub fn content() -> Content {
    Arc::new([b'x'; CONTENT_BYTES])
}

/// What a letter is about.
#[derive(Debug)]
pub enum Kind<A> {
    /// Whom the agent speaks with from now on.
    Meet(Vec<A>),
    /// Begin.
    Go,
    /// Something that is told.
    Inform(Content),
    /// More may be sent.
    Credit,
    /// A question.
    Request(Content),
    /// Contract net: who bids?
    Cfp(Content),
    /// Contract net: a bid.
    Propose(Content),
    /// Contract net: the bid is taken.
    Accept(Content),
    /// Contract net: the bid is not taken.
    Reject(Content),
}

/// A letter.
#[derive(Debug)]
pub struct Letter<A> {
    /// What it is about.
    pub kind: Kind<A>,
    /// The sender's place among those whom the receiver met.
    pub from: u32,
    /// The contract net, or the nanosecond at which a question was due.
    pub number: u64,
}

impl<A> Letter<A> {
    /// A letter from the agent at a place.
    pub fn new(kind: Kind<A>, from: u32) -> Self {
        Self { kind, from, number: 0 }
    }
}

/// What one agent did; each agent counts alone, so counting costs no cache line of another's.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    /// One more; there is one writer.
    fn add(&self) {
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// So many until now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an agent does with a letter.
pub enum Role<A> {
    /// On `Go` sends `window` letters to everyone it met, then `credit` more for each credit. Receivers know it as `me`.
    Source { me: u32, window: u32, credit: u32, met: Vec<A> },
    /// Counts, and gives a credit for every `credit` letters of a sender.
    Sink { me: u32, credit: u32, taken: Vec<u32>, met: Vec<A>, count: Count },
    /// Keeps `window` questions under way and counts the answers.
    Asker { window: u32, met: Vec<A>, count: Count },
    /// Answers a question with its content.
    Echo { met: Vec<A> },
    /// Runs contract nets among those it met. Receivers know it as `me`.
    Initiator { me: u32, met: Vec<A>, nets: Vec<Net>, count: Count },
    /// Bids in contract nets and works when chosen. Initiators know it as `me`.
    Bidder { me: u32, met: Vec<A> },
    /// Says once that so many answers came.
    Collector { missing: usize, done: Option<oneshot::Sender<()>> },
    /// Writes down how long answers took.
    Recorder { record: Arc<Record> },
}

/// One contract net under way.
#[derive(Clone, Debug, Default)]
pub struct Net {
    winner: Option<u32>,
    losers: Vec<u32>,
}

/// Latencies of one recorder, and the moment from which they are counted.
#[derive(Debug)]
pub struct Record {
    /// The moment from which questions are dated.
    pub origin: Instant,
    /// Only latencies of the measured time are written down.
    pub measuring: Arc<AtomicBool>,
    /// Nanoseconds.
    pub latencies: Mutex<Histogram<u64>>,
}

impl<A: Address> Role<A> {
    /// Takes a letter and sends what follows from it.
    pub fn take(&mut self, letter: Letter<A>) {
        let Letter { kind, from, number } = letter;
        match (self, kind) {
            (
                Self::Source { met, .. }
                | Self::Sink { met, .. }
                | Self::Asker { met, .. }
                | Self::Echo { met }
                | Self::Initiator { met, .. }
                | Self::Bidder { met, .. },
                Kind::Meet(others),
            ) => *met = others,
            (Self::Source { me, window, met, .. }, Kind::Go) => {
                for _ in 0..*window {
                    met.iter().for_each(|to| to.tell(Letter::new(Kind::Inform(content()), *me)));
                }
            }
            (Self::Source { me, credit, met, .. }, Kind::Credit) => {
                let to = &met[from as usize];
                (0..*credit).for_each(|_| to.tell(Letter::new(Kind::Inform(content()), *me)));
            }
            (Self::Sink { me, credit, taken, met, count }, Kind::Inform(_)) => {
                count.add();
                taken.resize(met.len(), 0);
                let taken = &mut taken[from as usize];
                *taken += 1;
                if *taken == *credit {
                    *taken = 0;
                    met[from as usize].tell(Letter::new(Kind::Credit, *me));
                }
            }
            (Self::Asker { window, met, .. }, Kind::Go) => {
                (0..*window).for_each(|_| met[0].tell(Letter::new(Kind::Request(content()), 0)));
            }
            (Self::Asker { met, count, .. }, Kind::Inform(content)) => {
                count.add();
                met[0].tell(Letter::new(Kind::Request(content), 0));
            }
            (Self::Echo { met }, Kind::Request(content)) => {
                met[from as usize].tell(Letter { kind: Kind::Inform(content), from, number });
            }
            (Self::Initiator { me, met, nets, .. }, Kind::Go) => {
                (0..nets.len()).for_each(|number| call(*me, number as u64, met));
            }
            (Self::Initiator { me, met, nets, .. }, Kind::Propose(_)) => {
                conduct(*me, from, number, met, &mut nets[number as usize]);
            }
            (Self::Initiator { me, met, nets, count }, Kind::Inform(_)) => {
                count.add();
                nets[number as usize] = Net::default();
                call(*me, number, met);
            }
            (Self::Bidder { me, met }, Kind::Cfp(_)) => {
                met[from as usize].tell(Letter { kind: Kind::Propose(content()), from: *me, number });
            }
            (Self::Bidder { me, met }, Kind::Accept(_)) => {
                met[from as usize].tell(Letter { kind: Kind::Inform(content()), from: *me, number });
            }
            (Self::Collector { missing, done }, Kind::Inform(_)) => {
                *missing -= 1;
                if *missing == 0
                    && let Some(done) = done.take()
                {
                    let _ = done.send(());
                }
            }
            (Self::Recorder { record }, Kind::Inform(_)) if record.measuring.load(Ordering::Relaxed) => {
                let latency = nanos_since(record.origin).saturating_sub(number);
                let mut latencies = record.latencies.lock().unwrap_or_else(|broken| broken.into_inner());
                latencies.saturating_record(latency.max(1));
            }
            _ => {}
        }
    }
}

/// Calls everyone for a bid.
fn call<A: Address>(me: u32, number: u64, bidders: &[A]) {
    let content = content();
    for bidder in bidders {
        bidder.tell(Letter { kind: Kind::Cfp(content.clone()), from: me, number });
    }
}

/// Takes a bid; after the last one the first bidder is chosen and the others are told so.
fn conduct<A: Address>(me: u32, bidder: u32, number: u64, bidders: &[A], net: &mut Net) {
    let Some(winner) = net.winner else {
        net.winner = Some(bidder);
        if bidders.len() == 1 {
            bidders[0].tell(Letter { kind: Kind::Accept(content()), from: me, number });
        }
        return;
    };
    net.losers.push(bidder);
    if net.losers.len() + 1 == bidders.len() {
        bidders[winner as usize].tell(Letter { kind: Kind::Accept(content()), from: me, number });
        let content = content();
        for loser in &net.losers {
            bidders[*loser as usize].tell(Letter { kind: Kind::Reject(content.clone()), from: me, number });
        }
    }
}
