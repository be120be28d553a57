//! Finds the server's program and becomes it, so that its output, signals and exit code are passed on unchanged.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{Exit, Failure},
    output::Output,
};

/// A configuration, as `caxtond` takes it.
#[derive(Debug, clap::Args)]
pub struct Configured {
    /// The server's configuration
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Override a key of the file, in TOML: server.workers=4; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

impl Configured {
    /// Becomes `caxtond` with a verb and this configuration; returns only when that fails.
    pub(crate) fn pass_to(&self, verb: &str, output: &Output) -> Failure {
        let json: &[&str] = if output.is_json() { &["-o", "json"] } else { &[] };
        become_caxtond([verb.as_ref()].into_iter().chain(self.words()).chain(json.iter().map(OsStr::new)))
    }

    /// The file and the overrides as words of a command line.
    pub(crate) fn words(&self) -> impl Iterator<Item = &OsStr> {
        let sets = self.sets.iter().flat_map(|set| ["--set".as_ref(), OsStr::new(set)]);
        ["-f".as_ref(), self.file.as_os_str()].into_iter().chain(sets)
    }
}

const PROGRAM: &str = "caxtond";

/// The program next to this one, else the one on PATH.
pub(crate) fn program() -> OsString {
    let beside = std::env::current_exe().ok().and_then(|own| own.parent().map(|folder| folder.join(PROGRAM)));
    let beside = beside.filter(|path: &PathBuf| path.is_file());
    beside.map_or_else(|| OsString::from(PROGRAM), PathBuf::into_os_string)
}

/// The server's program as a child, for what is asked of it on the way.
pub(crate) fn command() -> Command {
    Command::new(program())
}

/// Replaces this process by `caxtond` with these arguments: the one next to this program, else the one on PATH.
///
/// Returns only when that fails.
pub(crate) fn become_caxtond<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> Failure {
    let program = program();
    let error = Command::new(&program).args(arguments).exec();
    let why = if error.kind() == std::io::ErrorKind::NotFound {
        "it is neither next to this program nor on PATH".to_owned()
    } else {
        format!("{}: {error}", Path::new(&program).display())
    };
    let fix = "install `caxtond` next to `caxton`, or build it with `cargo build -p caxton-host`";
    Failure::new(Exit::Failure, "cannot run the server's program `caxtond`", why, fix)
}
