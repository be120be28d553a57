//! WASI 0.2 as far as a language's standard library wants it, without any resource of the host.
//!
//! There are no arguments, variables, files, sockets or input; output becomes log lines; the wall clock is the turn's
//! time. Nothing waits: waiting for time is a timer, waiting for others is a message. A function that is not written
//! here exists for linking and stops the guest that calls it. Written by hand, because the usual implementation brings
//! an asynchronous runtime and blocks the calling thread.

use std::io::Read;

use wasmtime::{
    Engine, StoreContextMut,
    component::{
        Component, ComponentType, Linker, LinkerInstance, Lower, Resource, ResourceType, types::ComponentItem,
    },
};

use crate::{instance::Data, output::Stream, trap::Stop};

/// Handles that one instance may hold at a time; a guest that forgets them would fill the host's memory.
const HANDLES_MAX: u32 = 256;
/// Bytes that one call for random numbers gives.
const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// Bytes that an output stream says it takes at once.
const WRITE_BYTES_MAX: u64 = 64 << 10;
/// How finely the clocks are said to count, in nanoseconds.
const CLOCK_RESOLUTION_NS: u64 = 1_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

const WAIT_HINT: &str = "waiting is a message or a timer, never a call that blocks";
const ABSENT_HINT: &str = "use messages, timers and state instead";

/// A pollable that is always ready, and one that never is during a turn.
const READY: u32 = 0;
const LATER: u32 = 1;
/// The number behind a stream's handle.
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// Resource types; a handle's number says everything about it, so there is no table.
struct Pollable;
struct IoError;
struct InputStream;
struct OutputStream;
struct TerminalInput;
struct TerminalOutput;
struct Descriptor;
struct DirectoryEntryStream;

/// `wasi:io/streams.stream-error`; its other case needs an error that never happens here.
#[derive(ComponentType, Lower)]
#[component(variant)]
#[allow(dead_code, reason = "the type must have both cases")]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

/// `wasi:clocks/wall-clock.datetime`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Context<'a> = StoreContextMut<'a, Data>;
type Answer<T> = wasmtime::Result<(T,)>;
type Written = Result<(), StreamError>;

/// Defines every WASI interface that the component imports, under the version that it imports.
pub(crate) fn link(
    linker: &mut Linker<Data>,
    component: &Component,
    engine: &Engine,
) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    for (name, import) in component.component_type().imports(engine) {
        let Some(path) = name.strip_prefix("wasi:").and_then(|rest| rest.split('@').next()) else { continue };
        let mut instance = linker.instance(name)?;
        if let ComponentItem::ComponentInstance(interface) = import.ty {
            for (function, item) in interface.exports(engine) {
                if let ComponentItem::ComponentFunc(_) = item.ty {
                    deny(&mut instance, name, function)?;
                }
            }
        }
        define(&mut instance, path)?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// Links a function that stops whoever calls it.
fn deny(instance: &mut LinkerInstance<'_, Data>, interface: &str, function: &str) -> wasmtime::Result<()> {
    let call = format!("{interface}#{function}");
    instance.func_new(function, move |_, _, _, _| Err(Stop::denied(&call, ABSENT_HINT)))
}

fn define(instance: &mut LinkerInstance<'_, Data>, path: &str) -> wasmtime::Result<()> {
    match path {
        "cli/environment" => environment(instance),
        "cli/exit" => exit(instance),
        "cli/stdin" => {
            instance.func_wrap("get-stdin", |context: Context<'_>, (): ()| handle::<InputStream>(context, 0))
        }
        "cli/stdout" => instance
            .func_wrap("get-stdout", |context: Context<'_>, (): ()| handle::<OutputStream>(context, STDOUT)),
        "cli/stderr" => instance
            .func_wrap("get-stderr", |context: Context<'_>, (): ()| handle::<OutputStream>(context, STDERR)),
        "cli/terminal-input" => resource::<TerminalInput>(instance, "terminal-input"),
        "cli/terminal-output" => resource::<TerminalOutput>(instance, "terminal-output"),
        "cli/terminal-stdin" => no_terminal::<TerminalInput>(instance, "get-terminal-stdin"),
        "cli/terminal-stdout" => no_terminal::<TerminalOutput>(instance, "get-terminal-stdout"),
        "cli/terminal-stderr" => no_terminal::<TerminalOutput>(instance, "get-terminal-stderr"),
        "clocks/monotonic-clock" => monotonic_clock(instance),
        "clocks/wall-clock" => wall_clock(instance),
        "filesystem/preopens" => instance.func_wrap("get-directories", |_: Context<'_>, (): ()| {
            Ok((Vec::<(Resource<Descriptor>, String)>::new(),))
        }),
        "filesystem/types" => {
            resource::<Descriptor>(instance, "descriptor")?;
            resource::<DirectoryEntryStream>(instance, "directory-entry-stream")
        }
        "io/error" => resource::<IoError>(instance, "error"),
        "io/poll" => poll(instance),
        "io/streams" => streams(instance),
        "random/random" => random(instance, "get-random-bytes", "get-random-u64"),
        "random/insecure" => random(instance, "get-insecure-random-bytes", "get-insecure-random-u64"),
        "random/insecure-seed" => instance.func_wrap("insecure-seed", |context: Context<'_>, (): ()| {
            Ok(((random_u64(&context)?, random_u64(&context)?),))
        }),
        _ => Ok(()),
    }
}

fn resource<T: 'static>(instance: &mut LinkerInstance<'_, Data>, name: &str) -> wasmtime::Result<()> {
    instance.resource(name, ResourceType::host::<T>(), |mut context, _number| {
        let data = context.data_mut();
        data.handles = data.handles.saturating_sub(1);
        Ok(())
    })
}

fn handle<T: 'static>(mut context: Context<'_>, number: u32) -> Answer<Resource<T>> {
    let data = context.data_mut();
    if data.handles >= HANDLES_MAX {
        return Err(Stop::denied("wasi", "the guest holds too many handles and drops none"));
    }
    data.handles += 1;
    Ok((Resource::new_own(number),))
}

