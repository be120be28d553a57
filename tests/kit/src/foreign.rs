//! Components of other languages, built from source with their own toolchains, which are installed below the build
//! directory. Where a toolchain cannot be had, the answer says why; nothing is built halfway.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

use crate::{
    Failure,
    artifacts::{root, run, target},
};

/// The JavaScript bidder as a component, by componentize-qjs.
///
/// # Errors
/// Node or npm is missing, or the build failed.
pub fn javascript() -> Result<PathBuf, Failure> {
    static BUILT: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    BUILT.get_or_init(build_javascript).clone()
}

/// The Python bidder as a component, by componentize-py.
///
/// # Errors
/// Python 3 is missing, or the build failed.
pub fn python() -> Result<PathBuf, Failure> {
    static BUILT: OnceLock<Result<PathBuf, Failure>> = OnceLock::new();
    BUILT.get_or_init(build_python).clone()
}

fn build_javascript() -> Result<PathBuf, Failure> {
    let (source, sdk) = (root().join("wit/examples/bidder-js"), root().join("wit/sdk/js"));
    let out = target().join("guests/bidder-js.wasm");
    if is_fresh(&out, &[&source, &sdk, &root().join("wit/caxton")]) {
        return Ok(out);
    }
    let work = target().join("guests/bidder-js");
    copy_files(&[&source], &work)?;
    found("node")?;
    let tool = work.join("node_modules/.bin/componentize-qjs");
    if !tool.exists() {
        let mut npm = Command::new("npm");
        // Not `npm ci`: the package names optional bindings of other platforms that it was never released for.
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]).current_dir(&work);
        run(&mut npm, "the JavaScript toolchain")?;
    }
    let mut componentize = Command::new(tool);
    componentize.arg("--wit").arg(root().join("wit/caxton"));
    componentize.arg("--module-root").arg(root().join("wit")).arg("--js").arg(source.join("bidder.js"));
    componentize.args(["-n", "timed-agent", "--sync", "--stub-wasi", "-o"]).arg(aside(&out));
    componentize.current_dir(&work);
    run(&mut componentize, "the JavaScript bidder")?;
    finish(&out)
}

fn build_python() -> Result<PathBuf, Failure> {
    let (source, sdk) = (root().join("wit/examples/bidder-py"), root().join("wit/sdk/python"));
    let out = target().join("guests/bidder-py.wasm");
    if is_fresh(&out, &[&source, &sdk, &root().join("wit/caxton")]) {
        return Ok(out);
    }
    let work = target().join("guests/bidder-py");
    copy_files(&[&source, &sdk], &work)?;
    found("python3")?;
    let venv = target().join("tools/python");
    let tool = venv.join("bin/componentize-py");
    // An environment knows its own path: one that was moved with its build directory is made anew.
    if !runs(&tool) {
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&venv);
        run(&mut make, "a Python environment")?;
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(work.join("requirements.txt"));
        run(&mut pip, "the Python toolchain")?;
    }
    let mut componentize = Command::new(tool);
    componentize.arg("-d").arg(root().join("wit/caxton"));
    componentize.args(["-w", "timed-agent", "componentize", "--stub-wasi", "bidder", "-o"]).arg(aside(&out));
    componentize.current_dir(&work);
    run(&mut componentize, "the Python bidder")?;
    finish(&out)
}

/// Where a component is written before it is whole.
fn aside(out: &Path) -> PathBuf {
    out.with_extension(format!("part-{}", std::process::id()))
}

/// Gives a whole component its name, so that an interrupted build leaves none.
fn finish(out: &Path) -> Result<PathBuf, Failure> {
    fs::rename(aside(out), out).map_err(|why| format!("cannot write {}: {why}", out.display()))?;
    Ok(out.to_path_buf())
}

fn found(program: &str) -> Result<(), Failure> {
    if runs(Path::new(program)) { Ok(()) } else { Err(format!("{program} is not on the PATH")) }
}

fn runs(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// True when the file is there and newer than everything in the folders.
fn is_fresh(out: &Path, folders: &[&Path]) -> bool {
    let Ok(built) = fs::metadata(out).and_then(|metadata| metadata.modified()) else { return false };
    let newest = folders.iter().flat_map(|folder| files(folder)).filter_map(|file| modified(&file)).max();
    newest.is_some_and(|newest| newest < built)
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

fn copy_files(folders: &[&Path], to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(|why| format!("cannot make {}: {why}", to.display()))?;
    for file in folders.iter().flat_map(|folder| files(folder)) {
        let Some(name) = file.file_name() else { continue };
        fs::copy(&file, to.join(name)).map_err(|why| format!("cannot copy {}: {why}", file.display()))?;
    }
    Ok(())
}
