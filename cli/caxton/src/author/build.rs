//! Builds a project's package: compiles its component where the sources changed, and packs the manifest into it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    package,
    program::Messages,
    project::{Project, replace, unusable},
    sources, toolchain,
};
use crate::{
    failure::{Exit, Failure},
    output::Output,
};

/// The component as the toolchain made it, in the project's scratch folder.
const COMPONENT: &str = "component.wasm";
/// What that component was made of.
const MADE_OF: &str = "component.made-of";

/// A package that is there.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its file.
    pub file: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its digest, as the server says it.
    pub digest: String,
    /// The world whose exports it has; empty when it is none of ours.
    pub world: &'static str,
    /// False when it was there already, just so.
    pub changed: bool,
    /// How long it took.
    pub took: Duration,
}

/// Builds the project's package.
///
/// # Errors
/// The sources do not compile, the toolchain is missing, or the result is no component.
pub fn build(project: &Project, messages: Messages, output: &Output) -> Result<Built, Failure> {
    let began = Instant::now();
    let component = component(project, messages, output)?;
    let file = project.manifest.component.clone();
    let not_packed = |fault: package::Fault| {
        let fix = "build the agent as a component of the world caxton:agent/timed-agent";
        Failure::new(Exit::Failure, "cannot pack the component", fault.to_string(), fix).coded("CX0414")
    };
    let world = package::outline(&component).map_err(not_packed)?.world();
    let bytes = package::pack(&component, &project.manifest.package()).map_err(not_packed)?;
    let changed = fs::read(&file).ok().as_deref() != Some(&bytes);
    if changed {
        replace(&file, &bytes)?;
    }
    let digest = sources::component_digest(&bytes);
    Ok(Built { file, bytes, digest, world, changed, took: began.elapsed() })
}

impl Built {
    /// The document of `caxton build`.
    pub fn document(&self, project: &Project) -> Value {
        json!({
            "kind": "caxton.build/v1",
            "name": project.manifest.name,
            "lang": project.build.lang,
            "component": project.shown(&self.file).to_string(),
            "bytes": self.bytes.len(),
            "digest": self.digest,
            "world": self.world,
            "changed": self.changed,
            "took-ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// The component of the sources as they are now: the one of the last time where they are the same.
fn component(project: &Project, messages: Messages, output: &Output) -> Result<Vec<u8>, Failure> {
    let scratch = project.scratch()?;
    let (out, made_of) = (scratch.join(COMPONENT), scratch.join(MADE_OF));
    let sources = sources::digest(&project.folder, &toolchain::identity(project))
        .map_err(|error| unusable(&project.folder, &error))?;
    if !toolchain::is_incremental(project)
        && let Some(component) = earlier(&out, &made_of, &sources)
    {
        return Ok(component);
    }
    let aside = scratch.join(format!("{COMPONENT}.part-{}", std::process::id()));
    let compiled = toolchain::compile(project, &aside, messages, output).and_then(|()| taken(&aside));
    let _absent_already = fs::remove_file(&aside);
    let component = compiled?;
    replace(&out, &component)?;
    replace(&made_of, recorded(&sources, &component).as_bytes())?;
    Ok(component)
}

/// The component of the last time, if it is whole and was made of these sources.
fn earlier(out: &Path, made_of: &Path, sources: &str) -> Option<Vec<u8>> {
    let component = fs::read(out).ok()?;
    (fs::read_to_string(made_of).ok()? == recorded(sources, &component)).then_some(component)
}

fn recorded(sources: &str, component: &[u8]) -> String {
    format!("{sources} {}\n", sources::component_digest(component))
}

fn taken(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| {
        let fix = "let `[build] command` write the component to the path in CAXTON_OUT";
        Failure::new(Exit::Failure, "the build made no component", error.to_string(), fix).coded("CX0414")
    })
}
