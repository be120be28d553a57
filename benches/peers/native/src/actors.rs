//! The workloads on any actor framework. Windows are those of Caxton's own workloads (`benches/src/talk.rs`), so no mailbox
//! ever holds more than they allow; a bounded one is made that large.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, time::sleep};

use crate::{
    Arguments, Failure, Measure, WARM_UP, histogram,
    memory::private_bytes,
    nanos_since,
    role::{Address, Count, Kind, Letter, Net, Record, Role, content},
};

/// Messages under way between two agents.
const WINDOW: usize = 256;
/// Messages for which a sink gives one credit.
const CREDIT: usize = 128;
/// The window and the credit where many speak with one.
const CREDIT_OF_MANY: usize = 8;
/// Questions that each asker has under way.
const ASKS: usize = 16;
/// The mailbox of an agent that waits for little.
const MAILBOX: usize = 64;
/// Agents in the latency workload, half of which echo.
const LATENCY_AGENTS: usize = 100;
/// Letters that a recorder may have waiting when the system falls behind; more than come in a run.
const RECORDER_MAILBOX: usize = 1 << 20;
/// How often the questions that are due are sent.
const TICK: Duration = Duration::from_micros(100);
/// Until memory that is not needed any more is given back.
const SETTLE: Duration = Duration::from_millis(500);
/// Agents that are spawned for the first time warm the framework up.
const SPAWN_WARM_UP: usize = 1000;

/// An actor framework.
pub trait System: Sync {
    /// How its agents are reached.
    type Address: Address;

    /// Starts an agent with a mailbox for at least so many letters. Agents with the same `place` talk with each other;
    /// a framework that binds actors to threads may use that.
    fn spawn(
        &self,
        place: usize,
        mailbox: usize,
        role: Role<Self::Address>,
    ) -> impl Future<Output = Self::Address> + Send;

    /// Ends an agent; in most frameworks an agent ends when nobody can reach it.
    fn stop(&self, address: Self::Address) {
        drop(address);
    }
}

/// Measures a workload.
///
/// # Errors
/// There is no such workload.
pub async fn run<S: System>(system: &S, arguments: &Arguments) -> Result<Measure, Failure> {
    let (size, span) = (arguments.size, arguments.span());
    match arguments.workload.as_str() {
        "oneway" => Ok(one_way(system, size, span).await),
        "echo" => Ok(echo(system, size, span).await),
        "fan-in" => Ok(fan_in(system, size, span).await),
        "fan-out" => Ok(fan_out(system, size, span).await),
        "contract-net" => Ok(contract_net(system, size, span).await),
        "spawn" => spawn(system, size, span).await,
        "memory" => memory(system, size).await,
        "latency" => latency(system, size, span).await,
        _ => Err(arguments.unknown()),
    }
}

/// Payload messages in a second from half of the agents to the other half.
async fn one_way<S: System>(system: &S, size: usize, span: Duration) -> Measure {
    let pairs = (size / 2).max(1);
    let window = WINDOW.min((65_536 / pairs).max(64));
    let credit = CREDIT.min(window / 2);
    let (mut sources, mut counts) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        let (source, count) = flow(system, pair, window, credit).await;
        sources.push(source);
        counts.push(count);
    }
    rate(&sources, &counts, span).await
}

/// A source and its sink.
async fn flow<S: System>(system: &S, place: usize, window: usize, credit: usize) -> (S::Address, Count) {
    let count = Count::default();
    let sink = system.spawn(place, window + 1, sink(credit, count.clone())).await;
    let source = system.spawn(place, MAILBOX, source(0, window, credit)).await;
    sink.tell(Letter::new(Kind::Meet(vec![source.clone()]), 0));
    source.tell(Letter::new(Kind::Meet(vec![sink]), 0));
    (source, count)
}

fn source<A>(me: usize, window: usize, credit: usize) -> Role<A> {
    Role::Source { me: me as u32, window: window as u32, credit: credit as u32, met: Vec::new() }
}

fn sink<A>(credit: usize, count: Count) -> Role<A> {
    Role::Sink { me: 0, credit: credit as u32, taken: Vec::new(), met: Vec::new(), count }
}

