//! The sandbox as the host sees it: checks and compiles components, and makes factories of instances.

use std::{
    collections::BTreeMap,
    fs::File,
    hash::{Hash, Hasher},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Instant,
};

use caxton_abi::Code;
use caxton_core::agent::{BodyFactory, Fault};
use sha2::{Digest, Sha256};
use wasmtime::{
    Engine,
    component::{Component, HasSelf, Linker},
};

use crate::{
    compile,
    component::{Cache, CompiledComponent, ComponentInfo, check, check_grants, digest, hex, outline},
    engine::{CodeShape, Ticker, server_engine},
    error::{ComponentError, RuntimeError},
    imports::bindings::Agent,
    incremental::Functions,
    instance::{Data, Factory, Idle, InstanceLimits, Shared},
    options::RuntimeOptions,
    preflight::{self, Host},
    wasi,
};

/// Digits of the engine's hash in a file's name.
const ENGINE_HASH_DIGITS: usize = 16;

/// The sandbox. One for each server; its methods may be called from any thread.
pub struct Runtime {
    options: RuntimeOptions,
    shape: CodeShape,
    shared: Arc<Shared>,
    cache: Cache,
    functions: Functions,
    engine_hash: String,
    compiling: Mutex<()>,
    /// Components in use by digest; entries whose component is gone are removed when one is added.
    live: Mutex<BTreeMap<String, Weak<CompiledComponent>>>,
}

