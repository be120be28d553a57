//! The one engine configuration, shared by the server and the compiling child, and the clock that interrupts guests.
//!
//! Calls are plain and synchronous: component-model concurrency is off (it triples the cost of a call), there is no
//! fuel and there are no fibers. Instances come from a pool, so that making one does not map memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::{error::RuntimeError, options::RuntimeOptions, trap::FRAMES_MAX};

/// Length of an epoch in microseconds. A deadline is met this precisely when the machine is not overloaded, and a guest
/// that computes lets other threads of its processor go ahead this often: the operating system alone may let them wait for
/// several times as long.
pub(crate) const TICK_MICROS: u32 = 250;
/// How often the clock looks whether a guest runs while none does.
const IDLE: Duration = Duration::from_millis(1);
/// Memories that an instance may own; QuickJS components own three.
const MEMORIES_PER_AGENT: u32 = 3;
/// Tables that an instance may own.
const TABLES_PER_AGENT: u32 = 4;
/// Elements of a table; interpreters have ten thousand functions and more.
const TABLE_ELEMENTS_MAX: usize = 65_536;
/// Core instances of one component; wrapped interpreters have two dozen.
const CORE_INSTANCES_PER_AGENT: u32 = 64;
/// Host memory of one instance's bookkeeping in bytes, without its linear memory.
const INSTANCE_BYTES_MAX: usize = 4 << 20;
/// Instances beyond `agents_max`: a replacement exists for a moment beside the one it replaces, and a first instance is
/// made when a component is checked.
const SPARE_INSTANCES: u32 = 16;
/// Bytes of a memory, and of a table, that stay with the pool for the next instance when an agent leaves: a Python agent
/// writes to 0.7 MiB. Written pages are reset by copying, which costs less than giving them back and faulting them in
/// again: a spawn takes half as long. Only where the kernel tells which pages were written (Linux 6.7); else the whole
/// range would be reset.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Address space that the pool may reserve in bytes: half of the 128 TiB that a process has.
const ADDRESS_SPACE_MAX: u64 = 64 << 40;
/// Reservation that lets the compiler leave out bounds checks: what a 32-bit index can reach.
const RESERVATION_FULL: u64 = 4 << 30;
/// Guard behind a memory in bytes; offsets up to it need no check.
const GUARD_BYTES: u64 = 32 << 20;
/// A page of WebAssembly in bytes.
const WASM_PAGE: u64 = 64 << 10;

/// What the machine code depends on; child and server must agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct CodeShape {
    /// Address space reserved for one memory in bytes.
    pub(crate) memory_reservation: u64,
}

impl CodeShape {
    /// Chooses the full reservation as long as all agents fit, else one as large as their memory may grow.
    pub(crate) fn of(options: &RuntimeOptions) -> Self {
        let full = memories(options).saturating_mul(RESERVATION_FULL + GUARD_BYTES);
        if full <= ADDRESS_SPACE_MAX {
            return Self { memory_reservation: RESERVATION_FULL };
        }
        Self { memory_reservation: options.memory_bytes_max.next_multiple_of(WASM_PAGE) }
    }

    /// Address space that the pool reserves in bytes.
    pub(crate) fn pool_bytes(self, options: &RuntimeOptions) -> u64 {
        memories(options).saturating_mul(self.memory_reservation.saturating_add(GUARD_BYTES))
    }
}

fn instances(options: &RuntimeOptions) -> u32 {
    options.agents_max.saturating_add(SPARE_INSTANCES)
}

fn memories(options: &RuntimeOptions) -> u64 {
    u64::from(instances(options)) * u64::from(MEMORIES_PER_AGENT)
}

/// The configuration as far as machine code depends on it. Which proposals a component may use is decided before, by
/// `component::validate`.
pub(crate) fn code_config(shape: CodeShape) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(false)
        .memory_reservation(shape.memory_reservation)
        .memory_guard_size(GUARD_BYTES)
        .memory_init_cow(true)
        .wasm_memory64(false)
        .wasm_backtrace_max_frames(FRAMES_MAX)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config
}

