use std::sync::mpsc;

use caxton_abi::{Envelope, Header};
use caxton_core::{Bus, Limits, Options};

use super::*;
use crate::store::{
    faulty::{Fault, Faulty},
    state::Stage,
};

const PACE: Pace = Pace {
    first: Duration::from_millis(1),
    full_max: Duration::from_millis(2),
    failed_max: Duration::from_millis(2),
};

/// What a writer tells, in order.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Ended(u64, Written),
    State(Stage),
}
use Word::{Ended, State as In};

struct Ear(mpsc::Sender<Word>);

impl Told for Ear {
    fn stored(&self, ticket: u64, written: Written) {
        let _ = self.0.send(Ended(ticket, written));
    }
    fn state(&self, state: &State) {
        let _ = self.0.send(In(state.stage));
    }
}

struct Bench {
    port: Arc<Faulty>,
    writer: Arc<Writer>,
    words: mpsc::Receiver<Word>,
}

fn bench_at(pace: Pace) -> Bench {
    let limits = Arc::new(Limits::default());
    let bus =
        Bus::new(Options { platform: "test".into(), limits, workers: 1, seed: 1, content_in_signals: false });
    let (sender, words) = mpsc::channel();
    let port = Arc::new(Faulty::default());
    let names = bus.unwrap().directory();
    let writer = Writer::start(port.clone(), names, Arc::new(Ear(sender)), Clock::start(), pace, 0).unwrap();
    Bench { port, writer, words }
}

fn bench() -> Bench {
    bench_at(PACE)
}

impl Bench {
    fn keep(&self, number: u64) {
        self.keep_large(number, 0);
    }
    fn keep_large(&self, number: u64, bytes: usize) {
        let head = Header { stored: number, ..Header::default() };
        let envelope = Envelope::new(head, vec![0; bytes].into());
        self.writer.write(number, vec![Change::Keep(Box::new(envelope))]);
    }
    fn forget(&self, ticket: u64, number: u64) {
        self.writer.write(ticket, vec![Change::Forget { stored: number, counted: true }]);
    }
    /// The next things that it tells.
    fn hears<const N: usize>(&self) -> [Word; N] {
        std::array::from_fn(|_| self.words.recv_timeout(Duration::from_secs(20)).expect("nothing is told"))
    }
    /// Has it take a first write, so that what comes until the gate is opened waits together.
    fn occupied(&self) -> mpsc::Sender<()> {
        let (gate, before) = (self.port.gate(), self.port.tried().len());
        self.keep(99);
        while self.port.tried().len() == before {
            thread::yield_now();
        }
        gate
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.writer.close();
    }
}

#[test]
fn all_that_waits_is_written_together_and_answered_in_order() {
    let bench = bench();
    let gate = bench.occupied();
    (1..=3).for_each(|number| bench.keep(number));
    bench.forget(4, 1);
    drop(gate);
    assert_eq!(bench.hears(), [99, 1, 2, 3, 4].map(|ticket| Ended(ticket, Ok(()))));
    assert_eq!(bench.port.tried(), [vec!["m/99"], vec!["m/1", "m/2", "m/3", "m/1", "c/1"]]);
    assert_eq!(bench.port.keys(), ["m/2", "m/3", "m/99"]);
    assert_eq!(bench.writer.figures(), Figures { messages: 3, writing: 0 });
}

#[test]
fn a_full_disk_refuses_what_adds_and_writes_what_ends() {
    let bench = bench();
    bench.keep(1);
    assert_eq!(bench.hears(), [Ended(1, Ok(()))]);
    let gate = bench.port.gate();
    bench.port.fail([Fault::Full, Fault::Full, Fault::Full]);
    bench.keep(2);
    while bench.port.tried().len() < 2 {
        thread::yield_now();
    }
    bench.keep(3);
    bench.forget(4, 1);
    drop(gate);
    // The one under way and the one that waits are refused; the end is tried alone until it succeeds.
    assert_eq!(
        bench.hears(),
        [In(Stage::Full), Ended(2, Err(Code::STORE_FULL)), Ended(3, Err(Code::STORE_FULL)), Ended(4, Ok(()))]
    );
    assert_eq!(bench.port.keys(), [""; 0]);
    assert_eq!(bench.writer.state().code, Code::STORE_FULL);
}

#[test]
fn on_a_full_disk_what_makes_space_goes_before_what_needs_it() {
    let bench = bench();
    let gate = bench.occupied();
    let deliveries = 2;
    bench.writer.write(1, vec![Change::Count { stored: 9, deliveries }]);
    bench.port.fail([Fault::None, Fault::Full]);
    gate.send(()).unwrap();
    while bench.port.tried().len() < 2 {
        thread::yield_now();
    }
    bench.forget(2, 5);
    drop(gate);
    assert_eq!(bench.hears(), [Ended(99, Ok(())), In(Stage::Full), Ended(2, Ok(())), Ended(1, Ok(()))]);
}

#[test]
fn a_full_disk_takes_messages_again_when_there_is_space() {
    let bench = bench();
    bench.port.fail([Fault::Full]);
    bench.keep(1);
    assert_eq!(bench.hears(), [In(Stage::Full), Ended(1, Err(Code::STORE_FULL))]);
    let mut number = 2;
    let taken = loop {
        bench.keep(number);
        match bench.hears() {
            [Ended(ticket, Err(Code::STORE_FULL))] if ticket == number => number += 1,
            [other] => break other,
        }
    };
    assert_eq!(taken, In(Stage::Running));
    assert_eq!(bench.hears(), [Ended(number, Ok(()))]);
}

