//! A real server on loopback: `caxtond serve` with a configuration, its log in a file, stopped when it is dropped.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Failure, artifacts};

/// How long a server may take to be ready; a cold cache and a busy machine included.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long a server may take to stop.
const STOP_MAX: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// The plugins that most tests want, on any free port.
pub const CONFIG: &str = r#"
[server]
log = "info"

[plugins.router]
[plugins.protocols]
[plugins.gateway]
[plugins.rest]
listen = "127.0.0.1:0"
"#;

/// A running server.
pub struct Server {
    child: Child,
    file: PathBuf,
    dir: PathBuf,
    sets: Vec<String>,
    url: String,
    bin: PathBuf,
    _temporary: Option<TempDir>,
}

impl Server {
    /// Starts a server with a configuration's text, in a folder of its own.
    ///
    /// # Errors
    /// It ended, or was not ready in time; the message has the end of its log.
    pub fn start(config: &str) -> Result<Self, Failure> {
        let temporary = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
        let file = temporary.path().join("caxton.toml");
        fs::write(&file, config).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        let dir = temporary.path().to_path_buf();
        let mut server = Self::start_in(&file, &dir, &[])?;
        server._temporary = Some(temporary);
        Ok(server)
    }

    /// Starts a server from a file; what it writes goes to `dir`, `sets` override keys of the file.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub fn start_in(file: &Path, dir: &Path, sets: &[String]) -> Result<Self, Failure> {
        let mut server = Self::spawn(file, dir, sets)?;
        server.wait_ready()?;
        Ok(server)
    }

    /// Starts a server without waiting for it.
    ///
    /// # Errors
    /// The binary could not be built or run.
    pub fn spawn(file: &Path, dir: &Path, sets: &[String]) -> Result<Self, Failure> {
        let bin = artifacts::native()?.to_path_buf();
        File::create(dir.join("server.log"))
            .map_err(|error| format!("no log in {}: {error}", dir.display()))?;
        let child = run(&bin, file, dir, sets)?;
        let (file, dir, sets) = (file.to_path_buf(), dir.to_path_buf(), sets.to_vec());
        Ok(Self { child, file, dir, sets, url: String::new(), bin, _temporary: None })
    }

    /// Ends it without a word, as a crash does (SIGKILL), and waits until it is gone.
    pub fn kill(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// Starts it again with the same configuration and data, after it ended; the log goes on in the same file.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub fn restart(&mut self) -> Result<(), Failure> {
        self.child = run(&self.bin, &self.file, &self.dir, &self.sets)?;
        self.wait_ready()
    }

    fn wait_ready(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        while started.elapsed() < READY_MAX {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("caxtond ended ({status}):\n{}", self.log_tail()));
            }
            if let Ok(address) = fs::read_to_string(self.dir.join("rest.addr")) {
                self.url = format!("http://{}", address.trim());
                let ready =
                    self.cli(&["status", "-o", "json"]).ok().and_then(|output| document(&output).ok());
                if ready.is_some_and(|status| status.get("ready") == Some(&Value::Bool(true))) {
                    return Ok(());
                }
            }
            thread::sleep(LOOK);
        }
        Err(format!("caxtond was not ready after {} s:\n{}", READY_MAX.as_secs(), self.log_tail()))
    }

    /// The base URL of its REST plugin.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder of its files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs the command line against it.
    ///
    /// # Errors
    /// The binary could not be run; what it printed and its exit code are the caller's to judge.
    pub fn cli(&self, arguments: &[&str]) -> Result<Output, Failure> {
        Command::new(self.bin.join("caxton"))
            .env("CAXTON_SERVER", &self.url)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run caxton: {error}"))
    }

    /// Runs the command line with `-o json` and reads the document.
    ///
    /// # Errors
    /// It failed, or printed no JSON; the message has what it printed.
    pub fn json(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let output = self.cli(&[arguments, &["-o", "json"]].concat())?;
        document(&output)
    }

    /// Deploys an agent manifest or component and waits until it is active.
    ///
    /// # Errors
    /// The command failed; the message has what it printed.
    pub fn deploy(&self, arguments: &[&str]) -> Result<(), Failure> {
        let output = self.cli(&[&["deploy"], arguments].concat())?;
        if output.status.success() { Ok(()) } else { Err(printed(&output)) }
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// It did not stop in time, and was killed.
    pub fn stop(&mut self) -> Result<ExitStatus, Failure> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _already_gone = kill_process(pid, Signal::TERM);
        }
        self.wait_end(STOP_MAX)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// It did not end in time, and was killed.
    pub fn wait_end(&mut self, longest: Duration) -> Result<ExitStatus, Failure> {
        let started = Instant::now();
        while started.elapsed() < longest {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Ok(status);
            }
            thread::sleep(LOOK);
        }
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
        Err(format!("caxtond did not stop within {} s:\n{}", longest.as_secs(), self.log_tail()))
    }

    /// Lets it run on when this value is gone.
    pub fn keep(self) {
        std::mem::forget(self);
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("server.log")).unwrap_or_default()
    }

    /// The last lines that it logged.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(40)).copied().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _killed = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}

/// Runs the server's binary; what it writes goes to `dir`, its log is appended to.
fn run(bin: &Path, file: &Path, dir: &Path, sets: &[String]) -> Result<Child, Failure> {
    let log = OpenOptions::new().create(true).append(true).open(dir.join("server.log"));
    let log = log.map_err(|error| format!("no log in {}: {error}", dir.display()))?;
    let address = dir.join("rest.addr");
    let _absent = fs::remove_file(&address);
    let mut command = Command::new(bin.join("caxtond"));
    command.arg("serve").arg("-f").arg(file);
    for set in sets {
        command.args(["--set", set]);
    }
    command.arg("--set").arg(format!("server.data_dir={:?}", dir.join("data")));
    command.arg("--set").arg(format!("plugins.rest.addr_file={address:?}"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().map_err(|error| format!("cannot run caxtond: {error}"))
}

fn document(output: &Output) -> Result<Value, Failure> {
    if !output.status.success() {
        return Err(printed(output));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", printed(output)))
}

/// What a command printed, for a message.
pub fn printed(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\n{out}{err}", output.status)
}
