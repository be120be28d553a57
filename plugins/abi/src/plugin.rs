//! A plugin's life: created with its configuration, started, asked for its ports, drained, stopped, never unloaded.

use abi_stable::{
    StableAbi, sabi_trait,
    std_types::{RBox, ROption, RResult, RString},
};
use async_ffi::BorrowingFfiFuture;

use crate::{
    Code, Payload,
    host::HostBox,
    port::{EndpointBox, ExporterBox, ProtocolBox, RouterBox, StoreBox},
};

/// Bits of [`PluginError::flags`].
pub mod error_flags {
    /// The same call may succeed later.
    pub const RETRYABLE: u32 = 1;
    /// The plugin panicked; the instance is poisoned.
    pub const PANICKED: u32 = 2;
    /// The instance cannot go on.
    pub const FATAL: u32 = 4;
}

/// An error that crossed the boundary.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginError {
    /// Its code.
    pub code: Code,
    /// See [`error_flags`].
    pub flags: u32,
    /// What happened, on what, expected against found.
    pub message: RString,
    /// Further detail as a JSON object, or empty.
    pub detail: RString,
}

/// A result that crosses the boundary.
pub type PResult<T> = RResult<T, PluginError>;

/// What a plugin is created with.
#[repr(C)]
#[derive(StableAbi)]
pub struct CreateArgs {
    /// The name of the plugin's table in the configuration.
    pub instance: RString,
    /// That table as a JSON object, without the keys that belong to the server.
    pub config: RString,
    /// The server.
    pub host: HostBox,
    /// Worker threads of the plugin's own runtime, when it has one.
    pub worker_threads: u32,
}

/// A created plugin.
#[sabi_trait]
pub trait PluginV1: Send + Sync + 'static {
    /// Begins to work: binds, connects, claims addresses.
    fn start<'a>(&'a self) -> BorrowingFfiFuture<'a, PResult<()>>;
    /// Takes no new work and finishes what it holds, at the latest when the deadline (milliseconds from now) passes.
    fn drain<'a>(&'a self, deadline_ms: u64) -> BorrowingFfiFuture<'a, PResult<()>>;
    /// Ends. Nothing is called afterwards.
    fn stop<'a>(&'a self) -> BorrowingFfiFuture<'a, PResult<()>>;
    /// A JSON object `{"status": "running" | "degraded", "detail": …}`; never blocks.
    fn health(&self) -> RString;
    /// The endpoint port, if it has one; asked once, after creation.
    fn endpoint(&self) -> ROption<EndpointBox>;
    /// The router port, if it has one.
    fn router(&self) -> ROption<RouterBox>;
    /// The protocol port, if it has one.
    fn protocol(&self) -> ROption<ProtocolBox>;
    /// The exporter port, if it has one.
    fn exporter(&self) -> ROption<ExporterBox>;
    /// An operation of the plugin's own, with JSON in and out; refused with its own code when unknown.
    #[sabi(last_prefix_field)]
    fn invoke<'a>(&'a self, verb: RString, request: Payload) -> BorrowingFfiFuture<'a, PResult<Payload>>;
    /// The store port, if it has one; since minor 2.
    fn store(&self) -> ROption<StoreBox> {
        ROption::RNone
    }
}

/// A plugin behind the boundary.
pub type PluginBox = PluginV1_TO<RBox<()>>;

/// The module that a plugin library exports; fields may be added after the last prefix field.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModuleRef)))]
#[sabi(missing_field(option))]
pub struct PluginModule {
    /// Creates an instance; a panic in it becomes an error.
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn(CreateArgs) -> PResult<PluginBox>,
}