fn no_terminal<T: 'static>(instance: &mut LinkerInstance<'_, Data>, name: &str) -> wasmtime::Result<()> {
    instance.func_wrap(name, |_: Context<'_>, (): ()| Ok((None::<Resource<T>>,)))
}

fn environment(instance: &mut LinkerInstance<'_, Data>) -> wasmtime::Result<()> {
    instance.func_wrap("get-environment", |_: Context<'_>, (): ()| Ok((Vec::<(String, String)>::new(),)))?;
    instance.func_wrap("get-arguments", |_: Context<'_>, (): ()| Ok((Vec::<String>::new(),)))?;
    instance.func_wrap("initial-cwd", |_: Context<'_>, (): ()| Ok((None::<String>,)))
}

fn exit(instance: &mut LinkerInstance<'_, Data>) -> wasmtime::Result<()> {
    instance.func_wrap("exit", |_: Context<'_>, (status,): (Result<(), ()>,)| -> wasmtime::Result<()> {
        Err(Stop::Exit { status: u8::from(status.is_err()) }.into())
    })
}

fn monotonic_clock(instance: &mut LinkerInstance<'_, Data>) -> wasmtime::Result<()> {
    instance.func_wrap("now", |context: Context<'_>, (): ()| Ok((monotonic_ns(&context),)))?;
    instance.func_wrap("resolution", |_: Context<'_>, (): ()| Ok((CLOCK_RESOLUTION_NS,)))?;
    instance.func_wrap("subscribe-instant", |context: Context<'_>, (when,): (u64,)| {
        let due = when <= monotonic_ns(&context);
        handle::<Pollable>(context, if due { READY } else { LATER })
    })?;
    instance.func_wrap("subscribe-duration", |context: Context<'_>, (duration,): (u64,)| {
        handle::<Pollable>(context, if duration == 0 { READY } else { LATER })
    })
}

/// Since the runtime began; it moves during a turn, so that a guest can measure itself.
fn monotonic_ns(context: &Context<'_>) -> u64 {
    u64::try_from(context.data().shared.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn wall_clock(instance: &mut LinkerInstance<'_, Data>) -> wasmtime::Result<()> {
    instance.func_wrap("now", |context: Context<'_>, (): ()| {
        let nanos = context.data().turn.now.nanos();
        let nanoseconds = u32::try_from(nanos % NANOS_PER_SECOND).unwrap_or(0);
        Ok((Datetime { seconds: nanos / NANOS_PER_SECOND, nanoseconds },))
    })?;
    instance.func_wrap("resolution", |_: Context<'_>, (): ()| Ok((Datetime { seconds: 0, nanoseconds: 1 },)))
}

fn poll(instance: &mut LinkerInstance<'_, Data>) -> wasmtime::Result<()> {
    resource::<Pollable>(instance, "pollable")?;
    instance.func_wrap("[method]pollable.ready", |_: Context<'_>, (this,): (Resource<Pollable>,)| {
        Ok((this.rep() == READY,))
    })?;
    instance.func_wrap(
        "[method]pollable.block",
        |_: Context<'_>, (this,): (Resource<Pollable>,)| match this.rep() {
            READY => Ok(()),
            _ => Err(Stop::denied("wasi:io/poll#pollable.block", WAIT_HINT)),
        },
    )?;
    instance.func_wrap("poll", |_: Context<'_>, (list,): (Vec<Resource<Pollable>>,)| {
        let ready = (0u32..).zip(&list).filter(|(_, pollable)| pollable.rep() == READY);
        let ready: Vec<u32> = ready.map(|(index, _)| index).collect();
        if ready.is_empty() {
            return Err(Stop::denied("wasi:io/poll#poll", WAIT_HINT));
        }
        Ok((ready,))
    })
}

fn streams(instance: &mut LinkerInstance<'_, Data>) -> wasmtime::Result<()> {
    input_stream(instance)?;
    output_stream(instance)
}

/// Input has always ended.
fn input_stream(instance: &mut LinkerInstance<'_, Data>) -> wasmtime::Result<()> {
    type Asked = (Resource<InputStream>, u64);
    resource::<InputStream>(instance, "input-stream")?;
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        instance.func_wrap(name, |_: Context<'_>, _: Asked| Ok((Err::<Vec<u8>, _>(StreamError::Closed),)))?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        instance.func_wrap(name, |_: Context<'_>, _: Asked| Ok((Err::<u64, _>(StreamError::Closed),)))?;
    }
    instance
        .func_wrap("[method]input-stream.subscribe", |context: Context<'_>, _: (Resource<InputStream>,)| {
            handle::<Pollable>(context, READY)
        })
}

