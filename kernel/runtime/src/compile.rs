//! Compiles a component in a child process under limits, because hostile code can make any compiler take all memory.
//!
//! The child is the same program, started with arguments that make it call [`child_main`]. It reads one line of JSON
//! and the component from its standard input, and writes machine code to its standard output. Both sides make their
//! engine with the same function, so the code fits. The child has no environment and outlives neither its limits nor
//! its parent.

use std::{
    io::{self, BufRead, Read, Write},
    path::Path,
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};
use wasmtime::Engine;

use crate::{
    engine::{CodeShape, code_config},
    error::ComponentError,
    options::{CompilerMode, RuntimeOptions},
};

/// Bytes of machine code that are accepted from the child; a component of 18 MiB becomes 34 MiB.
const CODE_BYTES_MAX: u64 = 512 << 20;
/// Bytes of the child's complaint that are kept.
const COMPLAINT_BYTES_MAX: u64 = 8 << 10;
/// The compiler refused the component; its complaint is on standard error.
const EXIT_REFUSED: u8 = 3;
/// The compiler met its limits in a way that it could still tell.
const EXIT_STARVED: u8 = 4;
/// Threads of the compiler; more need more memory than they save time.
const THREADS_MAX: &str = "4";
/// Heaps of the compiler's allocator; each reserves 64 MiB of the address space.
const ARENAS_MAX: &str = "2";
/// Politeness towards the workers that run agents.
const NICENESS: i32 = 5;

/// The first line that the child reads.
#[derive(Serialize, Deserialize)]
struct Job {
    shape: CodeShape,
    address_space_bytes_max: u64,
    cpu_seconds_max: u64,
}

/// Compiles, in the way that the options say.
pub(crate) fn compile(
    bytes: &[u8],
    shape: CodeShape,
    engine: &Engine,
    options: &RuntimeOptions,
) -> Result<Vec<u8>, ComponentError> {
    match &options.compiler {
        CompilerMode::InProcess => {
            engine.precompile_component(bytes).map_err(|error| refused(&format!("{error:#}")))
        }
        CompilerMode::Child { program, args } => {
            let job = Job {
                shape,
                address_space_bytes_max: options.compile_memory_bytes_max,
                cpu_seconds_max: u64::from(options.compile_seconds_max),
            };
            in_child(program, args, &job, bytes)
        }
    }
}

fn refused(reason: &str) -> ComponentError {
    ComponentError::Invalid { offset: 0, reason: reason.trim().replace('\n', ": ") }
}

fn internal(what: &str, error: &dyn std::fmt::Display) -> ComponentError {
    ComponentError::Internal { reason: format!("{what}: {error}") }
}

fn in_child(program: &Path, args: &[String], job: &Job, bytes: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let header = serde_json::to_vec(job).map_err(|error| internal("the compiler's job", &error))?;
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .env("RAYON_NUM_THREADS", THREADS_MAX)
        .env("MALLOC_ARENA_MAX", ARENAS_MAX)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            internal(&format!("the compiler `{}` cannot be started", program.display()), &error)
        })?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(internal("the compiler", &"it has no pipes"));
    };
    let wall = Duration::from_secs(job.cpu_seconds_max);
    thread::scope(|scope| {
        scope.spawn(move || {
            // A child that ends early closes the pipe; its status tells why.
            let _ = stdin
                .write_all(&header)
                .and_then(|()| stdin.write_all(b"\n"))
                .and_then(|()| stdin.write_all(bytes));
        });
        let complaint = scope.spawn(move || read_bounded(stderr, COMPLAINT_BYTES_MAX));
        let (done, finished) = mpsc::channel();
        scope.spawn(move || done.send(read_bounded(stdout, CODE_BYTES_MAX)));
        let code = finished.recv_timeout(wall).ok();
        let status = end(&mut child, code.is_none()).map_err(|error| internal("the compiler", &error))?;
        let complaint = complaint.join().unwrap_or_default();
        match code {
            None => Err(stopped(&format!("it took longer than {} s", wall.as_secs()))),
            Some(code) if status.success() => Ok(code),
            Some(_) => Err(failed(status, &String::from_utf8_lossy(&complaint), job)),
        }
    })
}

