//! One instance of an agent: its store, its budget and the turn that it works on.
//!
//! The kernel's turn is moved into the store for the length of one call and moved back whatever happens. An instance
//! that trapped is never called again.

use std::{fs::File, mem, sync::Arc, time::Instant};

use caxton_abi::Envelope;
use caxton_core::{
    agent::{AgentBody, BodyFactory, Directory, Fault, Start, State, TrapKind, Turn},
    ids::IdSource,
    limits::Limits,
    time::Time,
};
use wasmtime::{Engine, Store, UpdateDeadline, component::TypedFunc};

use crate::{
    budget::{MemoryBudget, ticks},
    component::CompiledComponent,
    convert,
    engine::Ticker,
    imports::{
        bindings::{Agent, exports::caxton::agent::lifecycle},
        types,
    },
    output::Output,
    trap::{Circumstances, fault},
    wire::Batch,
};

/// Bytes that one import may bring from the guest into the host. Several messages of the largest content fit, a
/// thousand do not.
const HOSTCALL_BYTES_MAX: usize = 64 << 20;

/// Epochs that a turn has to itself, a millisecond. Most are over by then: a worker that let others go ahead in each of
/// them would ask for it thousands of times in a second and pay with its share of the processor.
const SPELL_TICKS: u64 = 4;

/// What one agent's instances may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceLimits {
    /// Linear memory in bytes, all memories together; at most the runtime's `memory_bytes_max`.
    pub memory_bytes_max: u64,
    /// Wall time of one turn in milliseconds; at most the runtime's `turn_ms_max`.
    pub turn_ms_max: u32,
}

/// What every instance of a runtime shares.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    /// The source of random bytes.
    pub(crate) random: File,
    /// Where the monotonic clock of guests begins.
    pub(crate) began: Instant,
    pub(crate) init_ms_max: u32,
    pub(crate) log_level_min: u8,
    pub(crate) idle: Idle,
    /// Keeps the epoch moving as long as an instance lives.
    pub(crate) ticker: Ticker,
}

/// What an instance's imports work on.
pub(crate) struct Data {
    pub(crate) turn: Turn,
    pub(crate) in_turn: bool,
    pub(crate) timed: bool,
    pub(crate) output: Output,
    pub(crate) budget: MemoryBudget,
    /// The epoch at which the guest is interrupted.
    pub(crate) until: u64,
    /// Handles of the sandbox that the guest holds.
    pub(crate) handles: u32,
    pub(crate) shared: Arc<Shared>,
}

/// Makes instances of one component under one agent's limits.
pub(crate) struct Factory {
    pub(crate) compiled: Arc<CompiledComponent>,
    pub(crate) limits: InstanceLimits,
    pub(crate) shared: Arc<Shared>,
}

impl Factory {
    /// Makes an instance; its memory image is mapped and its start functions have run.
    pub(crate) fn make(&self) -> Result<Instance, Fault> {
        let data = Data {
            turn: self.shared.idle.turn(),
            in_turn: false,
            timed: self.compiled.info().timed,
            output: Output::new(self.shared.log_level_min),
            budget: MemoryBudget::new(self.limits.memory_bytes_max),
            until: 0,
            handles: 0,
            shared: Arc::clone(&self.shared),
        };
        let mut store = Store::new(&self.shared.engine, data);
        store.limiter(|data| &mut data.budget);
        store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
        let init_ms_max = self.shared.init_ms_max;
        store.epoch_deadline_callback(|store| Ok(at_epoch(store.data())));
        allow(&mut store, init_ms_max);
        let made = self.compiled.instantiate(&mut store);
        let made = made.and_then(|(calls, on_timer)| {
            Ok((calls.caxton_agent_handler().func_handle().func().typed(&store)?, calls, on_timer))
        });
        self.shared.ticker.end();
        match made {
            Ok((handle, calls, on_timer)) => {
                Ok(Instance { store, calls, handle, on_timer, limits: self.limits, init_ms_max, gone: false })
            }
            Err(error) => Err(fault(&error, &circumstances(&mut store, init_ms_max))),
        }
    }
}

/// Lets the guest run for so long from now; the caller tells the clock when it has.
fn allow(store: &mut Store<Data>, ms: u32) {
    let data = store.data_mut();
    data.shared.ticker.begin();
    let ticks = ticks(ms);
    data.until = data.shared.ticker.epoch().saturating_add(ticks);
    store.set_epoch_deadline(ticks.min(SPELL_TICKS));
}

/// At each epoch of a guest that computes for long: other threads go ahead, then it goes on until its time is over.
fn at_epoch(data: &Data) -> UpdateDeadline {
    if data.shared.ticker.epoch() >= data.until {
        return UpdateDeadline::Interrupt;
    }
    std::thread::yield_now();
    UpdateDeadline::Continue(1)
}

impl BodyFactory for Factory {
    fn instantiate(&self) -> Result<Box<dyn AgentBody>, Fault> {
        Ok(Box::new(self.make()?))
    }

