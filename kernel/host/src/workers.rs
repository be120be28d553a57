//! The threads that run agents: each pops an agent, runs one turn to completion, and sleeps when there is none.
//!
//! One more thread keeps the timers. A wake costs microseconds, so a worker looks once more before it sleeps, and a
//! wake for a busy worker goes to an idle one, which steals.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use caxton_core::{Bus, Wake};

use crate::clock::Clock;

/// How long a worker sleeps at most: the price of a lost wake, which the order of operations below excludes.
const SLEEP_MAX: Duration = Duration::from_millis(100);
/// How late a timer may fire, and how often the timer thread looks while there are timers.
const TIMER_GRAIN: Duration = Duration::from_millis(1);
/// How long the timer thread sleeps while there are no timers.
const TIMER_IDLE: Duration = Duration::from_millis(5);
/// Stack of a worker: the guest's own bound (512 KiB by default) and the host's frames above and below it.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Where workers sleep.
struct Parking {
    places: Vec<Place>,
    stop: AtomicBool,
}

#[derive(Default)]
struct Place {
    idle: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Place {
    /// Wakes the worker if it sleeps; true when it did.
    fn wake(&self) -> bool {
        let slept = self.idle.swap(false, Ordering::SeqCst);
        if slept && let Some(thread) = self.thread.get() {
            thread.unpark();
        }
        slept
    }
}

impl Wake for Parking {
    fn wake(&self, worker: usize) {
        if !self.places.get(worker).is_some_and(Place::wake) {
            let _nobody_sleeps = self.places.iter().any(Place::wake);
        }
    }
}

/// Running workers.
pub struct Workers {
    parking: Arc<Parking>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts worker threads and the timer thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(bus: &Arc<Bus>, clock: Clock, count: usize) -> std::io::Result<Self> {
        let places = (0..count).map(|_| Place::default()).collect();
        let parking = Arc::new(Parking { places, stop: AtomicBool::new(false) });
        bus.set_wake(Arc::clone(&parking) as Arc<dyn Wake>);
        let mut threads = Vec::with_capacity(count + 1);
        for worker in 0..count {
            let (bus, parking) = (Arc::clone(bus), Arc::clone(&parking));
            let builder = thread::Builder::new().name(format!("worker-{worker}")).stack_size(STACK_BYTES);
            threads.push(builder.spawn(move || work(&bus, &parking, clock, worker))?);
        }
        let (bus, timers) = (Arc::clone(bus), Arc::clone(&parking));
        threads.push(
            thread::Builder::new().name("timers".into()).spawn(move || keep_time(&bus, &timers, clock))?,
        );
        Ok(Self { parking, threads })
    }

    /// Lets each finish its turn and ends them.
    pub fn stop(self) {
        self.parking.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.thread().unpark();
            let _ended = thread.join();
        }
    }
}

fn work(bus: &Bus, parking: &Parking, clock: Clock, worker: usize) {
    let Some(place) = parking.places.get(worker) else { return };
    let _first = place.thread.set(thread::current());
    while !parking.stop.load(Ordering::SeqCst) {
        if turn(bus, clock, worker) {
            continue;
        }
        // Announce sleep before the last look: whoever queues an agent after that look sees `idle` and wakes.
        place.idle.store(true, Ordering::SeqCst);
        if turn(bus, clock, worker) || parking.stop.load(Ordering::SeqCst) {
            place.idle.store(false, Ordering::SeqCst);
            continue;
        }
        thread::park_timeout(SLEEP_MAX);
        place.idle.store(false, Ordering::SeqCst);
    }
}

/// Runs one turn; false when there was none to run.
fn turn(bus: &Bus, clock: Clock, worker: usize) -> bool {
    let Some(activation) = bus.next(worker, clock.now()) else { return false };
    bus.finish(activation.run(), clock.now());
    true
}

fn keep_time(bus: &Bus, parking: &Parking, clock: Clock) {
    while !parking.stop.load(Ordering::SeqCst) {
        let now = clock.now();
        let wait = match bus.next_deadline() {
            Some(due) if due <= now => {
                bus.tick(now);
                continue;
            }
            Some(_) => TIMER_GRAIN,
            None => TIMER_IDLE,
        };
        thread::park_timeout(wait);
    }
}