/// Output always has room; what exceeds the turn's bounds is counted and dropped.
fn output_stream(instance: &mut LinkerInstance<'_, Data>) -> wasmtime::Result<()> {
    type This = Resource<OutputStream>;
    resource::<OutputStream>(instance, "output-stream")?;
    instance.func_wrap("[method]output-stream.check-write", |_: Context<'_>, _: (This,)| {
        Ok((Ok::<u64, StreamError>(WRITE_BYTES_MAX),))
    })?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        instance.func_wrap(name, |context: Context<'_>, (this, bytes): (This, Vec<u8>)| {
            print(context, &this, &bytes)
        })?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        instance.func_wrap(name, |_: Context<'_>, _: (This,)| -> Answer<Written> { Ok((Ok(()),)) })?;
    }
    instance.func_wrap("[method]output-stream.subscribe", |context: Context<'_>, _: (This,)| {
        handle::<Pollable>(context, READY)
    })
}

fn print(mut context: Context<'_>, to: &Resource<OutputStream>, bytes: &[u8]) -> Answer<Written> {
    let stream = if to.rep() == STDERR { Stream::Err } else { Stream::Out };
    let data = context.data_mut();
    let lines_max = data.turn.limits.log_lines_max;
    data.output.print(stream, bytes, &mut data.turn.logs, lines_max);
    Ok((Ok(()),))
}

fn random(instance: &mut LinkerInstance<'_, Data>, bytes: &str, number: &str) -> wasmtime::Result<()> {
    instance.func_wrap(bytes, |context: Context<'_>, (count,): (u64,)| {
        if count > RANDOM_BYTES_MAX {
            return Err(Stop::denied("wasi:random", "ask for at most 64 KiB at once"));
        }
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
        fill(&context, &mut bytes)?;
        Ok((bytes,))
    })?;
    instance.func_wrap(number, |context: Context<'_>, (): ()| Ok((random_u64(&context)?,)))
}

fn random_u64(context: &Context<'_>) -> wasmtime::Result<u64> {
    let mut bytes = [0; 8];
    fill(context, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn fill(context: &Context<'_>, bytes: &mut [u8]) -> wasmtime::Result<()> {
    (&context.data().shared.random).read_exact(bytes).map_err(wasmtime::Error::from)
}
