//! Why the sandbox cannot start, and why a component is refused.

use std::path::PathBuf;

use caxton_abi::Code;

/// Why the runtime could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The operating system allows less than the options ask for.
    #[error("{what} is {found}, but {agents_max} agents need {needed}: {fix}")]
    HostLimit {
        /// The limit.
        what: &'static str,
        /// Its value.
        found: u64,
        /// The value needed.
        needed: u64,
        /// For how many agents.
        agents_max: u32,
        /// What to set.
        fix: String,
    },
    /// The cache directory cannot be used.
    #[error("the component cache `{path}` cannot be used: {reason}")]
    Cache {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The engine refused its configuration.
    #[error("the sandbox could not be set up: {0}")]
    Engine(String),
}

impl RuntimeError {
    /// The code that operators see.
    pub const fn code(&self) -> Code {
        match self {
            Self::HostLimit { .. } => Code::HOST_LIMIT,
            Self::Cache { .. } => Code::CONFIG_UNREADABLE,
            Self::Engine(_) => Code::INTERNAL,
        }
    }
}

/// Why a component is refused. Nothing of it is kept then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// More bytes than allowed.
    #[error("the component has {bytes} bytes, the limit is {max}: strip it, or raise `component_bytes_max`")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The first bytes are not those of WebAssembly.
    #[error("expected WebAssembly, which begins with `\\0asm` and a version, found {found}")]
    NotWasm {
        /// The first bytes, in words.
        found: String,
    },
    /// A core module.
    #[error(
        "expected a component, found a core module: build for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// The bytes do not parse or validate.
    #[error("the component is not valid at byte {offset:#x}: {reason}")]
    Invalid {
        /// Where.
        offset: u64,
        /// Why.
        reason: String,
    },
    /// A structural limit is exceeded.
    #[error("the component has {found} {what}, the limit is {max}")]
    TooComplex {
        /// What is counted, and where.
        what: String,
        /// How many there are, at least.
        found: u64,
        /// How many there may be.
        max: u64,
    },
    /// An export of the agent's world is missing or has another type.
    #[error("expected the component to export {expected}, found {found}")]
    WrongWorld {
        /// What the world asks for.
        expected: String,
        /// What the component has.
        found: String,
    },
    /// An import that nobody provides.
    #[error("the component imports `{import}`, which this server does not provide: {hint}")]
    ImportUnknown {
        /// The import.
        import: String,
        /// What is provided instead.
        hint: String,
    },
    /// An import that must be granted.
    #[error("the component imports `{import}`, which needs the grant `{grant}`: {hint}")]
    ImportDenied {
        /// The import.
        import: String,
        /// The grant that would allow it.
        grant: String,
        /// What to do instead.
        hint: String,
    },
    /// A grant that this server cannot give.
    #[error("the grant `{grant}` names nothing that this server can give: remove it")]
    GrantUnknown {
        /// The grant.
        grant: String,
    },
    /// The manifest that is packed into it cannot be read.
    #[error("the manifest inside of the component is not valid: {reason}")]
    Package {
        /// Why.
        reason: String,
    },
    /// The compiler was stopped.
    #[error("compiling the component was stopped: {reason}")]
    CompileLimit {
        /// By what.
        reason: String,
    },
    /// A first instance could not be made.
    #[error("a first instance of the component could not be made: {reason}")]
    NotInstantiable {
        /// The kind of failure.
        code: Code,
        /// Why.
        reason: String,
    },
    /// The server failed, not the component.
    #[error("the component could not be compiled or stored: {reason}")]
    Internal {
        /// Why.
        reason: String,
    },
}

impl ComponentError {
    /// The code that operators see.
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::COMPONENT_TOO_LARGE,
            Self::NotWasm { .. } => Code::COMPONENT_NOT_WASM,
            Self::CoreModule => Code::COMPONENT_CORE_MODULE,
            Self::Invalid { .. } => Code::COMPONENT_INVALID,
            Self::TooComplex { .. } => Code::COMPONENT_TOO_COMPLEX,
            Self::WrongWorld { .. } => Code::COMPONENT_WRONG_WORLD,
            Self::ImportUnknown { .. } => Code::COMPONENT_IMPORT_UNKNOWN,
            Self::ImportDenied { .. } => Code::COMPONENT_IMPORT_DENIED,
            Self::GrantUnknown { .. } => Code::AGENT_MANIFEST_INVALID,
            Self::Package { .. } => Code::PACKAGE_INVALID,
            Self::CompileLimit { .. } => Code::COMPONENT_COMPILE_LIMIT,
            Self::NotInstantiable { code, .. } => *code,
            Self::Internal { .. } => Code::INTERNAL,
        }
    }
}
