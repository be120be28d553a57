//! `caxton man`: the manual pages, made from the same tree as the help.

use std::{io::Write as _, path::PathBuf};

use clap::CommandFactory as _;

use crate::{
    arguments::Arguments,
    failure::{Exit, Failure},
    output::Output,
};

const EXAMPLES: &str = "\
Without --dir the page of `caxton` itself goes to stdout; with it, a page for every command is written.

Examples:
  caxton man > caxton.1
  caxton man --dir ~/.local/share/man/man1";

/// The arguments of `caxton man`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Man {
    /// The folder for the pages; made when it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    /// Writes pages.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let Some(dir) = &self.dir else {
            let mut page = Vec::new();
            clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
            return Ok(std::io::stdout().lock().write_all(&page)?);
        };
        let written =
            std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Arguments::command(), dir));
        written.map_err(|error| {
            let what = format!("cannot write the manual to {}", dir.display());
            Failure::new(Exit::Failure, what, error.to_string(), "check the folder and its permissions")
        })?;
        output.note(&format!("the manual is in {}", dir.display()));
        Ok(())
    }
}
