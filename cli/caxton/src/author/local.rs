//! A server for oneself: started where none answers, with its configuration and data in the project's scratch folder.

use std::{
    fs::{self, File},
    net::{IpAddr, SocketAddr},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{
    program,
    project::{Project, replace, unusable},
};
use crate::{
    caxtond,
    client::{self, Client},
    failure::{Exit, Failure, cannot},
};

/// How long a server may take to be ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long it may take to stop before it is killed.
const STOP_MAX: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(20);
/// How many lines of its log a failure shows.
const LOG_LINES: usize = 12;
/// The plugins that it cannot do without, but for `rest`.
const NEEDED: [&str; 2] = ["router", "protocols"];
/// The plugins that it has where their libraries are there.
const WELCOME: [&str; 2] = ["gateway", "grpc"];

/// A server that this process started; dropping it stops it.
pub struct Local {
    child: Child,
    log: PathBuf,
}

/// True when a server answers.
///
/// # Errors
/// Something else than a server answers, or not in time.
pub fn answers(client: &Client) -> Result<bool, Failure> {
    match client.get("/v1/status") {
        Ok(_) => Ok(true),
        Err(client::Error::Unreachable { .. }) => Ok(false),
        Err(error) => Err(cannot(format!("use the server at {}", client.server()))(error)),
    }
}

impl Local {
    /// Starts a server that answers at the client's address, and waits until it is ready.
    ///
    /// # Errors
    /// The address is not of this machine, or the server did not start.
    pub fn start(project: &Project, client: &Client) -> Result<Self, Failure> {
        let listen = listen(client.server())?;
        let folder = project.scratch()?.join("dev");
        let config = folder.join("caxton.toml");
        replace(&config, configuration(&folder, listen).as_bytes())?;
        let log = folder.join("server.log");
        let file = File::create(&log).map_err(|error| unusable(&log, &error))?;
        let mut command = Command::new(caxtond::program());
        command.arg("serve").arg("-f").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        // Ctrl-C is for this process, which then stops the server in order.
        let child = command.process_group(0).spawn().map_err(|error| program::not_run(&command, &error))?;
        let mut local = Self { child, log };
        local.wait_ready(client)?;
        Ok(local)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    fn wait_ready(&mut self, client: &Client) -> Result<(), Failure> {
        let began = Instant::now();
        while began.elapsed() < READY_MAX {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.not_started(&format!("caxtond ended with {status}")));
            }
            if client.get("/v1/status").is_ok_and(|status| status.get("ready") == Some(&Value::Bool(true))) {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        Err(self.not_started(&format!("it was not ready after {} s", READY_MAX.as_secs())))
    }

    fn not_started(&self, why: &str) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join(" | ");
        let fix = format!("see {}, or start a server yourself and pass `--server URL`", self.log.display());
        Failure::new(Exit::Failure, "cannot start a local server", format!("{why}: {last}"), fix)
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may be gone already.
            let _gone = kill_process(pid, Signal::TERM);
        }
        let began = Instant::now();
        while began.elapsed() < STOP_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where a server listens that answers at `url`.
fn listen(url: &str) -> Result<SocketAddr, Failure> {
    let host = url.strip_prefix("http://").unwrap_or(url).replacen("localhost", "127.0.0.1", 1);
    let address = host.parse::<SocketAddr>().ok().filter(|address| IpAddr::is_loopback(&address.ip()));
    address.ok_or_else(|| {
        let why = format!("nothing answers at {url}, and a local server listens on loopback only");
        let fix = "start the server there, or pass `--server http://127.0.0.1:8400`";
        Failure::new(Exit::Unreachable, "there is no server to run the agent on", why, fix)
    })
}

fn configuration(folder: &Path, listen: SocketAddr) -> String {
    let libraries = Path::new(&caxtond::program()).parent().map(Path::to_path_buf).unwrap_or_default();
    let data = folder.join("data");
    let mut text = format!(
        "# Made by `caxton dev` anew each time it starts a server.\n\n[server]\ndata_dir = {data:?}\n\
         content_in_signals = true\n\n[plugins.rest]\nlisten = \"{listen}\"\n"
    );
    for plugin in NEEDED {
        text += &format!("\n[plugins.{plugin}]\n");
    }
    for plugin in WELCOME {
        if libraries.join(format!("libcaxton_{plugin}.so")).is_file() {
            text += &format!("\n[plugins.{plugin}]\nrequired = false\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listens_where_it_is_asked_and_on_loopback_only() {
        for (url, expected) in [
            ("http://127.0.0.1:8400", "127.0.0.1:8400"),
            ("http://localhost:99", "127.0.0.1:99"),
            ("http://[::1]:8400", "[::1]:8400"),
        ] {
            assert_eq!(listen(url).unwrap().to_string(), expected);
        }
        for url in ["http://10.0.0.1:8400", "http://caxton.example:8400", "http://127.0.0.1"] {
            assert!(listen(url).is_err(), "{url}");
        }
    }

    #[test]
    fn configuration_is_toml_with_what_an_agent_needs() {
        let text = configuration(Path::new("/a \"b\""), "127.0.0.1:1".parse().unwrap());
        let config: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(config["server"]["data_dir"].as_str(), Some("/a \"b\"/data"));
        assert!(["rest", "router", "protocols"].iter().all(|name| config["plugins"].get(name).is_some()));
    }
}
