//! `caxton test`: builds an agent, runs its scripts against it without a server, and then the tests of its language.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use serde_json::{Value, json};

use crate::{
    author::{
        Language, build,
        program::{self, Messages},
        project::Project,
    },
    caxtond,
    failure::{Exit, Failure},
    output::Output,
};

const EXAMPLES: &str = "\
A script is a conversation in TOML: what is sent to the agent, and what must come back. The scripts of a project are \
tests/*.toml; they run in the real sandbox with a clock of their own, without a server. Then come the tests of the \
language where there are any: `cargo test`, `node --test tests/*.test.js`, `python3 -m unittest` on tests/test_*.py. \
The exit code is 9 when one failed.

Examples:
  caxton test
  caxton test agents/greeter --scripts-only
  caxton test -o json";

/// The exit code of `caxtond` when a script failed.
const SCRIPT_FAILED: i32 = 9;

/// The arguments of `caxton test`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Test {
    /// The agent's folder
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Run the scripts and not the tests of the language
    #[arg(long)]
    scripts_only: bool,
}

/// The tests of the language: how they were run, and what they said if they failed.
struct Native {
    command: String,
    failed: Option<String>,
}

impl Test {
    /// Builds and tests.
    ///
    /// # Errors
    /// The build failed, a program is missing, or with exit code 9 a test failed.
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let project = Project::read(&self.dir)?;
        let built = build::build(&project, Messages::of(output), output)?;
        let scripts = files(&project.folder, "", ".toml");
        let report = run_scripts(&project, &built.file, &scripts, output)?;
        let native = if self.scripts_only { None } else { run_native(&project, output)? };
        if scripts.is_empty() && native.is_none() {
            output.note("there are no tests: write scripts into tests/*.toml");
        }
        let failed = report.failed || native.as_ref().is_some_and(|native| native.failed.is_some());
        if output.is_json() {
            output.document(&document(report.document, native.as_ref()))?;
        }
        if failed { Err(not_passed(&project.manifest.name, report.failed, native)) } else { Ok(()) }
    }
}

/// What came of the scripts.
struct Scripts {
    failed: bool,
    /// The report, where JSON was asked for.
    document: Value,
}

fn run_scripts(
    project: &Project,
    component: &Path,
    scripts: &[PathBuf],
    output: &Output,
) -> Result<Scripts, Failure> {
    let mut document = json!({"kind": "caxton.test.report/v1", "passed": 0, "failed": 0, "scripts": []});
    if scripts.is_empty() {
        return Ok(Scripts { failed: false, document });
    }
    let mut command = Command::new(caxtond::program());
    command
        .args(["agent", "test"])
        .arg(project.within(component))
        .args(scripts.iter().map(|file| project.within(file)));
    command.current_dir(&project.folder);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    if output.is_json() {
        command.args(["-o", "json"]).stdout(Stdio::piped());
    }
    let ran = command.spawn().and_then(std::process::Child::wait_with_output);
    let ran = ran.map_err(|error| program::not_run(&command, &error))?;
    let failed = match ran.status.code() {
        Some(0) => false,
        Some(SCRIPT_FAILED) => true,
        _ => return Err(not_run(ran.status)),
    };
    if output.is_json() {
        document = serde_json::from_slice(&ran.stdout).unwrap_or(document);
    }
    Ok(Scripts { failed, document })
}

/// Runs the language's own tests; none when the project has none.
fn run_native(project: &Project, output: &Output) -> Result<Option<Native>, Failure> {
    let folder = &project.folder;
    let mut command = match project.build.lang {
        Language::Rust => {
            let mut cargo = program::command("cargo", folder);
            // As the component is built, so that build scripts and macros are compiled once.
            cargo.args(["test", "--release", "--target-dir", "target"]);
            cargo
        }
        Language::JavaScript => {
            let tests = files(folder, "", ".test.js");
            if tests.is_empty() {
                return Ok(None);
            }
            let mut node = program::command("node", folder);
            node.args(["--test", "--test-reporter", "spec"])
                .args(tests.iter().map(|file| project.within(file)));
            node
        }
        Language::Python => {
            if files(folder, "test_", ".py").is_empty() {
                return Ok(None);
            }
            let mut python = program::command("python3", folder);
            python.args(["-m", "unittest", "discover", "--start-directory", "tests"]);
            python.env("PYTHONPATH", folder.join("src")).env("PYTHONDONTWRITEBYTECODE", "1");
            python
        }
    };
    let told = told(&command);
    let failed = program::test(&mut command, Messages::of(output))?.err();
    Ok(Some(Native { command: told, failed }))
}

/// The project's test files with this beginning and ending, in order.
fn files(folder: &Path, begins: &str, ends: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("tests")).into_iter().flatten().flatten();
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(begins) && name.ends_with(ends)
    };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(fits).collect();
    found.sort();
    found
}

fn told(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn document(mut report: Value, native: Option<&Native>) -> Value {
    let native = native.map(|native| {
        json!({"command": native.command, "passed": native.failed.is_none(), "output": native.failed})
    });
    if let Some(members) = report.as_object_mut() {
        members.insert("native".to_owned(), json!(native));
    }
    report
}

fn not_passed(name: &str, scripts: bool, native: Option<Native>) -> Failure {
    let native =
        native.filter(|native| native.failed.is_some()).map(|native| format!("`{}` failed", native.command));
    let scripts = scripts.then(|| "a script failed".to_owned());
    let why = scripts.into_iter().chain(native).collect::<Vec<_>>().join(", and ");
    Failure::new(Exit::Failed, format!("the tests of `{name}` failed"), why, "see what was found above")
}

fn not_run(status: ExitStatus) -> Failure {
    let exit = if status.code() == Some(Exit::Invalid as i32) { Exit::Invalid } else { Exit::Failure };
    let why = format!("caxtond ended with {status}; its message stands above");
    Failure::new(exit, "cannot run the scripts", why, "correct what it names")
}
