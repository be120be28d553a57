//! Plugin journal: appends a line for each message that it takes, so that a test can count after a crash what arrived.
//!
//! A line is `ID FLAGS DELIVERIES SENDER CONTENT` and is written before the message counts as taken, with one `write`
//! for a batch: what a process wrote before it was killed is in the file. A request is not written: its content `flood NAME COUNT`
//! makes the plugin submit so many messages to NAME and answer with the verdicts, as JSON from code to count.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use caxton_plugin::{
    Code, Endpoint, Envelope, Error, Header, Host, Payload, Plugin, Ports, acl::Performative, reply,
};
use serde::Deserialize;

caxton_plugin::plugin!(Journal, "../plugin.json");

/// Messages that one flood submits at most.
const FLOOD_MAX: usize = 10_000;

/// Its configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The file that is appended to.
    pub path: PathBuf,
    /// The local name that it answers to.
    pub name: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { path: "journal.txt".into(), name: "journal".to_owned() }
    }
}

/// The plugin.
pub struct Journal {
    host: Host,
    name: String,
    file: Mutex<File>,
    /// Zero until it is started.
    address: AtomicU32,
}

impl Plugin for Journal {
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, Error> {
        let opened = OpenOptions::new().create(true).append(true).open(&config.path);
        // An empty line first: a process that was killed may have left one without its end.
        let opened = opened.and_then(|mut file| file.write_all(b"\n").map(|()| file));
        let file = opened.map_err(|why| {
            Error::new(Code::PLUGIN_CREATE_FAILED, format!("cannot open {}: {why}", config.path.display()))
        })?;
        Ok(Self { host, name: config.name, file: Mutex::new(file), address: AtomicU32::new(0) })
    }

    fn ports(self: &Arc<Self>) -> Ports {
        Ports::endpoint(self.clone())
    }

    async fn start(&self) -> Result<(), Error> {
        self.address.store(self.host.claim(&self.name)?, Ordering::Relaxed);
        Ok(())
    }

    async fn stop(&self) -> Result<(), Error> {
        self.host.release(self.address.swap(0, Ordering::Relaxed));
        Ok(())
    }
}

impl Endpoint for Journal {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let (requests, others): (Vec<&Envelope>, Vec<&Envelope>) =
            batch.iter().partition(|message| message.head.performative == Performative::Request.code());
        let lines: String = others.into_iter().map(|message| self.line(message)).collect();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(why) = file.write_all(lines.as_bytes()) {
            tracing::error!(%why, "the journal cannot be written");
            return vec![Code::REFUSED_BY_ENDPOINT; batch.len()];
        }
        drop(file);
        for request in requests {
            let answer = self.asked(&String::from_utf8_lossy(request.content.as_slice()));
            self.host.submit(reply(request, Performative::Inform, Payload::from(answer)));
        }
        vec![Code::NONE; batch.len()]
    }
}

impl Journal {
    fn line(&self, message: &Envelope) -> String {
        let head = &message.head;
        let content = String::from_utf8_lossy(message.content.as_slice()).replace(['\n', '\r'], " ");
        format!("{} {} {} {} {content}\n", head.id, head.flags, head.deliveries, self.host.name(head.sender))
    }

    fn asked(&self, order: &str) -> String {
        let words: Vec<&str> = order.split_whitespace().collect();
        let ["flood", name, count] = words.as_slice() else { return format!("unknown order: {order}") };
        let count = count.parse().unwrap_or(0).min(FLOOD_MAX);
        let head = Header {
            sender: self.address.load(Ordering::Relaxed),
            receiver: self.host.address(name).unwrap_or(0),
            performative: Performative::Inform.code(),
            ..Header::default()
        };
        let flood = vec![Envelope::new(head, Payload::from("flood".to_owned())); count];
        let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
        for outcome in self.host.submit(flood) {
            let verdict =
                if outcome.code.is_none() { "accepted".to_owned() } else { outcome.code.to_string() };
            *verdicts.entry(verdict).or_default() += 1;
        }
        serde_json::to_string(&verdicts).unwrap_or_default()
    }
}
