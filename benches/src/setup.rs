//! Builds or installs a peer once, below the build directory, and says how it is started.
//!
//! Peers in Rust are built from `benches/peers/native` with the lock that lies there, peers in Python get an environment of
//! their own with pinned packages, and Erlang and the NATS server are Debian's packages, unpacked into a folder: nothing
//! on the machine is changed and nothing needs rights. Where Debian's packages cannot be had, the programs of the machine
//! are taken.

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use caxton_kit::{Failure, artifacts};

/// The command of a peer; `WORKLOAD SIZE SECONDS` are appended to it. `http-load` and `grpc-load` are no peers but the
/// clients that load servers: `URL PATH|AGENT IN_FLIGHT SECONDS`.
///
/// # Errors
/// It cannot be had on this machine; the message says why in one line.
pub fn command(system: &str) -> Result<Command, Failure> {
    match system {
        "tokio" | "tokio-mpsc" => native("tokio-mpsc"),
        "axum" | "axum-echo" => native("axum-echo"),
        "tonic" | "tonic-echo" => native("tonic-echo"),
        "kameo" | "ractor" | "actix" | "http-load" | "grpc-load" => native(system),
        "nats" => nats(),
        "autogen" => python("autogen_agents.py"),
        "spade" => python("spade_agents.py"),
        "erlang" => erlang(),
        _ => Err(format!("no peer is called {system}")),
    }
}

/// Where everything lies that is built or installed here.
fn folder() -> PathBuf {
    artifacts::target().join("bench-peers")
}

/// Where the sources of the peers lie.
fn sources() -> PathBuf {
    artifacts::root().join("benches/peers")
}

/// A program of `benches/peers/native`.
fn native(program: &str) -> Result<Command, Failure> {
    static BUILT: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let target = folder().join("native");
        let mut cargo = artifacts::cargo(&sources().join("native"));
        cargo.args(["build", "--release", "--locked", "--quiet", "--target-dir"]).arg(&target);
        quietly(&mut cargo, "building the peers in Rust")?;
        Ok(target.join("release"))
    });
    built.clone().map(|built| Command::new(built.join(program)))
}

/// The client in Rust with a server of Debian's.
fn nats() -> Result<Command, Failure> {
    let server = match debian("nats-server") {
        Ok(unpacked) => unpacked.join("usr/sbin/nats-server"),
        Err(why) => on_path("nats-server").ok_or(why)?,
    };
    let mut command = native("nats")?;
    command.env("NATS_SERVER", server);
    Ok(command)
}

/// A script of `benches/peers/python`, run in the environment of the peers in Python.
fn python(script: &str) -> Result<Command, Failure> {
    static MADE: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    let made = MADE.get_or_init(environment);
    let mut command = Command::new(made.clone()?);
    command.arg("-B").arg(sources().join("python").join(script));
    Ok(command)
}

/// Makes the environment where it is not there, or has other packages than are asked for; the answer is its interpreter.
fn environment() -> Result<PathBuf, Failure> {
    let wanted = sources().join("python/requirements.txt");
    let packages = fs::read(&wanted).map_err(|error| format!("{}: {error}", wanted.display()))?;
    let environment = folder().join("python");
    let (interpreter, stamp) = (environment.join("bin/python"), environment.join("installed.txt"));
    // An environment knows its own path: one that was moved does not start.
    let starts = Command::new(&interpreter).args(["-c", ""]).status().is_ok_and(|status| status.success());
    if starts && fs::read(&stamp).is_ok_and(|installed| installed == packages) {
        return Ok(interpreter);
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&environment);
    quietly(&mut make, "making a Python environment")?;
    let mut pip = Command::new(&interpreter);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&wanted);
    quietly(&mut pip, "installing the peers in Python")?;
    fs::write(&stamp, packages).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(interpreter)
}

/// `benches/peers/erlang/agents.erl` on Debian's Erlang.
fn erlang() -> Result<Command, Failure> {
    static COMPILED: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| {
        let (source, beams) = (sources().join("erlang/agents.erl"), folder().join("erlang"));
        fs::create_dir_all(&beams).map_err(|error| format!("{}: {error}", beams.display()))?;
        let mut compile = emulator()?;
        let [source_text, beams_text] = [&source, &beams].map(|path| path.display().to_string());
        compile.args(["-eval", COMPILE, "-extra", &source_text, &beams_text]);
        quietly(&mut compile, "compiling the peer in Erlang")?;
        Ok(beams)
    });
    let mut command = emulator()?;
    command.arg("-pa").arg(compiled.clone()?).args(["-run", "agents", "main", "-extra"]);
    Ok(command)
}

const COMPILE: &str = "[Source, Out] = init:get_plain_arguments(), \
    case compile:file(Source, [report, {outdir, Out}]) of {ok, _} -> halt(0); _ -> halt(1) end.";

