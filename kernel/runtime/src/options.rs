//! What the host decides about the sandbox: every number with its unit, its default and the reason for it.

use std::path::PathBuf;

/// Where compilation happens.
#[derive(Clone, Debug)]
pub enum CompilerMode {
    /// In a child process under limits: the program is started with the arguments and must call
    /// [`crate::compile::child_main`]. The only mode for components from outside.
    Child {
        /// The program, usually the server's own executable.
        program: PathBuf,
        /// Its arguments.
        args: Vec<String>,
    },
    /// In this process, without limits. For tests and for components that are trusted.
    InProcess,
}

/// Bounds of the sandbox. Start from [`RuntimeOptions::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// Where compiled components are kept; made with mode 0700 when missing. Nobody else may write there.
    pub cache_dir: PathBuf,
    /// How compilation is isolated.
    pub compiler: CompilerMode,
    /// Live instances at most; decides the reserved address space.
    pub agents_max: u32,
    /// Linear memory of one instance in bytes, all its memories together. 128 MiB: a Python guest that handles a text
    /// of 5 MB needs more than 64 MiB.
    pub memory_bytes_max: u64,
    /// Wall time of one turn in milliseconds, after which the guest is stopped.
    pub turn_ms_max: u32,
    /// Wall time of making and initialising an instance in milliseconds.
    pub init_ms_max: u32,
    /// Size of a component in bytes, checked before anything is parsed. 32 MiB: a Python agent has 18 MiB.
    pub component_bytes_max: u64,
    /// Processor time of one compilation in seconds; it may take five times as long on the clock. 60: a Python agent takes 11.
    pub compile_seconds_max: u32,
    /// Address space of the compiling child in bytes. 4 GiB: large interpreters need 0.5 GiB resident, and the
    /// allocator's arenas count several times that.
    pub compile_memory_bytes_max: u64,
    /// Stack of a guest in bytes; the calling thread needs about 256 KiB more.
    pub wasm_stack_bytes: usize,
    /// Compiled components kept on disk in bytes; the oldest are removed first.
    pub cache_bytes_max: u64,
    /// Size of a component in bytes from which it is compiled with the functions of earlier ones. 1 MiB: an interpreter
    /// is larger; what is smaller compiles in less time than reading them takes.
    pub incremental_bytes_min: u64,
    /// The lowest level of guest log lines that is kept, 1 trace to 5 error.
    pub log_level_min: u8,
}

impl RuntimeOptions {
    /// The defaults, with the two things that have none.
    pub fn new(cache_dir: impl Into<PathBuf>, compiler: CompilerMode) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            compiler,
            agents_max: 1_000,
            memory_bytes_max: 128 << 20,
            turn_ms_max: 1_000,
            init_ms_max: 5_000,
            component_bytes_max: 32 << 20,
            compile_seconds_max: 60,
            compile_memory_bytes_max: 4 << 30,
            wasm_stack_bytes: 512 << 10,
            cache_bytes_max: 4 << 30,
            incremental_bytes_min: 1 << 20,
            log_level_min: 3,
        }
    }
}