/// Round trips in a second between half of the agents and the other half.
async fn echo<S: System>(system: &S, size: usize, span: Duration) -> Measure {
    let (mut askers, mut counts) = (Vec::new(), Vec::new());
    for pair in 0..(size / 2).max(1) {
        let count = Count::default();
        let role = Role::Asker { window: ASKS as u32, met: Vec::new(), count: count.clone() };
        let asker = system.spawn(pair, MAILBOX, role).await;
        let echo = system.spawn(pair, MAILBOX, Role::Echo { met: vec![asker.clone()] }).await;
        asker.tell(Letter::new(Kind::Meet(vec![echo]), 0));
        askers.push(asker);
        counts.push(count);
    }
    rate(&askers, &counts, span).await
}

/// Payload messages in a second from so many agents to one.
async fn fan_in<S: System>(system: &S, size: usize, span: Duration) -> Measure {
    let count = Count::default();
    let mailbox = size * CREDIT_OF_MANY + 1;
    let sink = system.spawn(0, mailbox, sink(CREDIT_OF_MANY, count.clone())).await;
    let mut sources = Vec::new();
    for me in 0..size {
        let role = source(me, CREDIT_OF_MANY, CREDIT_OF_MANY);
        let source = system.spawn(me, MAILBOX, role).await;
        source.tell(Letter::new(Kind::Meet(vec![sink.clone()]), 0));
        sources.push(source);
    }
    sink.tell(Letter::new(Kind::Meet(sources.clone()), 0));
    rate(&sources, &[count], span).await
}

/// Payload messages in a second from one agent to so many.
async fn fan_out<S: System>(system: &S, size: usize, span: Duration) -> Measure {
    let source = system.spawn(0, size + MAILBOX, source(0, CREDIT_OF_MANY, CREDIT_OF_MANY)).await;
    let (mut sinks, mut counts) = (Vec::new(), Vec::new());
    for me in 0..size {
        let count = Count::default();
        let (taken, met) = (Vec::new(), vec![source.clone()]);
        let role =
            Role::Sink { me: me as u32, credit: CREDIT_OF_MANY as u32, taken, met, count: count.clone() };
        sinks.push(system.spawn(me, MAILBOX, role).await);
        counts.push(count);
    }
    source.tell(Letter::new(Kind::Meet(sinks), 0));
    rate(&[source], &counts, span).await
}

/// Whole contract nets in a second among so many participants: call, bids, choice, rejections, result.
async fn contract_net<S: System>(system: &S, size: usize, span: Duration) -> Measure {
    let window = (8_192 / size).clamp(1, 32);
    let (mut initiators, mut counts, mut bidders) = (Vec::new(), Vec::new(), Vec::new());
    for me in 0..2 {
        let count = Count::default();
        let nets = vec![Net::default(); window];
        let role = Role::Initiator { me, met: Vec::new(), nets, count: count.clone() };
        initiators.push(system.spawn(me as usize, window * (size + 1) + MAILBOX, role).await);
        counts.push(count);
    }
    for me in 0..size {
        let role = Role::Bidder { me: me as u32, met: initiators.clone() };
        bidders.push(system.spawn(me, 4 * window + MAILBOX, role).await);
    }
    initiators.iter().for_each(|initiator| initiator.tell(Letter::new(Kind::Meet(bidders.clone()), 0)));
    rate(&initiators, &counts, span).await
}

/// Begins, warms up, and counts for so long.
async fn rate<A: Address>(begin: &[A], counts: &[Count], span: Duration) -> Measure {
    begin.iter().for_each(|agent| agent.tell(Letter::new(Kind::Go, 0)));
    let total = || counts.iter().map(Count::get).sum::<u64>();
    sleep(WARM_UP).await;
    let (before, begun) = (total(), Instant::now());
    sleep(span).await;
    Measure::of((total() - before) as f64 / begun.elapsed().as_secs_f64())
}

