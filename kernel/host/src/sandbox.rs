//! A sandbox without a server, for tests and checks of components: few agents, and a cache below the user's own.

use std::{
    env,
    path::{Path, PathBuf},
};

use caxton_runtime::{CompilerMode, Runtime, RuntimeError, RuntimeOptions};

/// Instances at once.
const AGENTS_MAX: u32 = 16;

/// Makes a sandbox that compiles in a child, as the server's does.
///
/// # Errors
/// The machine allows too little, or the cache cannot be used.
pub fn open(cache: Option<&Path>) -> Result<Runtime, RuntimeError> {
    let cache = cache.map_or_else(default_cache, Path::to_owned);
    let options = RuntimeOptions::new(cache, compiler());
    // Lines of every level are shown.
    Runtime::new(RuntimeOptions { agents_max: AGENTS_MAX, log_level_min: 1, ..options })
}

/// This program as the compiler, also when its file was replaced since it was started.
pub fn compiler() -> CompilerMode {
    let running = PathBuf::from("/proc/self/exe");
    let program = if running.exists() { running } else { env::current_exe().unwrap_or(running) };
    CompilerMode::Child { program, args: vec!["compile".into()] }
}

/// `$XDG_CACHE_HOME/caxton/components`, by default below `~/.cache` (XDG Base Directory Specification); else a folder of
/// this user's below the one for temporary files.
fn default_cache() -> PathBuf {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    let own = || env::temp_dir().join(format!("caxton-cache-{}", rustix::process::getuid().as_raw()));
    base.map_or_else(own, |base| base.join("caxton")).join("components")
}
