//! Tests an agent against a scripted host, without a server: the real sandbox and bus, virtual time, no plugins.
//!
//! ```text
//!   script.toml ─▶ format ─▶ steps ─▶ stage (bus, clock set by hand, an endpoint for each name) ◀─▶ agent
//!                                └──▶ report (text, JSON)
//! ```
//!
//! Each script gets a fresh agent and a fresh bus; the component is compiled once. Protocols are not watched: what the
//! agent sends is what the script sees.

mod expectations;
mod format;
mod report;
mod stage;
mod steps;
#[cfg(test)]
mod tests;

use std::{fs, io::Read, path::Path, sync::Arc};

use caxton_abi::Code;
use caxton_runtime::{ComponentError, InstanceLimits, Runtime, RuntimeError};

pub use format::Script;
pub use report::{Failed, Outcome, Played, Report};

use crate::config::{CONFIG_BYTES_MAX, Fault, Source};

/// Why no script was played.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// A script that is not valid.
    #[error("{} scripts are not valid", .0.len())]
    Scripts(Vec<Fault>),
    /// The component is refused.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The sandbox cannot be made.
    #[error(transparent)]
    Sandbox(#[from] RuntimeError),
}

/// Plays every script against a component.
///
/// # Errors
/// Every fault of the scripts; else why the component or the sandbox is refused.
pub fn test(runtime: &Runtime, component: &[u8], scripts: &[impl AsRef<Path>]) -> Result<Report, TestError> {
    let mut faults = Vec::new();
    let mut read = Vec::new();
    for path in scripts {
        match source(path.as_ref()).and_then(|source| Script::read(&source).map(|script| (source, script))) {
            Ok(both) => read.push(both),
            Err(fault) => faults.push(*fault),
        }
    }
    if !faults.is_empty() {
        return Err(TestError::Scripts(faults));
    }
    let compiled = runtime.compile(component)?;
    let mut played = Vec::new();
    for (source, script) in &read {
        let limits = InstanceLimits { memory_bytes_max: u64::MAX, turn_ms_max: u32::MAX };
        let factory = runtime.factory(&compiled, limits, &script.grants)?;
        played.push(steps::play(source, script, Arc::clone(&factory)));
    }
    Ok(Report::new(compiled.info().digest.clone(), played))
}

fn source(path: &Path) -> Result<Source, Box<Fault>> {
    let name = path.display().to_string();
    let unreadable = |why: String| {
        Box::new(Fault::new(Code::CONFIG_UNREADABLE, format!("cannot read the script `{name}`: {why}")))
    };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let read = file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(unreadable(format!("it is longer than {CONFIG_BYTES_MAX} bytes")));
    }
    Ok(Source { name, text: Arc::from(text) })
}