/// Microseconds for each of so many agents from its start to its first answer, when all are started at once.
async fn spawn<S: System>(system: &S, size: usize, span: Duration) -> Result<Measure, Failure> {
    spawn_and_ask(system, size.min(SPAWN_WARM_UP)).await?.into_iter().for_each(|agent| system.stop(agent));
    let (mut spent, mut spawned) = (Duration::ZERO, 0);
    while spent < span {
        let begun = Instant::now();
        let agents = spawn_and_ask(system, size).await?;
        spent += begun.elapsed();
        spawned += size;
        agents.into_iter().for_each(|agent| system.stop(agent));
        // Those that end must not slow those that begin.
        sleep(Duration::from_micros(20 * size as u64)).await;
    }
    Ok(Measure::of(spent.as_secs_f64() * 1e6 / spawned as f64))
}

async fn spawn_and_ask<S: System>(system: &S, size: usize) -> Result<Vec<S::Address>, Failure> {
    let (done, answered) = oneshot::channel();
    let role = Role::Collector { missing: size, done: Some(done) };
    let collector = system.spawn(0, size + 1, role).await;
    let mut agents = Vec::with_capacity(size + 1);
    for place in 0..size {
        let agent = system.spawn(place, MAILBOX, Role::Echo { met: vec![collector.clone()] }).await;
        agent.tell(Letter::new(Kind::Request(content()), 0));
        agents.push(agent);
    }
    answered.await?;
    agents.push(collector);
    Ok(agents)
}

/// Private bytes of each of so many agents that have answered once and wait.
async fn memory<S: System>(system: &S, size: usize) -> Result<Measure, Failure> {
    let before = private_bytes()?;
    let agents = spawn_and_ask(system, size).await?;
    sleep(SETTLE).await;
    let after = private_bytes()?;
    drop(agents);
    Ok(Measure::of(after.saturating_sub(before) as f64 / size as f64))
}

/// Latencies of echoes that are asked for on a clock, so many in a second, whether the system keeps up or not. A latency is
/// counted from the moment at which the question was due.
async fn latency<S: System>(system: &S, per_second: usize, span: Duration) -> Result<Measure, Failure> {
    let origin = Instant::now();
    let measuring = Arc::new(AtomicBool::new(false));
    let (mut echoes, mut records) = (Vec::new(), Vec::new());
    for pair in 0..LATENCY_AGENTS / 2 {
        let latencies = Mutex::new(histogram());
        let record = Arc::new(Record { origin, measuring: Arc::clone(&measuring), latencies });
        let role = Role::Recorder { record: Arc::clone(&record) };
        let recorder = system.spawn(pair, RECORDER_MAILBOX, role).await;
        echoes.push(system.spawn(pair, RECORDER_MAILBOX, Role::Echo { met: vec![recorder] }).await);
        records.push(record);
    }
    let until = origin.elapsed() + WARM_UP + span;
    let questions = thread::Builder::new()
        .name("questions".into())
        .spawn(move || ask_on_time(&echoes, origin, until, per_second as f64))?;
    sleep(WARM_UP).await;
    measuring.store(true, Ordering::Relaxed);
    sleep(span).await;
    measuring.store(false, Ordering::Relaxed);
    let mut latencies = histogram();
    for record in records {
        latencies.add(&*record.latencies.lock().unwrap_or_else(|broken| broken.into_inner()))?;
    }
    let value = latencies.len() as f64 / span.as_secs_f64();
    questions.join().map_err(|_| "asking failed")?;
    Ok(Measure { value, latencies: Some(latencies) })
}

/// Sends each question when it is due, on a thread of its own.
fn ask_on_time<A: Address>(echoes: &[A], origin: Instant, until: Duration, per_second: f64) {
    let begun = nanos_since(origin);
    let due = |asked: u64| begun + (asked as f64 * 1e9 / per_second) as u64;
    let mut asked = 0;
    while origin.elapsed() < until {
        let now = nanos_since(origin);
        while due(asked) <= now {
            let to = &echoes[asked as usize % echoes.len()];
            to.tell(Letter { kind: Kind::Request(content()), from: 0, number: due(asked) });
            asked += 1;
        }
        thread::sleep(TICK);
    }
}
