//! The threads that run agents: each pops an agent, runs one turn to completion, and sleeps when there is none.
//!
//! One more thread keeps the timers. A wake costs microseconds, so a worker looks once more before it sleeps, and a
//! wake for a busy worker goes to an idle one, which steals. A worker that hangs in a plugin gets a substitute. A thread
//! of a plugin that waits for an agent's answer is lent instead, and wakes nobody.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle, Thread, ThreadId},
    time::Duration,
};

use caxton_abi::{Envelope, port::Outcome};
use caxton_core::{Bus, Wake};

use crate::clock::Clock;

/// How long a worker sleeps at most: the price of a lost wake, which the order of operations below excludes.
const SLEEP_MAX: Duration = Duration::from_millis(100);
/// How often the timer thread looks at least while there are timers: a timer that is set while it sleeps is so late.
const TIMER_GRAIN: Duration = Duration::from_millis(1);
/// How long it sleeps at least: timers that are due within this time fire together, and wakes cost little.
const TIMER_PAUSE: Duration = Duration::from_micros(50);
/// Looks without any timer, [`TIMER_PAUSE`] apart, until the timer thread takes it that there are none.
const LOOKS_UNTIL_IDLE: u32 = 40;
/// How long it sleeps then.
const TIMER_IDLE: Duration = Duration::from_millis(5);
/// Stack of a worker: the guest's own bound (512 KiB by default) and the host's frames above and below it.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// How long a lent thread goes on with an agent that has more to do, in nanoseconds.
const LENT_NS_MAX: u64 = 100_000;
/// How often the end looks whether lent threads are back.
const LENT_LOOK: Duration = Duration::from_millis(1);

/// Substitutes for workers that hang in a plugin, in the life of a server: each may hang too.
const SUBSTITUTES_MAX: usize = 4;

/// Where workers sleep.
struct Parking {
    places: Vec<Place>,
    open: AtomicBool,
    stop: AtomicBool,
    /// Threads of plugins that may be running agents.
    lent: AtomicUsize,
}

#[derive(Default)]
struct Place {
    idle: AtomicBool,
    thread: Mutex<Option<Thread>>,
    /// Counts up when a substitute takes the place.
    shift: AtomicUsize,
}

impl Place {
    /// Wakes the worker if it sleeps; true when it did.
    fn wake(&self) -> bool {
        let slept = self.idle.swap(false, Ordering::SeqCst);
        if slept && let Some(thread) = self.thread().as_ref() {
            thread.unpark();
        }
        slept
    }

    fn thread(&self) -> MutexGuard<'_, Option<Thread>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
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
    bus: Arc<Bus>,
    clock: Clock,
    parking: Arc<Parking>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    substitutes: AtomicUsize,
}

impl Workers {
    /// Starts worker threads and the timer thread. Agents run from [`Workers::open`] on.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(bus: &Arc<Bus>, clock: Clock, count: usize) -> std::io::Result<Arc<Self>> {
        let places = (0..count).map(|_| Place::default()).collect();
        let (open, stop) = (AtomicBool::new(false), AtomicBool::new(false));
        let parking = Arc::new(Parking { places, open, stop, lent: AtomicUsize::new(0) });
        bus.set_wake(Arc::clone(&parking) as Arc<dyn Wake>);
        let workers = Self {
            bus: Arc::clone(bus),
            clock,
            parking,
            threads: Mutex::default(),
            substitutes: AtomicUsize::new(0),
        };
        for worker in 0..count {
            workers.spawn(worker, 0)?;
        }
        let (bus, timers) = (Arc::clone(bus), Arc::clone(&workers.parking));
        let timer = thread::Builder::new().name("timers".into());
        workers.threads().push(timer.spawn(move || keep_time(&bus, &timers, clock))?);
        Ok(Arc::new(workers))
    }

    /// Lets agents run: when everything is there that they may speak to.
    pub fn open(&self) {
        self.parking.open.store(true, Ordering::SeqCst);
        for place in &self.parking.places {
            let _wakes_by_itself_soon = place.thread().as_ref().map(Thread::unpark);
        }
    }

    fn spawn(&self, worker: usize, shift: usize) -> std::io::Result<()> {
        let (bus, parking, clock) = (Arc::clone(&self.bus), Arc::clone(&self.parking), self.clock);
        let builder = thread::Builder::new().name(format!("worker-{worker}")).stack_size(STACK_BYTES);
        self.threads().push(builder.spawn(move || work(&bus, &parking, clock, worker, shift))?);
        Ok(())
    }

    /// Puts substitutes in the places of workers whose threads hang in a plugin; each place gets one, until there are
    /// too many. A thread that comes back after all ends.
    pub fn substitute(&self, stuck: &[ThreadId]) {
        for (worker, place) in self.parking.places.iter().enumerate() {
            let hangs = |thread: &Thread| stuck.contains(&thread.id());
            if !place.thread().as_ref().is_some_and(hangs) {
                continue;
            }
            if self.substitutes.fetch_add(1, Ordering::Relaxed) >= SUBSTITUTES_MAX {
                tracing::error!(
                    worker,
                    "a worker hangs in a plugin, and there are no substitutes left: restart the server"
                );
                return;
            }
            let thread = place.thread().take();
            let shift = place.shift.fetch_add(1, Ordering::SeqCst) + 1;
            // Nobody waits for the thread that hangs.
            self.threads().retain(|handle| Some(handle.thread().id()) != thread.as_ref().map(Thread::id));
            match self.spawn(worker, shift) {
                Ok(()) => tracing::warn!(worker, "a worker hangs in a plugin; a substitute goes on"),
                Err(error) => tracing::error!(worker, %error, "no thread for the substitute of a worker"),
            }
        }
    }

    /// Lets each finish its turn and ends them.
    pub fn stop(&self) {
        self.parking.stop.store(true, Ordering::SeqCst);
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            thread.thread().unpark();
            let _ended = thread.join();
        }
        while self.parking.lent.load(Ordering::SeqCst) > 0 {
            thread::sleep(LENT_LOOK);
        }
    }

    /// Lets the calling thread run agents; `None` while none may run.
    pub fn lend(&self) -> Option<Lender<'_>> {
        let parking = &*self.parking;
        parking.lent.fetch_add(1, Ordering::SeqCst);
        // Counted before it looks, so that the end either is seen here or waits for this thread.
        let lender = Lender { workers: self };
        let runs = parking.open.load(Ordering::SeqCst) && !parking.stop.load(Ordering::SeqCst);
        runs.then_some(lender)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that is lent.
