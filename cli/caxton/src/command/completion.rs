//! `caxton completion`: prints the completion script of a shell.

use std::io::Write as _;

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use crate::{arguments::Arguments, failure::Failure};

const EXAMPLES: &str = "\
Examples:
  caxton completion bash > ~/.local/share/bash-completion/completions/caxton
  caxton completion zsh > ~/.zfunc/_caxton
  caxton completion fish > ~/.config/fish/completions/caxton.fish";

/// The arguments of `caxton completion`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Completion {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Bash,
    Zsh,
    Fish,
}

impl Completion {
    /// Writes the script to stdout.
    ///
    /// # Errors
    /// Only when stdout cannot be written.
    pub fn run(&self) -> Result<(), Failure> {
        let shell = match self.shell {
            Kind::Bash => Shell::Bash,
            Kind::Zsh => Shell::Zsh,
            Kind::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "caxton", &mut script);
        Ok(std::io::stdout().lock().write_all(&script)?)
    }
}
