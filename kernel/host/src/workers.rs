//! The threads that run agents: each pops an agent, runs one turn to completion, and sleeps when there is none.
//!
//! One more thread keeps the timers. A wake costs microseconds, so a worker looks once more before it sleeps, and a
//! wake for a busy worker goes to an idle one, which steals. A worker that hangs in a plugin gets a substitute.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle, Thread, ThreadId},
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

/// Substitutes for workers that hang in a plugin, in the life of a server: each may hang too.
const SUBSTITUTES_MAX: usize = 4;

/// Where workers sleep.
struct Parking {
    places: Vec<Place>,
    open: AtomicBool,
    stop: AtomicBool,
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
        let parking =
            Arc::new(Parking { places, open: AtomicBool::new(false), stop: AtomicBool::new(false) });
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
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
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
        if turn(bus, clock, worker) {
            continue;
        }
        // Announce sleep before the last look: whoever queues an agent after that look sees `idle` and wakes.
        place.idle.store(true, Ordering::SeqCst);
        if !goes_on() || turn(bus, clock, worker) {
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
