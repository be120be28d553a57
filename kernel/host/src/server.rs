//! One server's life: made from a configuration, composed, running until it is told to stop, drained.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use caxton_abi::{Code, class};
use caxton_core::{Accounting, Bus, Limits};
use caxton_runtime::{Runtime, RuntimeOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    admin::{Admin, Components, Readiness, UPLOADS_MAX, WAITING_MAX},
    clock::Clock,
    compose::{self, Slot, Sockets, Started},
    config::{self, Fault, Loaded},
    fleet::Fleet,
    logging,
    pump::Pump,
    sandbox,
    services::{self, Server},
    store::Storage,
    workers::Workers,
};

/// Agents at once when the configuration does not say: what the default of `vm.max_map_count` (65,530) carries for
/// components with one memory, with room for the rest of the process.
const AGENTS_DEFAULT: usize = 4_096;
/// Threads of the server's own asynchronous work: control operations and waiting. Agents run on the workers.
const ASYNC_THREADS: usize = 2;
/// How long the threads may take to end: a turn's longest time and an exporter's last batch fit in it many times.
const THREADS_END: Duration = Duration::from_secs(10);
/// How long the store may take to write what ended: well within the threads' time.
const STORE_END: Duration = Duration::from_secs(5);
/// How often a drain looks whether everything is finished.
const DRAIN_LOOK: Duration = Duration::from_millis(5);

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration, or a required plugin.
    Faults(Vec<Fault>),
    /// The machine.
    Failed {
        /// Its code.
        code: Code,
        /// What failed and what to do.
        message: String,
    },
}

fn failed(code: Code, message: impl ToString) -> StartError {
    StartError::Failed { code, message: message.to_string() }
}

fn failed_thread(error: std::io::Error) -> StartError {
    failed(Code::HOST_LIMIT, format!("no thread: {error}"))
}

/// Runs a server until SIGTERM or SIGINT, then drains it.
///
/// # Errors
/// It could not start; whatever had started was stopped again.
pub fn run(loaded: Loaded) -> Result<(), StartError> {
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(ASYNC_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|error| failed(Code::HOST_LIMIT, format!("no threads: {error}")))?;
    let done = threads.block_on(serve(&loaded));
    threads.shutdown_timeout(Duration::from_secs(1));
    done
}

/// The parts that live as long as the server.
struct Parts {
    bus: Arc<Bus>,
    clock: Clock,
    pump: Arc<Pump>,
    readiness: Arc<Readiness>,
    services: Arc<Server>,
    storage: Arc<Storage>,
    admin: Arc<Admin>,
    workers: Arc<Workers>,
    signals: thread::JoinHandle<()>,
}

async fn serve(loaded: &Loaded) -> Result<(), StartError> {
    let no_signals = |error| failed(Code::HOST_LIMIT, format!("signals cannot be watched: {error}"));
    let parts = assemble(loaded)?;
    let sockets = Sockets {
        bus: Arc::clone(&parts.bus),
        clock: parts.clock,
        pump: Arc::clone(&parts.pump),
        services: Arc::clone(&parts.services) as _,
        readiness: Arc::clone(&parts.readiness),
        storage: Arc::clone(&parts.storage),
        admin: Arc::clone(&parts.admin),
    };
    let mut told_to_stop = Stops::new().map_err(no_signals)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
    let started = Started::default();
    let composed = tokio::select! {
        composed = compose::compose(loaded, &sockets, &started) => Some(composed),
        () = told_to_stop.next() => None,
    };
    parts.workers.open();
    let mut slots = started.take();
    match composed {
        Some(Ok(())) => {}
        Some(Err(faults)) => {
            stop(parts, &slots).await;
            return Err(StartError::Faults(faults));
        }
        None => {
            tracing::info!("told to stop while starting");
            stop(parts, &slots).await;
            return Ok(());
        }
    }
    let plugins = slots.len();
    slots.extend(started.take_others());
    let failed = Arc::clone(&parts.services.failed);
    let fleet = Fleet::new(loaded, sockets, Arc::clone(&parts.workers), slots, failed);
    if let Err(error) = fleet.attend() {
        stop(parts, &fleet.end()).await;
        return Err(failed_thread(error));
    }
    let _only_once = parts.admin.fleet.set(Arc::clone(&fleet));
    parts.readiness.composed();
    services::tell_state(&parts.bus, parts.clock, "ready".to_owned());
    tracing::info!(platform = %loaded.config.server.platform, plugins, "ready");
    loop {
        tokio::select! {
            () = told_to_stop.next() => break,
            _ = hangup.recv() => {
                tokio::spawn(read_again(Arc::clone(&fleet)));
            }
        }
    }
    let slots = fleet.end();
    tokio::select! {
        () = drain(&parts, &fleet, &slots) => {}
        () = told_to_stop.next() => tracing::warn!("told to stop again: what is left is not waited for"),
    }
    stop(parts, &slots).await;
    Ok(())
}