    fn digest(&self) -> &str {
        &self.compiled.info().digest
    }
}

/// The call of `timers.on-timer`.
pub(crate) type OnTimer = TypedFunc<(u32,), (Result<(), types::Fault>,)>;

/// The call of `handler.handle`.
type Handle = TypedFunc<(Batch<'static>,), (Result<(), types::Fault>,)>;

/// A live instance.
pub(crate) struct Instance {
    store: Store<Data>,
    calls: Agent,
    handle: Handle,
    on_timer: Option<OnTimer>,
    limits: InstanceLimits,
    init_ms_max: u32,
    gone: bool,
}

type Outcome = wasmtime::Result<Result<(), types::Fault>>;

impl Instance {
    /// Lends the turn to the store, calls the guest, and takes the turn back.
    fn call(
        &mut self,
        deadline_ms: u32,
        turn: &mut Turn,
        run: impl FnOnce(&mut Store<Data>, &Agent, Option<&OnTimer>) -> Outcome,
    ) -> Result<(), Fault> {
        if self.gone {
            return Err(gone());
        }
        mem::swap(turn, &mut self.store.data_mut().turn);
        self.store.data_mut().begin();
        allow(&mut self.store, deadline_ms);
        let outcome = run(&mut self.store, &self.calls, self.on_timer.as_ref());
        self.store.data().shared.ticker.end();
        self.store.data_mut().end();
        mem::swap(turn, &mut self.store.data_mut().turn);
        match outcome {
            Ok(answer) => answer.map_err(convert::returned),
            Err(error) => {
                self.gone = true;
                Err(fault(&error, &circumstances(&mut self.store, deadline_ms)))
            }
        }
    }
}

impl AgentBody for Instance {
    fn init(&mut self, start: &Start, turn: &mut Turn) -> Result<(), Fault> {
        self.call(self.init_ms_max, turn, |store, calls, _| {
            let start =
                lifecycle::Start { self_: start.address, config: &start.config, restarts: start.restarts };
            calls.caxton_agent_lifecycle().call_init(store, start)
        })
    }

    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Fault> {
        let handle = self.handle;
        self.call(self.limits.turn_ms_max, turn, |store, _, _| {
            handle.call(store, (Batch(batch),)).map(|(answer,)| answer)
        })
    }

    fn timer(&mut self, token: u32, turn: &mut Turn) -> Result<(), Fault> {
        self.call(self.limits.turn_ms_max, turn, |store, _, on_timer| match on_timer {
            Some(on_timer) => on_timer.call(store, (token,)).map(|(answer,)| answer),
            // Timers can only be set by components that export the interface.
            None => Ok(Ok(())),
        })
    }

    fn memory_bytes(&self) -> u64 {
        self.store.data().budget.bytes()
    }

    fn memory_bytes_max(&self) -> u64 {
        self.store.data().budget.bytes_max()
    }
}

impl Data {
    fn begin(&mut self) {
        self.in_turn = true;
        self.budget.forget_refusal();
    }

    fn end(&mut self) {
        self.in_turn = false;
        let lines_max = self.turn.limits.log_lines_max;
        self.output.finish(&mut self.turn.logs, lines_max);
    }
}

fn circumstances(store: &mut Store<Data>, deadline_ms: u32) -> Circumstances {
    let data = store.data_mut();
    Circumstances {
        memory_refused: data.budget.refused(),
        memory_bytes_max: data.budget.bytes_max(),
        deadline_ms,
        last_words: data.output.take_tail(),
    }
}

fn gone() -> Fault {
    Fault::Trapped {
        kind: TrapKind::Other,
        message: "the instance trapped before and cannot be called again".to_owned(),
        frames: Vec::new(),
    }
}

/// The directory of a turn that is nobody's.
struct Nobody;

impl Directory for Nobody {
    fn resolve(&self, _name: &str) -> Option<u32> {
        None
    }
    fn name_of(&self, _address: u32) -> Option<String> {
        None
    }
    fn find(&self, _name: &str) -> Vec<u32> {
        Vec::new()
    }
    fn intern(&self, _text: &str) -> u32 {
        0
    }
    fn symbol_name(&self, _symbol: u32) -> Option<String> {
        None
    }
}

/// What holds the place of the turn in every instance while there is none; imports refuse to touch it.
pub(crate) struct Idle {
    directory: Arc<dyn Directory>,
    limits: Arc<Limits>,
    state: Arc<State>,
    ids: IdSource,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            directory: Arc::new(Nobody),
            limits: Arc::default(),
            state: Arc::default(),
            ids: IdSource::new(0),
        }
    }
}

impl Idle {
    fn turn(&self) -> Turn {
        Turn {
            now: Time::ZERO,
            address: 0,
            directory: Arc::clone(&self.directory),
            limits: Arc::clone(&self.limits),
            state: Arc::clone(&self.state),
            ids: self.ids.fork(),
            outbox: Vec::new(),
            puts: Default::default(),
            timers: Vec::new(),
            logs: Vec::new(),
        }
    }
}
