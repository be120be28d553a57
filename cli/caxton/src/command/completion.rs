//! `caxton completion`: prints the completion script of a shell.

use std::io::Write as _;

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::{
    CompleteEnv,
    env::{Bash, EnvCompleter, Fish, Zsh},
};

use crate::{arguments::Arguments, failure::Failure};

const EXAMPLES: &str = "\
The script asks this program what can stand where, and this program asks the server for the names of agents, plugins and \
conversations. A server that does not answer within 200 ms gives no names.

Examples:
  caxton completion bash > ~/.local/share/bash-completion/completions/caxton
  caxton completion zsh > ~/.zfunc/_caxton
  caxton completion fish > ~/.config/fish/completions/caxton.fish";

/// The variable by which a shell's script asks for what can stand at a place.
const VARIABLE: &str = "COMPLETE";
const NAME: &str = "caxton";

/// Answers a shell's script and ends the process, where it is one that asks.
pub fn answer() {
    CompleteEnv::with_factory(Arguments::command).var(VARIABLE).complete();
}

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
        let shell: &dyn EnvCompleter = match self.shell {
            Kind::Bash => &Bash,
            Kind::Zsh => &Zsh,
            Kind::Fish => &Fish,
        };
        let mut script = Vec::new();
        shell.write_registration(VARIABLE, NAME, NAME, NAME, &mut script)?;
        Ok(std::io::stdout().lock().write_all(&script)?)
    }
}