/// What SIGHUP does; its outcome is in the log.
async fn read_again(fleet: Arc<Fleet>) {
    if let Err(failure) = fleet.reconfigure().await {
        let (code, reason) = (failure.code, failure.message);
        tracing::error!(%code, reason, "the configuration is not changed");
    }
}

/// SIGTERM and SIGINT.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn assemble(loaded: &Loaded) -> Result<Parts, StartError> {
    let server = &loaded.config.server;
    let clock = Clock::start();
    let workers = match server.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let limits = limits(&loaded.config.limits);
    let options = runtime_options(&server.data_dir, &loaded.config.limits, limits.agents_max);
    let runtime = Runtime::new(options.clone()).map_err(|error| failed(error.code(), error))?;
    let bus = Bus::new(caxton_core::Options {
        platform: server.platform.clone(),
        limits: Arc::new(limits),
        workers,
        seed: clock.started().nanos() ^ u64::from(std::process::id()).rotate_left(32),
        content_in_signals: server.content_in_signals,
    });
    let bus = Arc::new(bus.map_err(|refusal| failed(refusal.code, refusal.detail))?);
    let pump = Pump::new(Arc::clone(&bus), clock);
    let readiness = Arc::new(Readiness::default());
    let services = Server::new(Arc::clone(&bus), clock);
    let storage = Storage::new(Arc::clone(&bus), clock, server.recover, &server.data_dir);
    let admin = Arc::new(Admin {
        bus: Arc::clone(&bus),
        runtime: Arc::new(runtime),
        pump: Arc::clone(&pump),
        clock,
        workers,
        components: Components::default(),
        uploads: Arc::new(tokio::sync::Semaphore::new(UPLOADS_MAX)),
        waiters: Arc::new(tokio::sync::Semaphore::new(WAITING_MAX)),
        readiness: Arc::clone(&readiness),
        storage: Arc::clone(&storage),
        fleet: OnceLock::new(),
        memory_bytes_max: options.memory_bytes_max,
        turn_ms_max: options.turn_ms_max,
        init_ms_max: options.init_ms_max,
    });
    services.open(Arc::clone(&admin));
    logging::keep_lines(Arc::clone(pump.news()), clock);
    let signals = pump.start().map_err(failed_thread)?;
    let workers = Workers::start(&bus, clock, workers).map_err(failed_thread)?;
    services.lend_to(Arc::clone(&workers));
    Ok(Parts { bus, clock, pump, readiness, services, storage, admin, workers, signals })
}

/// The kernel's bounds: its defaults with what the configuration says.
pub(crate) fn limits(set: &config::Limits) -> Limits {
    let base = Limits::default();
    Limits {
        agents_max: set.agents_max.unwrap_or(AGENTS_DEFAULT),
        mailbox_messages_max: set.mailbox_messages_max.unwrap_or(base.mailbox_messages_max),
        mailbox_bytes_max: set.mailbox_bytes_max.unwrap_or(base.mailbox_bytes_max),
        content_bytes_max: set.content_bytes_max.unwrap_or(base.content_bytes_max),
        turn_messages_max: set.turn_messages_max.unwrap_or(base.turn_messages_max),
        outbox_messages_max: set.outbox_messages_max.unwrap_or(base.outbox_messages_max),
        receivers_max: set.receivers_max.unwrap_or(base.receivers_max),
        hop_max: set.hop_max.unwrap_or(base.hop_max),
        names_max: set.names_max.unwrap_or(base.names_max),
        symbols_max: set.symbols_max.unwrap_or(base.symbols_max),
        pending_messages_max: set.pending_messages_max.unwrap_or(base.pending_messages_max),
        pending_ms_max: set.pending_ms_max.unwrap_or(base.pending_ms_max),
        dead_letters_max: set.dead_letters_max.unwrap_or(base.dead_letters_max),
        state_bytes_max: set.state_bytes_max.unwrap_or(base.state_bytes_max),
        restarts_max: set.restarts_max.unwrap_or(base.restarts_max),
        restart_window_ms: set.restart_window_ms.unwrap_or(base.restart_window_ms),
        restart_backoff_ms: set.restart_backoff_ms.unwrap_or(base.restart_backoff_ms),
        restart_backoff_ms_max: set.restart_backoff_ms_max.unwrap_or(base.restart_backoff_ms_max),
        recycle_memory_bytes: set.recycle_memory_bytes.unwrap_or(base.recycle_memory_bytes),
        acked_ms_max: set.acked_ms_max.unwrap_or(base.acked_ms_max),
        retries_messages_max: set.retries_messages_max.unwrap_or(base.retries_messages_max),
        deliveries_max: set.deliveries_max.unwrap_or(base.deliveries_max),
        duplicates_max: set.duplicates_max.unwrap_or(base.duplicates_max),
        settle_ms: set.settle_ms.unwrap_or(base.settle_ms),
        signals_per_second_max: set.signals_per_second_max.unwrap_or(base.signals_per_second_max),
        upgrade_drain_ms: set.upgrade_drain_ms.unwrap_or(base.upgrade_drain_ms),
        ..base
    }
}

