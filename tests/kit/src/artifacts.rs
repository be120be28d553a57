//! Where the built parts lie, and how they come to be: one nested cargo call for everything native, one for each
//! workspace of components. Each runs at most once in a process.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::Failure;

/// What cargo sets for the process it runs, and what would send the parts elsewhere; nested calls do without.
const OUTER: &[&str] = &[
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MANIFEST_DIR",
    "CARGO_PKG_NAME",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// The repository's root.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().nth(2).unwrap_or(here).to_path_buf()
    })
}

/// The build directory in which this process was built: the parent of its profile's folder.
pub fn target() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| {
        let binary = std::env::current_exe().unwrap_or_default();
        let profile = binary.ancestors().find(|dir| dir.ends_with("debug") || dir.ends_with("release"));
        profile.and_then(Path::parent).map_or_else(|| root().join("target"), Path::to_path_buf)
    })
}

/// The packages whose binaries and libraries make a server.
const SERVER: &[&str] = &[
    "caxton",
    "caxton-host",
    "caxton-router",
    "caxton-protocols",
    "caxton-rest",
    "caxton-grpc",
    "caxton-gateway",
    "caxton-jsonl",
    "caxton-echo",
    "caxton-store-sqlite",
    "caxton-store-redb",
];

/// True when this process was built to be fast; what it builds is too.
pub fn is_release() -> bool {
    std::env::current_exe().is_ok_and(|binary| binary.ancestors().any(|dir| dir.ends_with("release")))
}

/// The native parts: `caxtond`, `caxton` and every `libcaxton_*.so` lie in the folder returned. They are built in the
/// profile of this process.
///
/// # Errors
/// Cargo failed; its output was shown.
pub fn native() -> Result<&'static Path, Failure> {
    static NATIVE: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    let built = NATIVE.get_or_init(|| {
        let target = target();
        let mut cargo = cargo(root());
        cargo.args(["build", "--locked", "--target-dir"]).arg(target);
        if is_release() {
            // Without the tests and what they need.
            cargo.arg("--release").args(SERVER.iter().flat_map(|package| ["--package", package]));
        } else {
            cargo.arg("--workspace");
        }
        run(&mut cargo, "the server, the command line and the plugins")?;
        Ok(target.join(if is_release() { "release" } else { "debug" }))
    });
    built.as_deref().map_err(Clone::clone)
}

/// The Rust agents of `wit/examples`; each lies in the folder returned as `NAME.wasm`.
///
/// # Errors
/// Cargo failed, or the wasm32-wasip2 target is missing and could not be added.
pub fn agents() -> Result<&'static Path, Failure> {
    static AGENTS: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    AGENTS.get_or_init(|| components("wit/examples", "examples", "release")).as_deref().map_err(Clone::clone)
}

/// The hostile and odd components of `tests/guests`.
///
/// # Errors
/// As for [`agents`].
pub fn guests() -> Result<&'static Path, Failure> {
    static GUESTS: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    GUESTS.get_or_init(|| components("tests/guests", "tests", "guest")).as_deref().map_err(Clone::clone)
}

/// The agents of `benches/guests`, which make load.
///
/// # Errors
/// As for [`agents`].
pub fn load_guests() -> Result<&'static Path, Failure> {
    static GUESTS: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    let built = GUESTS.get_or_init(|| components("benches/guests", "benches", "release"));
    built.as_deref().map_err(Clone::clone)
}

/// The misbehaving plugin libraries of `tests/plugins`.
///
/// # Errors
/// Cargo failed; its output was shown.
pub fn bad_plugins() -> Result<&'static Path, Failure> {
    static PLUGINS: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    let built = PLUGINS.get_or_init(|| {
        let target = target().join("test-plugins");
        let mut cargo = cargo(&root().join("tests/plugins"));
        cargo.args(["build", "--locked", "--target-dir"]).arg(&target);
        run(&mut cargo, "the misbehaving plugins")?;
        Ok(target.join("debug"))
    });
    built.as_deref().map_err(Clone::clone)
}

/// The plugin of `tests/plugins/journal`, which writes down what it takes.
///
/// # Errors
/// Cargo failed; its output was shown.
pub fn journal() -> Result<&'static Path, Failure> {
    static JOURNAL: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    let built = JOURNAL.get_or_init(|| {
        let target = target().join("test-plugins");
        let mut cargo = cargo(&root().join("tests/plugins"));
        cargo.args(["build", "--package", "caxton-journal", "--locked", "--target-dir"]).arg(&target);
        run(&mut cargo, "the journal plugin")?;
        Ok(target.join("debug/libcaxton_journal.so"))
    });
    built.as_deref().map_err(Clone::clone)
}

fn components(workspace: &str, name: &str, profile: &str) -> Result<PathBuf, Failure> {
    wasm_target()?;
    let target = target().join("guests").join(name);
    let mut cargo = cargo(&root().join(workspace));
    cargo
        .args(["build", "--profile", profile, "--locked", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target);
    run(&mut cargo, &format!("the components of {workspace}"))?;
    Ok(target.join("wasm32-wasip2").join(profile))
}

/// Adds the target where the toolchain file did not: some machines switch rustup's automatic installation off.
fn wasm_target() -> Result<(), Failure> {
    let probe = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", "wasm32-wasip2"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    if Path::new(String::from_utf8_lossy(&probe.stdout).trim()).is_dir() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", "wasm32-wasip2"]).current_dir(root());
    run(&mut rustup, "the wasm32-wasip2 target")
}

/// Cargo in a folder, without what an outer cargo set for this process.
pub fn cargo(dir: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(dir);
    // A person sees the progress of a long build; a log does not need it.
    if !std::io::stderr().is_terminal() {
        cargo.env("CARGO_TERM_QUIET", "true");
    }
    for name in OUTER {
        cargo.env_remove(name);
    }
    cargo
}

/// Runs a command with its messages on standard error.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<(), Failure> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("cannot build {what}: {}: {error}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(format!("building {what} failed ({status}): {command:?}")) }
}