pub struct Lender<'a> {
    workers: &'a Workers,
}

impl Lender<'_> {
    /// Submits messages, and runs the agent that they found idle, if there is one that may run here.
    pub fn submit(self, messages: Vec<Envelope>) -> Vec<Outcome> {
        let Workers { bus, clock, .. } = self.workers;
        let began = clock.now();
        let (outcomes, mut taken) = bus.submit_and_take(messages, began);
        while let Some(activation) = taken.and_then(|agent| agent.begin(clock.now())) {
            let finished = activation.run();
            let now = clock.now();
            taken = bus.finish_taken(finished, now).filter(|_| now.nanos_since(began) < LENT_NS_MAX);
        }
        outcomes
    }
}

impl Drop for Lender<'_> {
    fn drop(&mut self) {
        self.workers.parking.lent.fetch_sub(1, Ordering::SeqCst);
    }
}

fn work(bus: &Bus, parking: &Parking, clock: Clock, worker: usize, shift: usize) {
    let Some(place) = parking.places.get(worker) else { return };
    *place.thread() = Some(thread::current());
    let goes_on = || !parking.stop.load(Ordering::SeqCst) && place.shift.load(Ordering::SeqCst) == shift;
    while goes_on() && !parking.open.load(Ordering::SeqCst) {
        thread::park_timeout(SLEEP_MAX);
    }
    while goes_on() {
        if turns(bus, clock, worker, goes_on) {
            continue;
        }
        // Announce sleep before the last look: whoever queues an agent after that look sees `idle` and wakes.
        place.idle.store(true, Ordering::SeqCst);
        if !goes_on() || turns(bus, clock, worker, goes_on) {
            place.idle.store(false, Ordering::SeqCst);
            continue;
        }
        thread::park_timeout(SLEEP_MAX);
        place.idle.store(false, Ordering::SeqCst);
    }
}

/// Runs turns until there is none to run; false when there was none at all. A turn begins when the one before it ended,
/// so the clock is read once for each.
fn turns(bus: &Bus, clock: Clock, worker: usize, goes_on: impl Fn() -> bool) -> bool {
    let (mut now, mut any) = (clock.now(), false);
    while goes_on()
        && let Some(activation) = bus.next(worker, now)
    {
        let finished = activation.run();
        now = clock.now();
        bus.finish(finished, now);
        any = true;
    }
    any
}

fn keep_time(bus: &Bus, parking: &Parking, clock: Clock) {
    let mut looks_without: u32 = 0;
    while !parking.stop.load(Ordering::SeqCst) {
        let now = clock.now();
        let due = bus.next_deadline();
        // Agents that tick set the next timer in the turn that the last one began: the table is empty only meanwhile.
        looks_without = if due.is_some() { 0 } else { looks_without.saturating_add(1) };
        let wait = match due {
            Some(due) if due <= now => {
                bus.tick(now);
                continue;
            }
            Some(due) => Duration::from_nanos(due.nanos_since(now)).clamp(TIMER_PAUSE, TIMER_GRAIN),
            None if looks_without < LOOKS_UNTIL_IDLE => TIMER_PAUSE,
            None => TIMER_IDLE,
        };
        thread::park_timeout(wait);
    }
}

#[cfg(test)]
mod tests;
