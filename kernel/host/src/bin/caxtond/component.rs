//! `component`: looks at a component's file, and checks it as a server would.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use caxton_abi::Code;
use caxton_host::sandbox;
use caxton_runtime::{
    ComponentError, ComponentInspection, InstanceLimits, RuntimeError, RuntimeOptions, inspect_component,
};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::{
    Output,
    agent::Sandbox,
    output::{self, exit, failed},
};

#[derive(Subcommand)]
pub enum Command {
    /// Shows what a component is, without compiling or running it.
    Inspect {
        /// The component.
        file: PathBuf,
        /// How to print it.
        #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
        output: Output,
    },
    /// Checks a component as a deployment does: structure, world, imports, validity, compilation, grants, an instance.
    Verify {
        /// The component.
        file: PathBuf,
        /// A grant that its agent is to have; may be repeated.
        #[arg(long = "grant", value_name = "GRANT")]
        grants: Vec<String>,
        #[command(flatten)]
        sandbox: Sandbox,
        /// How to print what was found.
        #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
        output: Output,
    },
}

/// Why a component is not good.
enum Refused {
    Unreadable(String),
    Component(ComponentError),
    Sandbox(RuntimeError),
}

impl Command {
    pub fn run(self) -> ExitCode {
        let (done, kind, file, form) = match &self {
            Self::Inspect { file, output } => {
                (inspect(file), "caxton.component.inspection/v1", file, *output)
            }
            Self::Verify { file, grants, sandbox, output } => {
                (verify(file, grants, sandbox), "caxton.component.verification/v1", file, *output)
            }
        };
        match done {
            Ok(found) => {
                match form {
                    Output::Json => output::document(&document(kind, file, &found)),
                    Output::Table => output::print(&table(file, &found)),
                }
                if matches!(self, Self::Verify { .. }) && matches!(form, Output::Table) {
                    output::print("verified  it fits, compiles and makes an instance\n");
                }
                ExitCode::SUCCESS
            }
            Err(Refused::Unreadable(why)) => failed(None, &why, form, exit::FAILURE),
            Err(Refused::Component(error)) => {
                failed(Some(error.code()), &named(file, &error), form, exit::FAILURE)
            }
            Err(Refused::Sandbox(error)) => {
                failed(Some(error.code()), &error.to_string(), form, exit::FAILURE)
            }
        }
    }
}

fn named(file: &Path, error: &ComponentError) -> String {
    format!("{}: {error}", file.display())
}

fn read(file: &Path) -> Result<Vec<u8>, Refused> {
    fs::read(file).map_err(|error| {
        Refused::Unreadable(format!("cannot read the component `{}`: {error}", file.display()))
    })
}

fn look(bytes: &[u8]) -> Result<ComponentInspection, Refused> {
    let options = RuntimeOptions::new(PathBuf::new(), sandbox::compiler());
    inspect_component(bytes, &options).map_err(Refused::Component)
}

fn inspect(file: &Path) -> Result<ComponentInspection, Refused> {
    look(&read(file)?)
}

fn verify(file: &Path, grants: &[String], sandbox: &Sandbox) -> Result<ComponentInspection, Refused> {
    let bytes = read(file)?;
    let found = look(&bytes)?;
    let runtime = sandbox::open(sandbox.cache.as_deref()).map_err(Refused::Sandbox)?;
    let compiled = runtime.compile(&bytes).map_err(Refused::Component)?;
    let limits = InstanceLimits { memory_bytes_max: u64::MAX, turn_ms_max: u32::MAX };
    let factory = runtime.factory(&compiled, limits, grants).map_err(Refused::Component)?;
    factory.instantiate().map_err(|fault| {
        let reason = format!("{fault:?}");
        Refused::Component(ComponentError::NotInstantiable { code: Code::AGENT_INIT_FAILED, reason })
    })?;
    Ok(found)
}

fn document(kind: &str, file: &Path, found: &ComponentInspection) -> Value {
    let info = &found.info;
    json!({
        "kind": kind,
        "file": file.display().to_string(),
        "digest": info.digest,
        "bytes": info.bytes,
        "world": info.world(),
        "imports": info.imports,
        "exports": info.exports,
        "producers": found.producers,
        "manifest": found.manifest,
    })
}

fn table(file: &Path, found: &ComponentInspection) -> String {
    let info = &found.info;
    let list = |items: &[String]| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let mut rows = vec![
        ("file", format!("{} ({} bytes)", file.display(), info.bytes)),
        ("digest", info.digest.clone()),
        ("world", info.world().to_owned()),
        ("imports", list(&info.imports)),
        ("exports", list(&info.exports)),
    ];
    for producer in &found.producers {
        let shown = format!("{}: {} {}", producer.field, producer.name, producer.version);
        rows.push(("made by", shown.trim_end().to_owned()));
    }
    let manifest = found.manifest.as_deref().unwrap_or("none is packed into it");
    rows.extend(manifest.lines().map(|line| ("manifest", line.to_owned())));
    // Names come out of the file: nothing of it may steer a terminal.
    let shown = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    rows.iter().map(|(name, value)| format!("{name:<9} {}\n", shown(value))).collect()
}
