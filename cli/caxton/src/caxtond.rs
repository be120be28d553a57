//! Finds the server's program and becomes it, so that its output, signals and exit code are passed on unchanged.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    path::PathBuf,
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
        let sets = self.sets.iter().flat_map(|set| ["--set".as_ref(), OsStr::new(set)]);
        let json: &[&str] = if output.is_json() { &["-o", "json"] } else { &[] };
        let words = [verb.as_ref(), "-f".as_ref(), self.file.as_os_str()].into_iter();
        become_caxtond(words.chain(sets).chain(json.iter().map(OsStr::new)))
    }
}

const PROGRAM: &str = "caxtond";

/// Replaces this process by `caxtond` with these arguments: the one next to this program, else the one on PATH.
///
/// Returns only when that fails.
pub(crate) fn become_caxtond<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> Failure {
    let beside = std::env::current_exe().ok().and_then(|own| own.parent().map(|folder| folder.join(PROGRAM)));
    let beside = beside.filter(|path: &PathBuf| path.is_file());
    let program = beside.map_or_else(|| OsString::from(PROGRAM), PathBuf::into_os_string);
    let error = Command::new(&program).args(arguments).exec();
    let why = if error.kind() == std::io::ErrorKind::NotFound {
        "it is neither next to this program nor on PATH".to_owned()
    } else {
        format!("{}: {error}", program.display())
    };
    let fix = "install `caxtond` next to `caxton`, or build it with `cargo build -p caxton-host`";
    Failure::new(Exit::Failure, "cannot run the server's program `caxtond`", why, fix)
}
