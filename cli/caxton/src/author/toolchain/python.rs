//! Python: componentize-py, which pip brings into an environment of its own.

use std::{fs, path::Path};

use super::{
    super::{
        embedded,
        program::{self, Messages},
        project::{Project, unusable},
    },
    WORLD, installed,
};
use crate::{failure::Failure, output::Output};

/// Makes a component of `src/agent.py` and what it imports.
///
/// # Errors
/// Python is missing, the toolchain cannot be fetched, or the sources do not compile.
pub fn compile(project: &Project, out: &Path, messages: Messages, output: &Output) -> Result<(), Failure> {
    let messages = messages.on_failure();
    program::needed("python3", &project.folder)?;
    let name = embedded::PYTHON_REQUIREMENTS.trim().replace("==", "-");
    let tools = installed(&name, project, output, |folder| install(folder, messages))?;
    let mut componentize = program::command(tools.join("bin/componentize-py"), &project.folder);
    componentize.args(["--wit-path", "wit", "--world", WORLD, "componentize", "--stub-wasi"]);
    componentize.args(["--python-path", "src", "--python-path", "sdk", "agent", "--output"]).arg(out);
    program::build(&mut componentize, "the component", messages)
}

fn install(folder: &Path, messages: Messages) -> Result<(), Failure> {
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, embedded::PYTHON_REQUIREMENTS)
        .map_err(|error| unusable(&requirements, &error))?;
    let mut python = program::command("python3", folder);
    python.args(["-m", "venv"]).arg(folder);
    program::build(&mut python, "an environment of Python", messages)?;
    let mut pip = program::command(folder.join("bin/python"), folder);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements);
    program::build(&mut pip, "the toolchain of Python", messages)
}
