//! Compiles a component in a child process under limits, because hostile code can make any compiler take all memory.
//!
//! The child is the same program, started with arguments that make it call [`child_main`]. It reads one line of JSON,
//! the component and the functions that are known already (see `incremental`) from its standard input, validates
//! it, and writes machine code and new functions to its standard output, which is a file of the cache: neither the
//! validator's work nor the code passes through the server. Both sides make their engine with the same function, so the
//! code fits.
//!
//! Bounds, each set by the child on itself before it reads the component: address space, processor time, bytes written,
//! no descriptor but the three and none that could be opened, no core file, a low priority, the first to go when
//! memory runs out, and its parent's life. The parent sets the last, wall time, and gives it no environment.

use std::{
    fs::File,
    io::{self, BufRead, Read, Write},
    os::fd::RawFd,
    path::Path,
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};
use wasmtime::Engine;

use crate::{
    component::validate,
    engine::{CodeShape, code_config},
    error::ComponentError,
    incremental::{self, Functions, Store},
    options::{CompilerMode, RuntimeOptions},
};

/// Bytes of machine code that the child may write; a component of 18 MiB becomes 34 MiB.
const CODE_BYTES_MAX: u64 = 512 << 20;
/// Bytes of the child's complaint that are kept.
const COMPLAINT_BYTES_MAX: u64 = 8 << 10;
/// The compiler refused the component; its complaint is on standard error.
const EXIT_REFUSED: u8 = 3;
/// The compiler met its limits in a way that it could still tell.
const EXIT_STARVED: u8 = 4;
/// The component does not validate; standard error has the offset on one line and the reason on the next.
const EXIT_INVALID: u8 = 5;
/// Threads of the compiler; more need more memory than they save time.
const THREADS_MAX: &str = "4";
/// Heaps of the compiler's allocator; each reserves 64 MiB of the address space.
const ARENAS_MAX: &str = "2";
/// Agents' turns come before any compilation: under full load it gets a tenth of a core. Of the lowest, 19, it gets a
/// hundredth, and a Python agent then takes a quarter of an hour.
const NICENESS: i32 = 10;
/// The child is ended before the server when memory runs out (`oom_score_adj`, -1000 to 1000).
const OUT_OF_MEMORY_SCORE: &str = "1000";
/// Standard input, output and error.
const DESCRIPTORS_MAX: u64 = 3;
/// Wall time over processor time: a busy machine leaves a low priority little.
const WALL_FACTOR: u64 = 5;
/// Seconds between the signal that tells of used-up processor time and the one that cannot be ignored.
const CPU_GRACE_SECONDS: u64 = 5;

/// Bytes of the child's job.
const JOB_BYTES_MAX: u64 = 4 << 10;

/// The first line that the child reads.
#[derive(Serialize, Deserialize)]
struct Job {
    shape: CodeShape,
    component_bytes: u64,
    /// Known functions follow the component, and new ones the machine code.
    incremental: bool,
    address_space_bytes_max: u64,
    cpu_seconds_max: u64,
}

/// Validates and compiles, in the way that the options say; the code goes to the file. A large component is compiled
/// with the functions of earlier ones.
pub(crate) fn compile(
    bytes: &[u8],
    code: &mut File,
    shape: CodeShape,
    engine: &Engine,
    options: &RuntimeOptions,
    functions: &Functions,
) -> Result<(), ComponentError> {
    match &options.compiler {
        CompilerMode::InProcess => {
            validate(bytes)?;
            let compiled =
                engine.precompile_component(bytes).map_err(|error| refused(&format!("{error:#}")))?;
            code.write_all(&compiled).map_err(|error| internal("its machine code", &error))
        }
        CompilerMode::Child { program, args } => {
            let component_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let kept = (component_bytes >= options.incremental_bytes_min).then(|| functions.read());
            let job = Job {
                shape,
                component_bytes,
                incremental: kept.is_some(),
                address_space_bytes_max: options.compile_memory_bytes_max,
                cpu_seconds_max: u64::from(options.compile_seconds_max),
            };
            let output = code.try_clone().map_err(|error| internal("its machine code", &error))?;
            let known = kept.as_ref().map_or(&[][..], |kept| &kept.entries);
            in_child(program, args, &job, &[bytes, known], output)?;
            let Some(kept) = kept else { return Ok(()) };
            let made = incremental::take_end(code).map_err(|error| internal("its machine code", &error))?;
            if let Err(error) = functions.add(&kept, &made) {
                tracing::warn!(%error, "the next component like this one takes as long to compile");
            }
            Ok(())
        }
    }
}

