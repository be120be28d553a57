//! `caxton build`: builds an agent's package.

use std::path::PathBuf;

use crate::{
    author::{
        build::{self, Built},
        program::Messages,
        project::Project,
    },
    failure::Failure,
    output::{Format, Output, fields},
};

const EXAMPLES: &str = "\
The toolchain is that of `[build] lang` in agent.toml: cargo, or componentize-qjs or componentize-py, which are fetched \
on the first use into the user's cache. `[build] command` runs a shell command instead, which writes the component to \
the path in CAXTON_OUT. The result is a package: the component with agent.toml inside, for `caxton deploy`.

Examples:
  caxton build
  caxton build agents/greeter -o json";

/// The arguments of `caxton build`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Build {
    /// The agent's folder
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

impl Build {
    /// Builds, and tells what came of it.
    ///
    /// # Errors
    /// As [`build::build`].
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let project = Project::read(&self.dir)?;
        let built = build::build(&project, Messages::of(output), output)?;
        match output.format {
            Format::Json | Format::Jsonl => output.document(&built.document(&project)),
            Format::Name => output.line(&project.shown(&built.file).to_string()),
            Format::Table | Format::Wide => output.line(&told(&built, &project)),
        }
    }
}

fn told(built: &Built, project: &Project) -> String {
    let file = project.shown(&built.file);
    let outcome = if built.changed {
        format!("built {file} in {:.1} s", built.took.as_secs_f64())
    } else {
        format!("{file} is up to date")
    };
    let about = fields(&[
        ("size", format!("{} KiB", built.bytes.len().div_ceil(1024))),
        ("world", built.world.to_owned()),
        ("digest", built.digest.clone()),
    ]);
    format!("{outcome}\n{about}")
}