/// The server's engine: the code configuration, plus a pool that holds every agent.
pub(crate) fn server_engine(shape: CodeShape, options: &RuntimeOptions) -> Result<Engine, RuntimeError> {
    let count = instances(options);
    let bytes_max = usize::try_from(options.memory_bytes_max).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count)
        .total_core_instances(count.saturating_mul(CORE_INSTANCES_PER_AGENT))
        .total_memories(count.saturating_mul(MEMORIES_PER_AGENT))
        .total_tables(count.saturating_mul(TABLES_PER_AGENT))
        .max_core_instances_per_component(CORE_INSTANCES_PER_AGENT)
        .max_memories_per_component(MEMORIES_PER_AGENT)
        .max_tables_per_component(TABLES_PER_AGENT)
        .max_tables_per_module(TABLES_PER_AGENT)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(bytes_max);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEPT_BYTES_MAX)
            .table_keep_resident(KEPT_BYTES_MAX);
    }
    let mut config = code_config(shape);
    config
        .max_wasm_stack(options.wasm_stack_bytes)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(|error| RuntimeError::Engine(format!("{error:#}")))
}

/// Counters of guests that run. As many threads as this count without waiting for each other.
const LANES: usize = 16;

#[derive(Default)]
struct Clock {
    /// Epochs since the start; they stand still while no guest runs.
    epochs: AtomicU64,
    /// Guests that run, by the lane of their thread.
    running: [Lane; LANES],
}

/// As far apart as processors fetch lines of the cache: two lines of 64 bytes.
#[derive(Default)]
#[repr(align(128))]
struct Lane(AtomicUsize);

impl Clock {
    fn lane(&self) -> Option<&AtomicUsize> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static LANE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % LANES;
        }
        self.running.get(LANE.with(|lane| *lane)).map(|lane| &lane.0)
    }

    fn runs(&self) -> bool {
        self.running.iter().any(|lane| lane.0.load(Ordering::Relaxed) > 0)
    }
}

/// Moves the engine's epoch on, from a thread of its own that ends with it.
pub(crate) struct Ticker {
    clock: Arc<Clock>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Ticker {
    /// Starts the thread.
    pub(crate) fn start(engine: &Engine) -> Result<Self, RuntimeError> {
        let (stop, stopped) = mpsc::channel::<()>();
        let engine = engine.clone();
        let clock = Arc::new(Clock::default());
        let counted = Arc::clone(&clock);
        let thread = thread::Builder::new()
            .name("caxton-epoch".to_owned())
            .spawn(move || {
                let tick = Duration::from_micros(u64::from(TICK_MICROS));
                loop {
                    let runs = counted.runs();
                    let pause = if runs { tick } else { IDLE };
                    if stopped.recv_timeout(pause) != Err(mpsc::RecvTimeoutError::Timeout) {
                        return;
                    }
                    if runs {
                        counted.epochs.fetch_add(1, Ordering::Relaxed);
                        engine.increment_epoch();
                    }
                }
            })
            .map_err(|error| RuntimeError::Engine(format!("no thread for the epoch clock: {error}")))?;
        Ok(Self { clock, stop: Some(stop), thread: Some(thread) })
    }

    /// The number of the epoch that runs.
    pub(crate) fn epoch(&self) -> u64 {
        self.clock.epochs.load(Ordering::Relaxed)
    }

    /// A guest begins to run on this thread.
    pub(crate) fn begin(&self) {
        if let Some(lane) = self.clock.lane() {
            lane.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A guest has ended to run on this thread.
    pub(crate) fn end(&self) {
        if let Some(lane) = self.clock.lane() {
            lane.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by the panic hook; there is nothing to add.
            let _ = thread.join();
        }
    }
}
