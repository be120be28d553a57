//! An agent's project: a folder with an `agent.toml` that says how its component is built.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{MANIFEST, SCRATCH};
use crate::{
    failure::{Exit, Failure},
    manifest::{Build, Manifest},
};

/// A folder and its manifest.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder, absolute.
    pub folder: PathBuf,
    /// What its `agent.toml` says.
    pub manifest: Manifest,
    /// How it is built.
    pub build: Build,
}

impl Project {
    /// Reads the project in a folder.
    ///
    /// # Errors
    /// There is none, its manifest is not valid, or it does not say how to build.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let folder = std::path::absolute(folder).map_err(|error| unusable(folder, &error))?;
        let path = folder.join(MANIFEST);
        if !path.is_file() {
            let what = format!("there is no agent in {}", folder.display());
            let why = format!("it has no {MANIFEST}");
            let fix = "name the folder of an agent, or make one with `caxton new agent NAME`";
            return Err(Failure::new(Exit::NotFound, what, why, fix));
        }
        let manifest = Manifest::read(&path)?;
        let Some(build) = manifest.build.clone() else {
            let what = format!("cannot build `{}`", manifest.name);
            let why = format!("{} has no table `[build]`", path.display());
            let fix = "add `[build]` with `lang = \"rust\"`, \"js\" or \"python\"";
            return Err(Failure::new(Exit::Invalid, what, why, fix).coded("CX0424"));
        };
        Ok(Self { folder, manifest, build })
    }

    /// The folder for what can be made again, made and kept out of version control.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn scratch(&self) -> Result<PathBuf, Failure> {
        let folder = self.folder.join(SCRATCH);
        let made = fs::create_dir_all(&folder).and_then(|()| {
            let ignore = folder.join(".gitignore");
            if ignore.exists() { Ok(()) } else { fs::write(ignore, "*\n") }
        });
        made.map_err(|error| unusable(&folder, &error))?;
        Ok(folder)
    }

    /// A path relative to the folder where it lies in it.
    pub fn within<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.folder).unwrap_or(path)
    }

    /// The same, as it is told.
    pub fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        self.within(path).display()
    }
}

/// A file or folder that cannot be used.
pub fn unusable(path: &Path, error: &io::Error) -> Failure {
    let what = format!("cannot use {}", path.display());
    Failure::new(Exit::Failure, what, error.to_string(), "check the path and its permissions")
}

/// Writes a file whole or not at all: whoever reads it meanwhile sees the old one.
///
/// # Errors
/// It cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let aside = path.with_extension(format!("part-{}", std::process::id()));
        fs::write(&aside, bytes)?;
        fs::rename(aside, path)
    };
    written().map_err(|error| unusable(path, &error))
}
