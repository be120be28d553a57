//! A component from bytes to machine code: checked in stages, compiled once, found again by digest.

mod cache;
mod inspect;
mod structure;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use wasmparser::{Validator, WasmFeatures};
use wasmtime::{
    Store,
    component::{ComponentExportIndex, InstancePre},
};

use structure::Outline;
pub use structure::{PACKAGE_BYTES_MAX, PACKAGE_SECTION};

pub(crate) use cache::{Cache, hex};
pub use inspect::{ComponentInspection, Producer, inspect};
pub(crate) use world::check_grants;

use crate::{
    error::ComponentError,
    imports::bindings::{Agent, AgentIndices},
    instance::{Data, OnTimer},
    options::RuntimeOptions,
};

/// The proposals that components may use: what the toolchains for wasm32-wasip2 emit. Left out are threads, garbage
/// collection, exceptions, 64-bit memories and everything asynchronous of the component model.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::BULK_MEMORY_OPT)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .union(WasmFeatures::COMPONENT_MODEL);

/// What is known of a component that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentInfo {
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Names of its imports, in order.
    pub imports: Vec<String>,
    /// Names of its exports, in order.
    pub exports: Vec<String>,
    /// True when it exports `caxton:agent/timers`, so that it may set timers.
    pub timed: bool,
    /// True when it exports `caxton:agent/snapshot`.
    pub durable: bool,
    /// The manifest that is packed into it, unread.
    pub package: Option<Vec<u8>>,
}

impl ComponentInfo {
    /// The world that it fits, the largest of `agent`, `timed-agent` and `durable-agent`.
    pub const fn world(&self) -> &'static str {
        match (self.timed, self.durable) {
            (_, true) => "durable-agent",
            (true, false) => "timed-agent",
            (false, false) => "agent",
        }
    }
}

/// A component as machine code, linked with the imports of the sandbox. Instances share it.
pub struct CompiledComponent {
    info: ComponentInfo,
    linked: InstancePre<Data>,
    exports: AgentIndices,
    on_timer: Option<ComponentExportIndex>,
    /// The smallest memory limit in bytes under which an instance was made.
    fits: AtomicU64,
}

impl CompiledComponent {
    /// Looks the exports up by name, once for all instances.
    pub(crate) fn new(info: ComponentInfo, linked: InstancePre<Data>) -> wasmtime::Result<Self> {
        let exports = AgentIndices::new(&linked)?;
        let component = linked.component();
        let on_timer = component
            .get_export_index(None, "caxton:agent/timers@0.1.0")
            .and_then(|timers| component.get_export_index(Some(&timers), "on-timer"));
        Ok(Self { info, linked, exports, on_timer, fits: AtomicU64::new(u64::MAX) })
    }

    /// What is known of it.
    pub fn info(&self) -> &ComponentInfo {
        &self.info
    }

    /// True when an instance is known to be possible under a memory limit.
    pub(crate) fn fits(&self, memory_bytes_max: u64) -> bool {
        memory_bytes_max >= self.fits.load(Ordering::Relaxed)
    }

    /// Notes that an instance was made under a memory limit.
    pub(crate) fn did_fit(&self, memory_bytes_max: u64) {
        self.fits.fetch_min(memory_bytes_max, Ordering::Relaxed);
    }

    /// Makes an instance in the store, with its typed calls.
    pub(crate) fn instantiate(&self, store: &mut Store<Data>) -> wasmtime::Result<(Agent, Option<OnTimer>)> {
        let instance = self.linked.instantiate(&mut *store)?;
        let calls = self.exports.load(&mut *store, &instance)?;
        let on_timer = match &self.on_timer {
            Some(index) => Some(instance.get_typed_func(&mut *store, index)?),
            None => None,
        };
        Ok((calls, on_timer))
    }
}

impl std::fmt::Debug for CompiledComponent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledComponent").field("digest", &self.info.digest).finish_non_exhaustive()
    }
}

/// The digest by which a component is known.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// Runs every check that needs no compiler, cheapest first. Validation takes more than linear time in the worst case, so
/// a server leaves it to the child that compiles: see [`crate::Runtime::compile`].
///
/// # Errors
/// The first check that fails; its code tells which.
pub fn check(bytes: &[u8], options: &RuntimeOptions) -> Result<ComponentInfo, ComponentError> {
    let found = scan(bytes, options)?;
    validate(bytes)?;
    describe(bytes, found)
}

/// Runs the checks that walk over the bytes once: size, kind, structure, world, imports.
pub(crate) fn outline(bytes: &[u8], options: &RuntimeOptions) -> Result<ComponentInfo, ComponentError> {
    describe(bytes, scan(bytes, options)?)
}

/// Holds a component against the rules of WebAssembly and the list of proposals.
pub(crate) fn validate(bytes: &[u8]) -> Result<(), ComponentError> {
    let validated = Validator::new_with_features(FEATURES).validate_all(bytes);
    validated.map(|_types| ()).map_err(|error| invalid(&error))
}

fn scan(bytes: &[u8], options: &RuntimeOptions) -> Result<Outline, ComponentError> {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > options.component_bytes_max {
        return Err(ComponentError::TooLarge { bytes: size, max: options.component_bytes_max });
    }
    check_preamble(bytes)?;
    structure::scan(bytes)
}

fn describe(bytes: &[u8], found: Outline) -> Result<ComponentInfo, ComponentError> {
    let Outline { imports, exports, package } = found;
    let lanes = world::check_exports(&exports)?;
    world::check_imports(&imports)?;
    Ok(ComponentInfo {
        digest: digest(bytes),
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        imports,
        exports,
        timed: lanes.timed,
        durable: lanes.durable,
        package,
    })
}

/// Tells the three kinds of file apart that people upload by mistake.
fn check_preamble(bytes: &[u8]) -> Result<(), ComponentError> {
    let Some(([magic @ .., _, _, _, _], _)) = bytes.split_first_chunk::<8>() else {
        return Err(ComponentError::NotWasm { found: format!("{} bytes", bytes.len()) });
    };
    if magic != b"\0asm" {
        let shown = String::from_utf8_lossy(magic).escape_debug().to_string();
        let found = if magic == b"(com" || magic == b"(mod" {
            "its text format: convert it with `wasm-tools parse`".to_owned()
        } else {
            format!("`{shown}`")
        };
        return Err(ComponentError::NotWasm { found });
    }
    if wasmparser::Parser::is_core_wasm(bytes) {
        return Err(ComponentError::CoreModule);
    }
    Ok(())
}

fn invalid(error: &wasmparser::BinaryReaderError) -> ComponentError {
    let mut reason = error.message().to_owned();
    if reason.contains("async") {
        reason.push_str(
            "; agents are synchronous: build without async (componentize-qjs: `--sync --stub-wasi`)",
        );
    }
    ComponentError::Invalid { offset: error.offset(), reason }
}
