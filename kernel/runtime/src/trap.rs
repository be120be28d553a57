//! Why the engine stopped a guest, in the kernel's words.

use std::{collections::BTreeSet, num::NonZeroUsize};

use caxton_core::agent::{Fault, TrapKind};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::output::shown;

/// Frames that are kept, innermost first.
pub(crate) const FRAMES_MAX: Option<NonZeroUsize> = NonZeroUsize::new(16);
/// Bytes of one frame's name.
const FRAME_BYTES_MAX: usize = 200;
/// Bytes of the message.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// Why an import ended the guest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The sandbox denies the call.
    #[error("the sandbox denies `{call}`: {hint}")]
    Denied {
        /// The import that was called.
        call: String,
        /// What to do instead.
        hint: &'static str,
    },
    /// The guest asked to end.
    #[error("the guest ended itself with exit status {status}")]
    Exit {
        /// The status it gave.
        status: u8,
    },
}

impl Stop {
    /// A denial as the engine wants it.
    pub(crate) fn denied(call: &str, hint: &'static str) -> wasmtime::Error {
        wasmtime::Error::from(Self::Denied { call: call.to_owned(), hint })
    }
}

/// What is known beside the engine's error.
pub(crate) struct Circumstances {
    /// A request for memory was refused during the turn.
    pub(crate) memory_refused: bool,
    /// The limit that refused it in bytes.
    pub(crate) memory_bytes_max: u64,
    /// The deadline of the call in milliseconds.
    pub(crate) deadline_ms: u32,
    /// The last lines of standard error in one.
    pub(crate) last_words: String,
}

/// Makes the kernel's fault of the engine's error.
pub(crate) fn fault(error: &wasmtime::Error, known: &Circumstances) -> Fault {
    let frames = frames(error);
    let kind = kind(error, known.memory_refused, &frames);
    Fault::Trapped { kind, message: message(kind, error, known), frames }
}

fn kind(error: &wasmtime::Error, memory_refused: bool, frames: &[String]) -> TrapKind {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Denied { .. }) => return TrapKind::Denied,
        Some(Stop::Exit { .. }) if !memory_refused => return TrapKind::Unreachable,
        _ => {}
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => TrapKind::Deadline,
        Some(Trap::StackOverflow) => TrapKind::Stack,
        // Compilers keep a second stack at the bottom of the memory; below it is nothing.
        Some(Trap::MemoryOutOfBounds) if recurses(frames) => TrapKind::Stack,
        _ if memory_refused => TrapKind::Memory,
        Some(Trap::UnreachableCodeReached) => TrapKind::Unreachable,
        _ => TrapKind::Other,
    }
}

/// True when as many frames as are kept belong to at most a few functions.
fn recurses(frames: &[String]) -> bool {
    const FUNCTIONS_MAX: usize = 4;
    let functions: BTreeSet<&String> = frames.iter().collect();
    FRAMES_MAX.is_some_and(|max| frames.len() >= max.get()) && functions.len() <= FUNCTIONS_MAX
}

fn message(kind: TrapKind, error: &wasmtime::Error, known: &Circumstances) -> String {
    let words = known.last_words.as_str();
    let plain = match kind {
        TrapKind::Deadline => format!("the call took longer than {} ms", known.deadline_ms),
        TrapKind::Memory => {
            format!("the memory limit of {} bytes was reached {words}", known.memory_bytes_max)
        }
        TrapKind::Stack => "the call stack overflowed".to_owned(),
        TrapKind::Unreachable if !words.is_empty() => words.to_owned(),
        TrapKind::Unreachable | TrapKind::Denied | TrapKind::Other => {
            format!("{} {words}", error.root_cause())
        }
    };
    let plain = match error.downcast_ref::<PoolConcurrencyLimitError>() {
        Some(_) => format!("{plain}: raise `agents_max`, or remove agents"),
        None => plain,
    };
    let plain = plain.trim().replace('\n', " ");
    shown(&plain, MESSAGE_BYTES_MAX)
}

/// The names of the guest's functions, demangled by the engine.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let text = trace.to_string();
    text.lines().skip(1).map(|line| shown(frame_name(line), FRAME_BYTES_MAX)).collect()
}

/// Takes `module!function` out of `   3:   0x1a2b - module!function::h0123456789abcdef`.
fn frame_name(line: &str) -> &str {
    let after_index = line.split_once(": ").map_or(line, |(_, rest)| rest);
    let name = after_index.split_once(" - ").map_or(after_index, |(_, name)| name).trim();
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => path,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_names_lose_index_and_offset() {
        assert_eq!(
            frame_name("    0:   0x1a2b - hostile.wasm!hostile::recurse::h48c6b25e746fc0ee"),
            "hostile.wasm!hostile::recurse"
        );
        assert_eq!(frame_name("   12: <unknown>!<wasm function 7>"), "<unknown>!<wasm function 7>");
    }

    #[test]
    fn a_refused_request_for_memory_explains_the_panic_after_it() {
        let error = wasmtime::Error::from(Trap::UnreachableCodeReached);
        assert_eq!(kind(&error, true, &[]), TrapKind::Memory);
        assert_eq!(kind(&error, false, &[]), TrapKind::Unreachable);
        assert_eq!(kind(&wasmtime::Error::from(Trap::Interrupt), true, &[]), TrapKind::Deadline);
    }
}