/// Erlang without a shell. The script that Debian starts it with knows only where its package is installed, so the
/// emulator is started as that script would do it.
fn emulator() -> Result<Command, Failure> {
    let mut command = match debian("erlang-base") {
        Ok(unpacked) => {
            let root = unpacked.join("usr/lib/erlang");
            let bin = runtime(&root).ok_or("the package erlang-base has no runtime")?.join("bin");
            let mut command = Command::new(bin.join("erlexec"));
            command.envs([("ROOTDIR", &root), ("BINDIR", &bin)]);
            command.envs([("EMU", "beam"), ("PROGNAME", "erl")]);
            command
        }
        Err(why) => Command::new(on_path("erl").ok_or(why)?),
    };
    // A failure is one line, not a file in the folder of whoever runs this.
    command.env("ERL_CRASH_DUMP_SECONDS", "0").args(["-noshell", "-noinput"]);
    Ok(command)
}

/// The folder `erts-VERSION`.
fn runtime(root: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(root).ok()?.flatten();
    entries
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("erts-")))
}

/// The folder into which a package of Debian's is unpacked. What it depends on is on every Debian.
fn debian(package: &str) -> Result<PathBuf, Failure> {
    static UNPACKED: Mutex<Option<HashMap<String, Result<PathBuf, Failure>>>> = Mutex::new(None);
    let mut unpacked = UNPACKED.lock().unwrap_or_else(PoisonError::into_inner);
    let unpacked = unpacked.get_or_insert_with(HashMap::new);
    unpacked.entry(package.to_owned()).or_insert_with(|| unpack(package)).clone()
}

fn unpack(package: &str) -> Result<PathBuf, Failure> {
    let unpacked = folder().join("debian").join(package);
    if unpacked.is_dir() {
        return Ok(unpacked);
    }
    // It gets its name when it is whole.
    let part = unpacked.with_extension(format!("part-{}", std::process::id()));
    fs::create_dir_all(&part).map_err(|error| format!("{}: {error}", part.display()))?;
    let result = download(package, &part).and_then(|archive| {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg("--extract").arg(&archive).arg(part.join("root"));
        quietly(&mut dpkg, &format!("unpacking {package}"))?;
        fs::rename(part.join("root"), &unpacked).map_err(|error| format!("{}: {error}", unpacked.display()))
    });
    let _what_is_left_is_overwritten = fs::remove_dir_all(&part);
    result.map(|()| unpacked)
}

/// Downloads a package; a machine that has no lists of packages gets them in a folder of ours.
fn download(package: &str, into: &Path) -> Result<PathBuf, Failure> {
    let mut apt = Command::new("apt-get");
    apt.args(["download", package]).current_dir(into);
    if quietly(&mut apt, "apt-get download").is_err() {
        let own = own_lists()?;
        let mut apt = Command::new("apt-get");
        apt.args(&own).args(["download", package]).current_dir(into);
        quietly(&mut apt, &format!("downloading Debian's package {package}"))?;
    }
    let mut files =
        fs::read_dir(into).map_err(|error| error.to_string())?.flatten().map(|entry| entry.path());
    let archive = files.find(|file| file.extension().is_some_and(|extension| extension == "deb"));
    archive.ok_or_else(|| format!("apt-get downloaded no package {package}"))
}

/// The options with which apt-get reads and writes lists of its own instead of the machine's.
fn own_lists() -> Result<[String; 4], Failure> {
    let (state, cache) = (folder().join("apt/state"), folder().join("apt/cache"));
    for folder in [state.join("lists/partial"), cache.join("archives/partial")] {
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let own = |name: &str, folder: &Path| format!("{name}={}", folder.display());
    let own = ["-o".into(), own("Dir::State", &state), "-o".into(), own("Dir::Cache", &cache)];
    let mut apt = Command::new("apt-get");
    quietly(apt.args(&own).arg("update"), "reading Debian's lists of packages")?;
    Ok(own)
}

/// A program of the machine.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Runs a command; when it fails, the answer is the last line that it wrote.
fn quietly(command: &mut Command, what: &str) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.map_err(|error| format!("{what}: {}: {error}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].map(|said| String::from_utf8_lossy(&said).into_owned());
    let mut lines = said.iter().flat_map(|said| said.lines().rev().find(|line| !line.trim().is_empty()));
    Err(format!("{what} failed ({}): {}", output.status, lines.next().unwrap_or_default().trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_the_last_line_that_was_written() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo first >&2; echo last >&2; echo >&2; exit 3"]);
        assert_eq!(quietly(&mut shell, "a task").unwrap_err(), "a task failed (exit status: 3): last");
        let missing = quietly(&mut Command::new("no-such-program"), "a task").unwrap_err();
        assert!(missing.starts_with("a task: no-such-program: "), "{missing}");
    }

    #[test]
    fn a_peer_that_nobody_knows_is_refused() {
        assert_eq!(command("cobol").unwrap_err(), "no peer is called cobol");
    }

    #[test]
    fn a_program_of_the_machine_is_found() {
        assert!(on_path("sh").is_some());
        assert_eq!(on_path("no-such-program"), None);
    }
}