impl Runtime {
    /// Reserves the address space of all agents, opens the cache and starts the epoch clock.
    ///
    /// # Errors
    /// [`RuntimeError::HostLimit`] says which limit of the operating system to raise.
    pub fn new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let shape = CodeShape::of(&options);
        preflight::check(Host::read(), shape, &options)?;
        let cache = Cache::open(&options.cache_dir, options.cache_bytes_max)?;
        let engine = server_engine(shape, &options)?;
        let random = File::open("/dev/urandom")
            .map_err(|error| RuntimeError::Engine(format!("no random numbers: {error}")))?;
        let engine_hash = engine_hash(&engine);
        let shared = Shared {
            random,
            began: Instant::now(),
            init_ms_max: options.init_ms_max,
            log_level_min: options.log_level_min,
            idle: Idle::default(),
            ticker: Ticker::start(&engine)?,
            engine,
        };
        Ok(Self {
            options,
            shape,
            shared: Arc::new(shared),
            functions: cache.functions(engine_hash.clone()),
            cache,
            engine_hash,
            compiling: Mutex::default(),
            live: Mutex::default(),
        })
    }

    /// Checks a component without compiling it: size, kind, structure, validity, world, imports.
    ///
    /// # Errors
    /// The first check that fails; its code tells which.
    pub fn check(&self, bytes: &[u8]) -> Result<ComponentInfo, ComponentError> {
        check(bytes, &self.options)
    }

    /// Checks a component and compiles it, unless it is in use or on disk already. Takes seconds for large ones, so
    /// call it from a thread that may block.
    ///
    /// # Errors
    /// As [`Runtime::check`], and [`ComponentError::CompileLimit`] when the compiler had to be stopped.
    pub fn compile(&self, bytes: &[u8]) -> Result<Arc<CompiledComponent>, ComponentError> {
        if let Some(compiled) = self.known(bytes) {
            return Ok(compiled);
        }
        let info = outline(bytes, &self.options)?;
        // One at a time: the limits of a compilation are also those of all.
        let _turn = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        let component = self.machine_code(bytes, &info)?;
        let compiled = Arc::new(link(&self.shared.engine, &component, info)?);
        let mut live = self.live();
        live.retain(|_, known| known.strong_count() > 0);
        live.insert(compiled.info().digest.clone(), Arc::downgrade(&compiled));
        Ok(compiled)
    }

    /// Makes a factory of instances under one agent's limits. Unless an instance was made under a limit as small, makes one
    /// to see that there can be any.
    ///
    /// # Errors
    /// [`ComponentError::GrantUnknown`] for a grant that this version cannot give, [`ComponentError::NotInstantiable`]
    /// when the first instance could not be made, for example because its memory begins above the limit.
    pub fn factory(
        &self,
        compiled: &Arc<CompiledComponent>,
        limits: InstanceLimits,
        grants: &[String],
    ) -> Result<Arc<dyn BodyFactory>, ComponentError> {
        check_grants(grants)?;
        let limits = InstanceLimits {
            memory_bytes_max: limits.memory_bytes_max.min(self.options.memory_bytes_max),
            turn_ms_max: limits.turn_ms_max.min(self.options.turn_ms_max),
        };
        let factory = Factory { compiled: Arc::clone(compiled), limits, shared: Arc::clone(&self.shared) };
        if !compiled.fits(limits.memory_bytes_max) {
            factory.make().map_err(|fault| not_instantiable(&fault))?;
            compiled.did_fit(limits.memory_bytes_max);
        }
        Ok(Arc::new(factory))
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<String, Weak<CompiledComponent>>> {
        // The map is whole at every moment, so a panic elsewhere does not matter.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The component in use that was made of these bytes.
    fn known(&self, bytes: &[u8]) -> Option<Arc<CompiledComponent>> {
        if self.live().is_empty() {
            return None;
        }
        let digest = digest(bytes);
        self.live().get(&digest).and_then(Weak::upgrade)
    }

    fn machine_code(&self, bytes: &[u8], info: &ComponentInfo) -> Result<Component, ComponentError> {
        let digits = info.digest.strip_prefix("sha256:").unwrap_or(&info.digest);
        let name = format!("{digits}-{}", self.engine_hash);
        match self.cache.load(&name, &self.shared.engine) {
            Some(Ok(component)) => return Ok(component),
            Some(Err(error)) => {
                tracing::warn!(digest = %info.digest, error = %error, "component is compiled again")
            }
            None => {}
        }
        let internal = |reason: String| ComponentError::Internal { reason };
        let unwritable = |error: io::Error| {
            internal(format!("the cache `{}` cannot be written: {error}", self.options.cache_dir.display()))
        };
        let mut code = self.cache.begin(&name).map_err(unwritable)?;
        let (shape, engine) = (self.shape, &self.shared.engine);
        compile::compile(bytes, &mut code.file, shape, engine, &self.options, &self.functions)?;
        self.cache.finish(&name, code).map_err(unwritable)?;
        let loaded = self.cache.load(&name, &self.shared.engine);
        let loaded =
            loaded.ok_or_else(|| internal("what was written to the cache is not there".to_owned()))?;
        loaded.map_err(|error| ComponentError::NotInstantiable {
            code: Code::COMPONENT_TOO_COMPLEX,
            reason: format!("{error:#}"),
        })
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("options", &self.options).finish_non_exhaustive()
    }
}

fn link(
    engine: &Engine,
    component: &Component,
    info: ComponentInfo,
) -> Result<CompiledComponent, ComponentError> {
    let mismatch = |error: wasmtime::Error| ComponentError::WrongWorld {
        expected: "the types of `caxton:agent@0.1.0`".to_owned(),
        found: format!("{error:#}"),
    };
    let mut linker = Linker::new(engine);
    Agent::add_to_linker::<Data, HasSelf<Data>>(&mut linker, |data| data).map_err(mismatch)?;
    wasi::link(&mut linker, component, engine).map_err(mismatch)?;
    let pre = linker.instantiate_pre(component).map_err(mismatch)?;
    CompiledComponent::new(info, pre).map_err(mismatch)
}

fn not_instantiable(fault: &Fault) -> ComponentError {
    let (code, reason) = match fault {
        Fault::Trapped { kind, message, .. } => (kind.code(), message.clone()),
        Fault::Returned { code, detail } => (Code::AGENT_INIT_FAILED, format!("{code}: {detail}")),
    };
    ComponentError::NotInstantiable { code, reason }
}

/// What machine code depends on, as a part of a file's name.
fn engine_hash(engine: &Engine) -> String {
    struct Collect(Sha256);
    impl Hasher for Collect {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut collect = Collect(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut collect);
    hex(&collect.0.finalize()).chars().take(ENGINE_HASH_DIGITS).collect()
}
