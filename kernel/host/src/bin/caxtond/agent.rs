//! `agent test`: plays scripts against a component, in this process and without a server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use caxton_abi::Code;
use caxton_host::{
    sandbox,
    script::{self, Report, TestError},
};
use clap::{Args, Subcommand};

use crate::{
    Output,
    output::{document, exit, failed, print, refused},
};

#[derive(Subcommand)]
pub enum Command {
    /// Plays scripts against an agent: the real sandbox and bus, virtual time, no plugins.
    Test {
        /// The component.
        component: PathBuf,
        /// The scripts, as TOML files.
        #[arg(required = true)]
        scripts: Vec<PathBuf>,
        #[command(flatten)]
        sandbox: Sandbox,
        /// How to print what became of them.
        #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
        output: Output,
    },
}

#[derive(Args)]
pub struct Sandbox {
    /// Where compiled components are kept; below the user's cache folder when absent.
    #[arg(long = "cache", value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

impl Command {
    pub fn run(self) -> ExitCode {
        match self {
            Self::Test { component, scripts, sandbox, output } => {
                test(&component, &scripts, &sandbox, output)
            }
        }
    }
}

fn test(component: &Path, scripts: &[PathBuf], sandbox: &Sandbox, output: Output) -> ExitCode {
    let bytes = match fs::read(component) {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("cannot read the component `{}`: {error}", component.display());
            return failed(None, &message, output, exit::FAILURE);
        }
    };
    let played = sandbox::open(sandbox.cache.as_deref())
        .map_err(TestError::from)
        .and_then(|runtime| script::test(&runtime, &bytes, scripts));
    match played {
        Ok(report) => tell(&report, output),
        Err(TestError::Scripts(faults)) => refused(&faults, "the scripts", output),
        Err(error) => {
            let code = match &error {
                TestError::Component(error) => error.code(),
                TestError::Sandbox(error) => error.code(),
                TestError::Scripts(_) => Code::CONFIG_INVALID,
            };
            failed(Some(code), &error.to_string(), output, exit::FAILURE)
        }
    }
}

fn tell(report: &Report, output: Output) -> ExitCode {
    match output {
        Output::Json => document(&serde_json::json!(report)),
        Output::Table => print(&report.text()),
    }
    if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED_TESTS) }
}
