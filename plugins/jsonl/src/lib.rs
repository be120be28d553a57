//! Plugin jsonl: appends every signal to a file, one JSON object a line.
//!
//! ```text
//!   server ── export(batch) ──▶ queue, bounded ──▶ thread: names, JSON, buffer ──▶ PATH, rotated to PATH.1
//!             never blocks       full: counted       the count is written as a line
//! ```
//!
//! The keys of a line are described in the module `line`. The file is for `jq`, DuckDB and the like; it is not read
//! back by the server.

mod file;
mod line;
mod queue;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use caxton_plugin::{Code, Error, Exporter, Health, Host, Plugin, Ports, Signal};
use file::LogFile;
use queue::Queue;
use serde::Deserialize;

/// How long [`Exporter::flush`] waits for the thread; a disk that needs longer is broken.
const FLUSH_WAIT: Duration = Duration::from_secs(2);
/// Smallest file that may be rotated: a line with a long text still fits.
const ROTATE_BYTES_MIN: u64 = 64 * 1024;

/// The plugin's table of the server's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The file that is appended to; its folder must exist.
    pub path: PathBuf,
    /// When the file would grow over this it is renamed to `PATH.1`, replacing an older one; 0 for never.
    pub rotate_bytes_max: u64,
    /// How long a line may wait before it is written out.
    pub flush_ms: u64,
    /// Most signals that wait to be written; further ones are dropped and counted.
    pub queue_signals_max: usize,
}

/// 65536 signals wait in about 16 MB, which is a second of a busy server; two files of 256 MiB hold about an hour.
impl Default for Config {
    fn default() -> Self {
        Self {
            path: PathBuf::from("caxton-signals.jsonl"),
            rotate_bytes_max: 256 * 1024 * 1024,
            flush_ms: 200,
            queue_signals_max: 65_536,
        }
    }
}

impl Config {
    fn check(&self) -> Result<(), Error> {
        let wrong = if self.path.as_os_str().is_empty() {
            "`path` is empty, expected a file; remove it to get the default"
        } else if self.rotate_bytes_max != 0 && self.rotate_bytes_max < ROTATE_BYTES_MIN {
            "`rotate_bytes_max` is below 65536; raise it, or set 0 to rotate never"
        } else if !(1..=60_000).contains(&self.flush_ms) {
            "`flush_ms` is not in 1 to 60000; remove it to get the default"
        } else if self.queue_signals_max == 0 {
            "`queue_signals_max` is 0, expected 1 or more; remove it to get the default"
        } else {
            return Ok(());
        };
        Err(Error::new(Code::PLUGIN_CONFIG_INVALID, wrong))
    }
}

/// The exporter.
pub struct Jsonl {
    host: Host,
    config: Config,
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Plugin for Jsonl {
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, Error> {
        config.check()?;
        let queue = Arc::new(Queue::new(config.queue_signals_max));
        Ok(Self { host, config, queue, thread: Mutex::new(None) })
    }

    fn ports(self: &Arc<Self>) -> Ports {
        Ports::exporter(self.clone())
    }

    async fn start(&self) -> Result<(), Error> {
        let file = LogFile::open(&self.config.path, self.config.rotate_bytes_max)?;
        let (queue, host) = (self.queue.clone(), self.host.clone());
        let wait = Duration::from_millis(self.config.flush_ms);
        let thread = std::thread::Builder::new()
            .name("jsonl".to_owned())
            .spawn(move || queue::write_all(&queue, file, &host, wait))?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    async fn drain(&self, deadline: Duration) -> Result<(), Error> {
        self.queue.flush(deadline.min(FLUSH_WAIT))
    }

    async fn stop(&self) -> Result<(), Error> {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        match thread.map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::new(Code::INTERNAL, "the thread that writes the file panicked")),
            Some(Ok(())) | None => Ok(()),
        }
    }

    fn health(&self) -> Health {
        match self.queue.failure() {
            Some(failure) => Health::Degraded(failure),
            None => Health::Running,
        }
    }
}

impl Exporter for Jsonl {
    fn export(&self, batch: &[Signal]) -> Result<(), Error> {
        self.queue.push(batch);
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        self.queue.flush(FLUSH_WAIT)
    }
}

caxton_plugin::plugin!(Jsonl, "../plugin.json");

#[cfg(test)]
mod tests;