fn read_bounded(from: impl Read, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What could not be read shows as a failure of the child or as code that does not load.
    let _ = from.take(bytes_max).read_to_end(&mut bytes);
    bytes
}

fn end(child: &mut Child, kill: bool) -> io::Result<ExitStatus> {
    if kill {
        child.kill()?;
    }
    child.wait()
}

fn stopped(reason: &str) -> ComponentError {
    ComponentError::CompileLimit { reason: reason.to_owned() }
}

/// Tells apart a refusal, a limit and a broken compiler.
fn failed(status: ExitStatus, complaint: &str, job: &Job) -> ComponentError {
    use std::os::unix::process::ExitStatusExt;
    const SIGABRT: i32 = 6;
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    const EXIT_PANICKED: i32 = 101;
    let last_words = complaint.lines().next().unwrap_or("").trim();
    let space = job.address_space_bytes_max >> 20;
    match (status.signal(), status.code()) {
        (_, Some(code)) if code == i32::from(EXIT_REFUSED) => refused(complaint),
        (_, Some(code)) if code == i32::from(EXIT_STARVED) || code == EXIT_PANICKED => {
            stopped(&format!("it failed within {space} MiB of address space ({last_words})"))
        }
        (Some(SIGABRT), _) => {
            stopped(&format!("it needed more than {space} MiB of address space (signal 6, {last_words})"))
        }
        (Some(SIGXCPU), _) => {
            stopped(&format!("it used more than {} s of processor time", job.cpu_seconds_max))
        }
        (Some(SIGKILL), _) => {
            stopped("the operating system killed it, for example because memory ran out (signal 9)")
        }
        (Some(signal), _) => stopped(&format!("it crashed with signal {signal} ({last_words})")),
        _ => internal("the compiler ended", &format!("{status}, {last_words}")),
    }
}

/// The child's whole program: reads a job and a component, writes machine code. Call it before anything else when the
/// program was started with the arguments of [`CompilerMode::Child`], and end with what it returns.
pub fn child_main() -> ExitCode {
    match child_run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(ChildError::Refused(reason)) => {
            eprintln!("{reason}");
            ExitCode::from(EXIT_REFUSED)
        }
        Err(ChildError::Starved(reason)) => {
            eprintln!("{reason}");
            ExitCode::from(EXIT_STARVED)
        }
        Err(ChildError::Broken(reason)) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

enum ChildError {
    /// The component is at fault.
    Refused(String),
    /// The limits are, probably.
    Starved(String),
    /// The child is.
    Broken(String),
}

fn child_run() -> Result<(), ChildError> {
    let mut stdin = io::stdin().lock();
    let job = begin(&mut stdin).map_err(|error| ChildError::Broken(format!("job: {error}")))?;
    let starved = |what: &str, error: &dyn std::fmt::Display| ChildError::Starved(format!("{what}: {error}"));
    let mut bytes = Vec::new();
    stdin.read_to_end(&mut bytes).map_err(|error| starved("component", &error))?;
    let engine = Engine::new(&code_config(job.shape)).map_err(|error| starved("engine", &error))?;
    let code =
        engine.precompile_component(&bytes).map_err(|error| ChildError::Refused(format!("{error:#}")))?;
    io::stdout().lock().write_all(&code).map_err(|error| starved("code", &error))
}

/// Reads the job and puts its limits on this process.
fn begin(stdin: &mut impl BufRead) -> io::Result<Job> {
    let mut header = Vec::new();
    stdin.read_until(b'\n', &mut header)?;
    let job: Job = serde_json::from_slice(&header)?;
    limit(&job)?;
    Ok(job)
}

fn limit(job: &Job) -> io::Result<()> {
    let to = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::As, to(job.address_space_bytes_max))?;
    setrlimit(Resource::Cpu, to(job.cpu_seconds_max))?;
    setrlimit(Resource::Core, to(0))?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Politeness is not worth failing for.
    let _ = nice(NICENESS);
    Ok(())
}
