//! Compiles sources into a component by the toolchain of their language. Toolchains for JavaScript and Python are fetched
//! once, in the versions that the repository's own agents are built with, into a cache that all projects share.

mod javascript;
mod python;
mod rust;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{
    Language, embedded,
    program::{self, Messages},
    project::{Project, unusable},
};
use crate::{failure::Failure, output::Output};

/// The name of the world that agents are built for.
const WORLD: &str = "timed-agent";
/// Where the command of `[build]` has to write the component.
const OUT_VARIABLE: &str = "CAXTON_OUT";
/// Marks a toolchain that was installed to its end.
const COMPLETE: &str = "complete";

/// Compiles a project's component into `out`.
///
/// # Errors
/// A program is missing, the toolchain cannot be fetched, or the sources do not compile.
pub fn compile(project: &Project, out: &Path, messages: Messages, output: &Output) -> Result<(), Failure> {
    if let Some(line) = &project.build.command {
        let mut shell = program::command("sh", &project.folder);
        shell.args(["-c", line]).env(OUT_VARIABLE, out);
        return program::build(&mut shell, "the component", messages);
    }
    match project.build.lang {
        Language::Rust => rust::compile(project, out, messages),
        Language::JavaScript => javascript::compile(project, out, messages, output),
        Language::Python => python::compile(project, out, messages, output),
    }
}

/// What decides about a component beside its sources: the toolchain's version, and the command that is run.
pub fn identity(project: &Project) -> String {
    let command = project.build.command.as_deref().unwrap_or_default();
    let tool = match project.build.lang {
        Language::Rust => "",
        Language::JavaScript => embedded::NODE_LOCK,
        Language::Python => embedded::PYTHON_REQUIREMENTS,
    };
    [project.build.lang.key(), command, tool, env!("CARGO_PKG_VERSION")].join("\0")
}

/// True when the toolchain sees itself what has changed, and is quick when nothing has.
pub fn is_incremental(project: &Project) -> bool {
    project.build.command.is_none() && project.build.lang == Language::Rust
}

/// The folder of a toolchain, installed on the first use by `install`. Others that want it meanwhile wait.
fn installed(
    name: &str,
    project: &Project,
    output: &Output,
    install: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    let folder = cache(project)?.join(name);
    let made = || {
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    };
    let _held: File = made().map_err(|error| unusable(&folder, &error))?;
    let complete = folder.join(COMPLETE);
    if !complete.exists() {
        output.note(&format!("fetching {name}, once for all projects, into {}", folder.display()));
        install(&folder)?;
        fs::write(&complete, "").map_err(|error| unusable(&complete, &error))?;
    }
    Ok(folder)
}

/// The folder for toolchains: the user's cache, else the project's own.
fn cache(project: &Project) -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let user = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    match user {
        Some(user) => Ok(user.join("caxton/tools")),
        None => Ok(project.scratch()?.join("tools")),
    }
}
