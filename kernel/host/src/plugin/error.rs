//! Why a file did not become a plugin, and why a plugin failed: both sides and the next step, with a code.

use std::path::PathBuf;

use caxton_abi::{
    ABI_MAJOR, ABI_MINOR, Code,
    handshake::TARGET,
    plugin::{PluginError, error_flags},
};

/// Why a file was not loaded. Nothing of it runs, except where the dynamic loader itself refused it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read plugin file {}: {source}: check the path and its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is not a shared library for this machine.
    #[error("{} is {found}, expected {expected}: point `library` at a plugin built for {TARGET}", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What this machine loads.
        expected: String,
        /// What the file is.
        found: String,
    },
    /// The library carries no handshake, or a damaged one.
    #[error("{} is not a Caxton plugin: {why}: point `library` at a library built with the plugin SDK", path.display())]
    NoHandshake {
        /// The file.
        path: PathBuf,
        /// What is missing or damaged.
        why: String,
    },
    /// The plugin speaks another major version of the boundary.
    #[error(
        "plugin {plugin} speaks abi {}.{}, this server speaks {ABI_MAJOR}.{ABI_MINOR}: \
         install a plugin built for this server",
        found.0, found.1
    )]
    AbiMismatch {
        /// Name and version.
        plugin: String,
        /// Its major and minor.
        found: (u16, u16),
    },
    /// The plugin was built for another target.
    #[error("plugin {plugin} is built for {found}, this server for {TARGET}: install the build for {TARGET}")]
    TargetMismatch {
        /// Name and version.
        plugin: String,
        /// Its target triple.
        found: String,
    },
    /// A panic in the plugin would end the server.
    #[error(
        "plugin {plugin} is built with panic=abort, this server needs panic=unwind, because a panic in the plugin \
         would end the server: rebuild it with `panic = \"unwind\"` in its profile"
    )]
    PanicAbort {
        /// Name and version.
        plugin: String,
    },
    /// The types differ though the version is the same.
    #[error(
        "plugin {plugin} was built by {rustc} with other types than this server's: {first}: \
         rebuild it against this server's SDK"
    )]
    LayoutMismatch {
        /// Name and version.
        plugin: String,
        /// Its compiler.
        rustc: String,
        /// The first difference.
        first: String,
    },
    /// The bytes are not the ones configured.
    #[error(
        "{} has sha256 {found}, `digest` says {expected}: install the expected file, or update `digest`",
        path.display()
    )]
    DigestMismatch {
        /// The file.
        path: PathBuf,
        /// As configured.
        expected: String,
        /// Of the bytes read.
        found: String,
    },
    /// The dynamic loader refused the library.
    #[error("plugin {plugin} cannot be loaded: {why}: install what is missing, or rebuild the plugin")]
    Loader {
        /// Name and version.
        plugin: String,
        /// What the loader says.
        why: String,
    },
}

impl LoadError {
    /// The code that operators see.
    pub const fn code(&self) -> Code {
        match self {
            Self::Unreadable { .. } => Code::CONFIG_UNREADABLE,
            Self::NotALibrary { .. } | Self::TargetMismatch { .. } => Code::PLUGIN_NOT_A_LIBRARY,
            Self::NoHandshake { .. } => Code::PLUGIN_NO_HANDSHAKE,
            Self::AbiMismatch { .. } => Code::PLUGIN_ABI_MISMATCH,
            Self::PanicAbort { .. } => Code::PLUGIN_PANIC_ABORT,
            Self::LayoutMismatch { .. } => Code::PLUGIN_LAYOUT_MISMATCH,
            Self::DigestMismatch { .. } => Code::PLUGIN_DIGEST_MISMATCH,
            Self::Loader { .. } => Code::PLUGIN_LOAD_FAILED,
        }
    }
}

/// Why a loaded plugin, or a service for it, failed. Shown as `MESSAGE [CX0209]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} [{code}]")]
pub struct Failure {
    /// Its code.
    pub code: Code,
    /// What failed, on what, and why.
    pub message: String,
    /// Further detail as a JSON object, or empty.
    pub detail: String,
    /// The same may succeed later.
    pub retryable: bool,
}

impl Failure {
    /// Makes a failure.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: String::new(), retryable: false }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<PluginError> for Failure {
    fn from(error: PluginError) -> Self {
        Self {
            code: error.code,
            message: error.message.into(),
            detail: error.detail.into(),
            retryable: error.flags & error_flags::RETRYABLE != 0,
        }
    }
}

/// That a plugin panicked or cannot go on is said to the server and to nobody else.
impl From<Failure> for PluginError {
    fn from(failure: Failure) -> Self {
        let Failure { code, message, detail, retryable } = failure;
        let flags = if retryable { error_flags::RETRYABLE } else { 0 };
        Self { code, flags, message: message.into(), detail: detail.into() }
    }
}