fn refused(reason: &str) -> ComponentError {
    ComponentError::Invalid { offset: 0, reason: reason.trim().replace('\n', ": ") }
}

fn internal(what: &str, error: &dyn std::fmt::Display) -> ComponentError {
    ComponentError::Internal { reason: format!("{what}: {error}") }
}

fn in_child(
    program: &Path,
    args: &[String],
    job: &Job,
    parts: &[&[u8]],
    code: File,
) -> Result<(), ComponentError> {
    let header = serde_json::to_vec(job).map_err(|error| internal("the compiler's job", &error))?;
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .env("RAYON_NUM_THREADS", THREADS_MAX)
        .env("MALLOC_ARENA_MAX", ARENAS_MAX)
        .stdin(Stdio::piped())
        .stdout(code)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            internal(&format!("the compiler `{}` cannot be started", program.display()), &error)
        })?;
    let (Some(mut stdin), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
        return Err(internal("the compiler", &"it has no pipes"));
    };
    let wall = Duration::from_secs(job.cpu_seconds_max.saturating_mul(WALL_FACTOR));
    thread::scope(|scope| {
        scope.spawn(move || {
            // A child that ends early closes the pipe; its status tells why.
            let _ = stdin
                .write_all(&header)
                .and_then(|()| stdin.write_all(b"\n"))
                .and_then(|()| parts.iter().try_for_each(|part| stdin.write_all(part)));
        });
        let (done, finished) = mpsc::channel();
        // The child closes its standard error by ending.
        scope.spawn(move || done.send(read_bounded(stderr, COMPLAINT_BYTES_MAX)));
        let complaint = finished.recv_timeout(wall).ok();
        let status =
            end(&mut child, complaint.is_none()).map_err(|error| internal("the compiler", &error))?;
        match complaint {
            None => Err(stopped(&format!("it took longer than {} s", wall.as_secs()))),
            Some(_) if status.success() => Ok(()),
            Some(complaint) => Err(failed(status, &String::from_utf8_lossy(&complaint), job)),
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
    const SIGXFSZ: i32 = 25;
    const EXIT_PANICKED: i32 = 101;
    let last_words = complaint.lines().find(|line| !line.is_empty()).unwrap_or_default().trim();
    let space = job.address_space_bytes_max >> 20;
    match (status.signal(), status.code()) {
        (_, Some(code)) if code == i32::from(EXIT_REFUSED) => refused(complaint),
        (_, Some(code)) if code == i32::from(EXIT_INVALID) => invalid(complaint),
        (_, Some(code)) if code == i32::from(EXIT_STARVED) || code == EXIT_PANICKED => {
            stopped(&format!("it failed within {space} MiB of address space ({last_words})"))
        }
        (Some(SIGABRT), _) => {
            stopped(&format!("it needed more than {space} MiB of address space (signal 6, {last_words})"))
        }
        (Some(SIGXCPU), _) => {
            stopped(&format!("it used more than {} s of processor time", job.cpu_seconds_max))
        }
        (Some(SIGXFSZ), _) => {
            stopped(&format!("it made more than {} MiB of machine code", CODE_BYTES_MAX >> 20))
        }
        (Some(SIGKILL), _) => {
            stopped("the operating system killed it, for example because memory ran out (signal 9)")
        }
        (Some(signal), _) => stopped(&format!("it crashed with signal {signal} ({last_words})")),
        _ => internal("the compiler ended", &format!("{status}, {last_words}")),
    }
}

/// What the validator said, as the child writes it.
fn invalid(complaint: &str) -> ComponentError {
    let (offset, reason) = complaint.split_once('\n').unwrap_or(("0", complaint));
    ComponentError::Invalid { offset: offset.parse().unwrap_or(0), reason: reason.trim().to_owned() }
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
        Err(ChildError::Invalid(offset, reason)) => {
            eprintln!("{offset}\n{reason}");
            ExitCode::from(EXIT_INVALID)
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
    /// The compiler refuses the component.
    Refused(String),
    /// The validator does, at an offset.
    Invalid(u64, String),
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
    let component = (&mut stdin).take(job.component_bytes).read_to_end(&mut bytes);
    component.map_err(|error| starved("component", &error))?;
    validate(&bytes).map_err(|error| match error {
        ComponentError::Invalid { offset, reason } => ChildError::Invalid(offset, reason),
        other => ChildError::Refused(other.to_string()),
    })?;
    let store = if job.incremental {
        let mut known = Vec::new();
        stdin.read_to_end(&mut known).map_err(|error| starved("functions", &error))?;
        Some(Arc::new(Store::new(known)))
    } else {
        None
    };
    let mut config = code_config(job.shape);
    if let Some(store) = &store {
        let enabled = config.enable_incremental_compilation(Arc::clone(store) as _);
        enabled.map_err(|error| starved("functions", &error))?;
    }
    let engine = Engine::new(&config).map_err(|error| starved("engine", &error))?;
    let code =
        engine.precompile_component(&bytes).map_err(|error| ChildError::Refused(format!("{error:#}")))?;
    let mut output = io::stdout().lock();
    let written = output.write_all(&code).and_then(|()| match &store {
        Some(store) => incremental::write_end(&mut output, code.len(), &store.made()),
        None => Ok(()),
    });
    written.map_err(|error| ChildError::Broken(format!("its machine code cannot be written: {error}")))
}

/// Reads the job and puts its limits on this process.
fn begin(stdin: &mut impl BufRead) -> io::Result<Job> {
    close_inherited()?;
    let mut header = Vec::new();
    stdin.take(JOB_BYTES_MAX).read_until(b'\n', &mut header)?;
    let job: Job = serde_json::from_slice(&header)?;
    limit(&job)?;
    Ok(job)
}

/// Closes every descriptor but the first three: what a library of the server opened without the flag that keeps it
/// from children.
fn close_inherited() -> io::Result<()> {
    let mut inherited: Vec<RawFd> = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        inherited.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    // The one that listed the folder is closed already.
    let is_open = |descriptor: &RawFd| Path::new(&format!("/proc/self/fd/{descriptor}")).is_symlink();
    for descriptor in inherited.into_iter().filter(|descriptor| *descriptor > 2 && is_open(descriptor)) {
        // SAFETY: this process has just begun: it has one thread, which has opened nothing that is still open, so
        // nobody owns a descriptor above the first three.
        unsafe { rustix::io::close(descriptor) };
    }
    Ok(())
}

fn limit(job: &Job) -> io::Result<()> {
    let to = |value| Rlimit { current: Some(value), maximum: Some(value) };
    // Politeness is not worth failing for.
    let _ = std::fs::write("/proc/self/oom_score_adj", OUT_OF_MEMORY_SCORE);
    let _ = nice(NICENESS);
    setrlimit(Resource::As, to(job.address_space_bytes_max))?;
    let cpu = job.cpu_seconds_max;
    let killed_at = Some(cpu.saturating_add(CPU_GRACE_SECONDS));
    setrlimit(Resource::Cpu, Rlimit { current: Some(cpu), maximum: killed_at })?;
    setrlimit(Resource::Fsize, to(CODE_BYTES_MAX))?;
    setrlimit(Resource::Nofile, to(DESCRIPTORS_MAX))?;
    setrlimit(Resource::Core, to(0))?;
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}
