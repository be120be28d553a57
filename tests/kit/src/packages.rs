//! Agent packages: a folder for each example agent with its component and its manifest, in `target/agents`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::{Failure, artifacts, foreign};

/// The Rust agents: name, component, manifest below `wit/examples`.
const RUST: &[(&str, &str, &str)] = &[
    ("manager", "manager.wasm", "manager/agent.toml"),
    ("bidder-swift", "bidder.wasm", "bidder/swift.toml"),
    ("bidder-steady", "bidder.wasm", "bidder/steady.toml"),
    ("troublemaker", "troublemaker.wasm", "troublemaker/agent.toml"),
    ("echo", "echo.wasm", "echo/agent.toml"),
    ("parts", "parts.wasm", "parts/agent.toml"),
];

/// An agent that was, or could not be, packaged.
#[derive(Clone, Debug)]
pub struct Package {
    /// The agent's name.
    pub name: String,
    /// Its manifest, or why it could not be built.
    pub built: Result<PathBuf, Failure>,
}

/// The folder of all packages.
pub fn dir() -> PathBuf {
    artifacts::target().join("agents")
}

/// Packages the Rust agents.
///
/// # Errors
/// They could not be built or written.
pub fn rust() -> Result<Vec<Package>, Failure> {
    static PACKAGED: OnceLock<Result<Vec<Package>, Failure>> = OnceLock::new();
    let packaged = PACKAGED.get_or_init(|| {
        let components = artifacts::agents()?;
        let package = |(name, component, manifest): &(&str, &str, &str)| {
            let manifest = artifacts::root().join("wit/examples").join(manifest);
            let built = assemble(name, &components.join(component), &manifest)?;
            Ok(Package { name: (*name).to_owned(), built: Ok(built) })
        };
        RUST.iter().map(package).collect()
    });
    packaged.clone()
}

/// Packages all agents. One of another language that cannot be built here says why and is no error.
///
/// # Errors
/// The Rust agents could not be built.
pub fn all() -> Result<Vec<Package>, Failure> {
    let mut packages = rust()?;
    for (name, built) in [("bidder-js", foreign::javascript()), ("bidder-py", foreign::python())] {
        let manifest = artifacts::root().join("wit/examples").join(name).join("agent.toml");
        let built = built.and_then(|component| assemble(name, &component, &manifest));
        packages.push(Package { name: name.to_owned(), built });
    }
    Ok(packages)
}

/// Puts a component and its manifest into the agent's folder; files that are the same already are left alone.
fn assemble(name: &str, component: &Path, manifest: &Path) -> Result<PathBuf, Failure> {
    let folder = dir().join(name);
    fs::create_dir_all(&folder).map_err(|why| format!("cannot make {}: {why}", folder.display()))?;
    let file = component.file_name().ok_or_else(|| format!("{} is no file", component.display()))?;
    place(component, &folder.join(file))?;
    let target = folder.join("agent.toml");
    place(manifest, &target)?;
    Ok(target)
}

/// Copies under another name first, because other processes may read the file at this moment.
fn place(from: &Path, to: &Path) -> Result<(), Failure> {
    let failed = |why: std::io::Error| format!("cannot copy {} to {}: {why}", from.display(), to.display());
    let bytes = fs::read(from).map_err(failed)?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let aside = to.with_extension(format!("part-{}", std::process::id()));
    fs::write(&aside, bytes).map_err(failed)?;
    fs::rename(&aside, to).map_err(failed)
}
