//! Clients and checkers that others wrote, installed below the build directory the first time they are asked for: a
//! Python environment for `tests/foreign`, and `buf`. Where one cannot be had, the answer says why.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{
    Failure,
    artifacts::{root, run, target},
};

/// The version of `buf` that is installed.
const BUF: &str = "@bufbuild/buf@1.75.0";

/// The folder of the foreign clients.
pub fn sources() -> PathBuf {
    root().join("tests/foreign")
}

/// The interpreter of an environment that has what `tests/foreign/requirements.txt` names.
///
/// # Errors
/// Python 3 is missing, or a package could not be installed.
pub fn python() -> Result<&'static Path, Failure> {
    static MADE: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    MADE.get_or_init(make_environment).as_deref().map_err(Clone::clone)
}

/// The program `buf`.
///
/// # Errors
/// Node or npm is missing, or the package could not be installed.
pub fn buf() -> Result<&'static Path, Failure> {
    static MADE: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    MADE.get_or_init(install_buf).as_deref().map_err(Clone::clone)
}

fn make_environment() -> Result<PathBuf, Failure> {
    let wanted = sources().join("requirements.txt");
    let packages = fs::read(&wanted).map_err(|why| format!("{}: {why}", wanted.display()))?;
    let environment = target().join("tools/foreign");
    let (interpreter, stamp) = (environment.join("bin/python"), environment.join("installed.txt"));
    // An environment knows its own path: one that was moved with its build directory is made anew.
    if starts(&interpreter) && fs::read(&stamp).is_ok_and(|installed| installed == packages) {
        return Ok(interpreter);
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&environment);
    run(&mut make, "a Python environment")?;
    let mut pip = Command::new(&interpreter);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&wanted);
    run(&mut pip, "the foreign clients")?;
    fs::write(&stamp, packages).map_err(|why| format!("{}: {why}", stamp.display()))?;
    Ok(interpreter)
}

fn install_buf() -> Result<PathBuf, Failure> {
    let folder = target().join("tools/buf");
    let program = folder.join("node_modules/.bin/buf");
    if starts(&program) {
        return Ok(program);
    }
    fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(&folder).arg(BUF);
    run(&mut npm, "buf")?;
    Ok(program)
}

fn starts(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