/// The sandbox's options, with what the configuration says.
pub(crate) fn runtime_options(data_dir: &Path, set: &config::Limits, agents_max: usize) -> RuntimeOptions {
    let compiler = sandbox::compiler();
    let base = RuntimeOptions::new(data_dir.join("components"), compiler);
    let small = |value: Option<u64>, default: u32| {
        value.map_or(default, |value| u32::try_from(value).unwrap_or(u32::MAX))
    };
    RuntimeOptions {
        agents_max: u32::try_from(agents_max).unwrap_or(u32::MAX),
        memory_bytes_max: set.memory_bytes_max.unwrap_or(base.memory_bytes_max),
        turn_ms_max: small(set.turn_ms_max, base.turn_ms_max),
        init_ms_max: small(set.init_ms_max, base.init_ms_max),
        component_bytes_max: set.component_bytes_max.unwrap_or(base.component_bytes_max),
        compile_seconds_max: small(set.compile_seconds_max, base.compile_seconds_max),
        compile_memory_bytes_max: set.compile_memory_bytes_max.unwrap_or(base.compile_memory_bytes_max),
        ..base
    }
}

/// Takes no new work and finishes what there is, until the deadline.
async fn drain(parts: &Parts, fleet: &Fleet, slots: &[Arc<Slot>]) {
    tracing::info!("draining");
    services::tell_state(&parts.bus, parts.clock, "draining".to_owned());
    parts.readiness.draining();
    for instance in slots.iter().rev().filter_map(|slot| slot.instance()) {
        if instance.ports().endpoint.is_some()
            && instance.state().is_callable()
            && let Err(failure) = instance.drain().await
        {
            tracing::warn!(plugin = instance.name(), code = %failure.code, reason = %failure.message, "drain");
        }
    }
    fleet.retired().await;
    let deadline = parts.clock.now().plus_millis(fleet.drain_ms());
    while !parts.bus.quiescent() && parts.clock.now() < deadline {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
}

/// Ends plugins in the reverse order of their start, then the threads; exporters and the store last, so that they write
/// out the rest.
async fn stop(parts: Parts, started: &[Arc<Slot>]) {
    let (last, others): (Vec<_>, Vec<_>) = started
        .iter()
        .rev()
        .filter_map(|slot| slot.instance())
        .partition(|instance| instance.ports().exporter.is_some() || instance.ports().store.is_some());
    let Parts { bus, clock, pump, storage, workers, signals, .. } = parts;
    let closing = Arc::clone(&bus);
    let ended = tokio::task::spawn_blocking(move || {
        workers.stop();
        // Before the addresses of plugins are given back: what waits there ends with the server, not with them.
        closing.close(clock.now());
    });
    if tokio::time::timeout(THREADS_END, ended).await.is_err() {
        tracing::error!("a plugin holds a worker up; it is left behind");
        bus.close(clock.now());
    }
    for instance in &others {
        let _logged_by_its_fence = instance.stop().await;
    }
    let ended = tokio::task::spawn_blocking(move || {
        let written = storage.close(STORE_END);
        pump.stop();
        signals.thread().unpark();
        let _ended = signals.join();
        written
    });
    let written = match tokio::time::timeout(THREADS_END, ended).await {
        Ok(Ok(written)) => written,
        _ => {
            tracing::error!("an exporter holds the signals up; they are left behind");
            false
        }
    };
    for instance in &last {
        let _logged_by_its_fence = instance.stop().await;
    }
    // Turns whose transactions ended just now are in it.
    tell_what_was_left(&bus.accounting(), written);
}

/// The last balance, in all and for each delivery class that had messages.
fn tell_what_was_left(books: &Accounting, written: bool) {
    for (class, books) in books.by_class.iter().enumerate().filter(|(_, books)| books.accepted > 0) {
        tracing::info!(
            class = u8::try_from(class).ok().and_then(class::name),
            accepted = books.accepted,
            delivered = books.delivered,
            expired = books.expired,
            dead_lettered = books.dead_lettered,
            dropped = books.dropped,
            left_in_the_store = books.in_flight,
            "messages"
        );
    }
    tracing::info!(
        accepted = books.accepted,
        delivered = books.delivered,
        expired = books.expired,
        dead_lettered = books.dead(),
        dropped = books.dropped.values().sum::<u64>(),
        in_flight = books.in_flight,
        holds = books.holds(),
        written,
        "stopped"
    );
}
