//! Plugin unruly: misbehaves as its configuration says, so that tests can show that the server lives.

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use caxton_plugin::{Code, Endpoint, Envelope, Error, Host, Payload, Plugin, Ports};
use serde::Deserialize;

caxton_plugin::plugin!(Unruly, "../plugin.json");

/// What it does wrong.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing.
    #[default]
    WellBehaved,
    /// Panics while it is created.
    PanicInCreate,
    /// Panics while it starts.
    PanicInStart,
    /// Panics when it is handed a message.
    PanicInDeliver,
    /// Blocks the thread for ever when it is handed a message that says `block`.
    BlockInDeliver,
    /// Panics in its destructor.
    PanicWhenDropped,
    /// Panics in a task of its own runtime, which is its own affair.
    PanicInATask,
    /// Cannot start and says why.
    FailInStart,
    /// Waits for ever while it starts.
    HangInStart,
    /// Blocks the thread for ever while it starts.
    BlockInStart,
    /// Reports itself as unable to go on once it is started.
    Fatal,
}

/// Its configuration.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What it does wrong.
    pub mode: Mode,
}

/// The plugin.
pub struct Unruly {
    host: Host,
    mode: Mode,
    waiting: AtomicUsize,
}

/// Counted while it lives.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Plugin for Unruly {
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, Error> {
        assert!(config.mode != Mode::PanicInCreate, "create panicked as configured");
        Ok(Self { host, mode: config.mode, waiting: AtomicUsize::new(0) })
    }

    fn ports(self: &Arc<Self>) -> Ports {
        Ports::endpoint(self.clone())
    }

    async fn start(&self) -> Result<(), Error> {
        match self.mode {
            Mode::PanicInStart => panic!("start panicked as configured"),
            Mode::FailInStart => return Err(Error::new(Code::HOST_LIMIT, "port 1 is not free")),
            Mode::HangInStart => future::pending().await,
            Mode::BlockInStart => loop {
                thread::sleep(Duration::from_secs(3600));
            },
            Mode::Fatal => self.host.report_fatal(Error::new(Code::INTERNAL, "lost its store")),
            Mode::PanicInATask => {
                let task = tokio::spawn(async { panic!("task panicked as configured") });
                assert!(task.await.is_err(), "the task ended well");
            }
            _ => {}
        }
        let address = self.host.claim("unruly")?;
        tracing::info!(address, "started");
        Ok(())
    }

    async fn invoke(&self, verb: &str, request: Payload) -> Result<Payload, Error> {
        match verb {
            "same" | "unruly.same" => Ok(request),
            "unruly.refuse" => {
                let detail = serde_json::json!({"line": 7, "context": "as asked"});
                Err(Error::new(Code::JOBS_FULL, "refused as asked").retryable().with_detail(detail))
            }
            "unruly.panic" => panic!("invoke panicked as asked"),
            // Waits inside this plugin's own runtime, and counts who waits.
            "unruly.wait" => {
                let _waits = Waits::begin(&self.waiting);
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(Payload::EMPTY)
            }
            "unruly.waiting" => Ok(Payload::from(self.waiting.load(Ordering::SeqCst).to_string())),
            other => Err(Error::unknown_verb(other)),
        }
    }
}

impl Endpoint for Unruly {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        assert!(self.mode != Mode::PanicInDeliver, "deliver panicked as configured");
        let block = |message: &Envelope| message.content.as_slice() == b"block";
        while self.mode == Mode::BlockInDeliver && batch.iter().any(block) {
            thread::sleep(Duration::from_secs(3600));
        }
        vec![Code::NONE; batch.len()]
    }
}

impl Drop for Unruly {
    fn drop(&mut self) {
        assert!(self.mode != Mode::PanicWhenDropped, "drop panicked as configured");
    }
}