#[test]
fn a_full_disk_refuses_at_once_until_it_is_time_to_try() {
    let bench = bench_at(Pace { full_max: Duration::from_secs(3600), ..PACE });
    bench.port.fail([Fault::Full]);
    bench.keep(1);
    bench.keep(2);
    bench.keep(3);
    let refused = |ticket| Ended(ticket, Err(Code::STORE_FULL));
    assert_eq!(bench.hears(), [In(Stage::Full), refused(1), refused(2), refused(3)]);
    assert_eq!(bench.port.tried().len(), 1);
}

#[test]
fn after_a_failure_refused_messages_do_not_come_back_and_ends_are_written() {
    let bench = bench();
    bench.keep(1);
    assert_eq!(bench.hears(), [Ended(1, Ok(()))]);
    let gate = bench.occupied();
    bench.keep(2);
    bench.forget(3, 1);
    bench.port.fail([Fault::None, Fault::Applied]);
    bench.port.stay_closed(2);
    drop(gate);
    assert_eq!(
        bench.hears(),
        [
            Ended(99, Ok(())),
            In(Stage::Failed),
            Ended(2, Err(Code::STORE_FAILED)),
            In(Stage::Running),
            Ended(3, Ok(())),
        ]
    );
    assert_eq!(bench.port.keys(), ["m/99"]);
    let tried = bench.port.tried();
    assert_eq!(tried[2..], [vec!["m/2", "m/1", "c/1"], vec!["m/2"], vec!["m/1", "c/1"]]);
}

#[test]
fn while_the_store_has_failed_new_messages_are_refused_at_once() {
    let bench = bench();
    let gate = bench.occupied();
    bench.port.fail([Fault::None, Fault::Lost]);
    bench.port.stay_closed(u32::MAX);
    bench.keep(1);
    bench.forget(2, 7);
    drop(gate);
    let failed = |ticket| Ended(ticket, Err(Code::STORE_FAILED));
    assert_eq!(bench.hears(), [Ended(99, Ok(())), In(Stage::Failed), failed(1)]);
    bench.keep(3);
    assert_eq!(bench.hears(), [failed(3)]);
    assert_eq!(bench.writer.figures().writing, 1);
    assert!(!bench.writer.flush(Duration::from_millis(5)));
    bench.port.stay_closed(0);
    assert_eq!(bench.hears(), [In(Stage::Running), Ended(2, Ok(()))]);
    assert!(bench.writer.flush(Duration::from_secs(20)));
}

#[test]
fn another_port_goes_on_where_the_old_one_failed() {
    let bench = bench_at(Pace { first: Duration::from_secs(3600), ..PACE });
    bench.port.fail([Fault::Lost]);
    bench.forget(1, 7);
    assert_eq!(bench.hears(), [In(Stage::Failed)]);
    let next = Arc::new(Faulty::default());
    bench.writer.replace(next.clone());
    assert_eq!(bench.hears(), [In(Stage::Running), Ended(1, Ok(()))]);
    assert_eq!(next.tried(), [["m/7", "c/7"]]);
}

#[test]
fn while_it_is_held_everything_waits_and_nothing_is_refused() {
    let bench = bench();
    bench.writer.hold();
    bench.keep(1);
    bench.forget(2, 1);
    assert!(!bench.writer.flush(Duration::from_millis(5)));
    assert!(bench.port.tried().is_empty());
    let next = Arc::new(Faulty::default());
    bench.writer.replace(next.clone());
    assert_eq!(bench.hears(), [1, 2].map(|ticket| Ended(ticket, Ok(()))));
    assert!(bench.port.tried().is_empty());
}

#[test]
fn what_waits_is_bounded_and_what_ends_is_always_taken() {
    let bench = bench();
    let gate = bench.occupied();
    let half = QUEUE_BYTES_MAX / 2;
    (1..=3).for_each(|number| bench.keep_large(number, half - 1024));
    bench.forget(4, 1);
    assert_eq!(bench.writer.figures().writing, 4);
    drop(gate);
    // The refused one is told first, because it waits for nothing.
    let words: [_; 5] = bench.hears();
    assert!(words.contains(&Ended(3, Err(Code::TOO_MANY_WAITING))), "{words:?}");
    assert!(words.contains(&Ended(4, Ok(()))), "{words:?}");
    assert_eq!(bench.port.keys(), ["m/2", "m/99"]);
}

#[test]
fn closing_writes_what_waits_and_gives_up_what_cannot_be_written() {
    let bench = bench();
    let gate = bench.occupied();
    bench.forget(1, 1);
    bench.port.fail([Fault::None, Fault::Full]);
    let writer = Arc::clone(&bench.writer);
    let closing = thread::spawn(move || writer.close());
    while !lock(&bench.writer.shared).closing {
        thread::yield_now();
    }
    drop(gate);
    closing.join().unwrap();
    assert_eq!(bench.hears(), [Ended(99, Ok(())), Ended(1, Err(Code::STORE_FULL)), In(Stage::Closed)]);
}

#[test]
fn a_caller_of_the_hosts_own_is_told() {
    let bench = bench();
    assert_eq!(bench.writer.put(vec![super::super::transaction::put(b"a/x".to_vec(), vec![1])]), Ok(()));
    assert_eq!(bench.port.keys(), ["a/x"]);
}
