//! The loop of `caxton dev`: build, bring in, watch, again. What is live stays live when a build or a start fails, and
//! conversations that are open end with the version that they began with.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{
    build::{self, Built},
    local::{self, Local},
    logs,
    program::Messages,
    project::Project,
    watch::Watch,
};
use crate::{
    client::{Client, segment},
    command::{deploy, text},
    failure::{Exit, Failure, cannot},
    output::Output,
};

/// Changes that come within this time are built together.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// How long an agent may take to begin.
const START_MAX: Duration = Duration::from_secs(60);

/// What wakes the loop.
#[derive(Clone, Debug)]
enum Event {
    /// A source changed.
    Changed,
    /// The agent logged a line.
    Line(Value),
    /// A signal asks to stop.
    Stop,
}

/// A running `caxton dev`.
pub struct Dev<'a> {
    folder: PathBuf,
    client: &'a Client,
    output: &'a Output,
    /// The digest of the package that is live.
    live: Option<String>,
    /// The agent whose log is followed.
    followed: Option<String>,
    events: (Sender<Event>, Receiver<Event>),
}

impl<'a> Dev<'a> {
    /// Prepares to run the project in a folder on the client's server.
    pub fn new(folder: &Path, client: &'a Client, output: &'a Output) -> Self {
        let folder = folder.to_path_buf();
        Self { folder, client, output, live: None, followed: None, events: mpsc::channel() }
    }

    /// Runs until a signal asks to stop; a server that this started is stopped then.
    ///
    /// # Errors
    /// There is no project, no server, or nothing can be watched. A failed build is told and waited out.
    pub fn run(mut self) -> Result<(), Failure> {
        let project = Project::read(&self.folder)?;
        stop_on_signals(self.events.0.clone())?;
        let mut watch = Watch::begin(&project, self.events.0.clone(), Event::Changed)?;
        let server = self.server(&project)?;
        self.round()?;
        loop {
            match self.events.1.recv() {
                Ok(Event::Changed) => {
                    if self.settles()? {
                        break;
                    }
                    watch.refresh()?;
                    self.round()?;
                }
                Ok(Event::Line(line)) => self.line(&line)?,
                Ok(Event::Stop) | Err(_) => break,
            }
        }
        let stopped = server.is_some();
        drop(server);
        self.tell(&json!({"event": "stopped", "server-stopped": stopped}), || {
            if stopped {
                "stopped the local server".to_owned()
            } else {
                "stopped; the agent goes on".to_owned()
            }
        })
    }

    /// The server that this starts where none answers.
    fn server(&self, project: &Project) -> Result<Option<Local>, Failure> {
        let url = self.client.server();
        if local::answers(self.client)? {
            self.tell(&json!({"event": "server", "url": url, "started": false}), || {
                format!("using the server at {url}")
            })?;
            return Ok(None);
        }
        let local = Local::start(project, self.client)?;
        let document =
            json!({"event": "server", "url": url, "started": true, "pid": local.pid(), "log": local.log()});
        self.tell(&document, || {
            format!("started a server at {url}, its log is {}", project.shown(local.log()))
        })?;
        Ok(Some(local))
    }

    /// Waits until nothing changes any more; true when a signal asks to stop meanwhile.
    fn settles(&self) -> Result<bool, Failure> {
        loop {
            match self.events.1.recv_timeout(DEBOUNCE) {
                Ok(Event::Changed) => {}
                Ok(Event::Line(line)) => self.line(&line)?,
                Ok(Event::Stop) => return Ok(true),
                Err(_) => return Ok(false),
            }
        }
    }

    /// Builds and brings in what was built. What fails is told, and what was live before stays.
    fn round(&mut self) -> Result<(), Failure> {
        match self.try_round() {
            Ok(()) => Ok(()),
            Err(Failure::StdoutClosed) => Err(Failure::StdoutClosed),
            Err(failure) => self.failed(&failure),
        }
    }

    fn try_round(&mut self) -> Result<(), Failure> {
        let project = Project::read(&self.folder)?;
        let messages = if self.output.is_json() { Messages::Kept } else { Messages::Shown };
        let built = build::build(&project, messages, self.output)?;
        let rebuilt = Instant::now();
        let name = project.manifest.name.clone();
        let took = built.took.as_secs_f64();
        let changed = self.live.as_ref() != Some(&built.digest);
        let document = json!({"event": "built", "agent": name, "digest": built.digest, "bytes": built.bytes.len(),
            "changed": changed, "took-ms": millis(built.took)});
        let again = if changed { "" } else { ", nothing changed" };
        self.tell(&document, || format!("{name}: built in {took:.1} s{again}"))?;
        if !changed {
            return Ok(());
        }
        self.follow(&name);
        let agent = bring_in(&project, &built, self.client)?;
        let took = rebuilt.elapsed();
        self.live = Some(built.digest);
        let revision = agent.get("revision").cloned().unwrap_or_default();
        let document = json!({"event": "live", "agent": text(&agent, "name"), "revision": revision,
            "digest": self.live, "took-ms": millis(took)});
        self.tell(&document, || {
            format!("{name}: live {:.2} s after it was built, version {revision}", took.as_secs_f64())
        })
    }

    /// Follows the agent's log from here on, once for each name.
    fn follow(&mut self, name: &str) {
        if self.followed.as_deref() != Some(name) {
            let after = logs::end(self.client, name);
            logs::follow(self.client.server(), name, after, self.events.0.clone(), Event::Line);
            self.followed = Some(name.to_owned());
        }
    }

    fn line(&self, line: &Value) -> Result<(), Failure> {
        let document = json!({"event": "log", "agent": line.get("agent"), "level": line.get("level"),
            "time": line.get("time"), "conversation": line.get("conversation"), "line": line.get("line")});
        self.tell(&document, || format!("{:<5} {}", text(line, "level"), text(line, "line")))
    }

    fn failed(&self, failure: &Failure) -> Result<(), Failure> {
        let Failure::Report(report) = failure else { return Ok(()) };
        let stays = self.live.is_some();
        if !self.output.is_json() {
            self.output.tell(failure);
            self.output.note(if stays {
                "the version before goes on"
            } else {
                "change something to try again"
            });
            return Ok(());
        }
        self.tell(
            &json!({"event": "failed", "problem": report.document(), "live-goes-on": stays}),
            String::new,
        )
    }

    /// One line: of JSON for machines, else of text.
    fn tell(&self, event: &Value, words: impl FnOnce() -> String) -> Result<(), Failure> {
        if !self.output.is_json() {
            return self.output.line(&crate::text::safe(&words()));
        }
        let mut document = json!({"kind": "caxton.dev.event/v1"});
        if let (Some(members), Some(more)) = (document.as_object_mut(), event.as_object()) {
            members.extend(more.clone());
        }
        self.output.line(&document.to_string())
    }
}

/// Uploads the package and applies it; answers when it is active.
fn bring_in(project: &Project, built: &Built, client: &Client) -> Result<Value, Failure> {
    let name = &project.manifest.name;
    client.put("/v1/components", "application/wasm", &built.bytes).map_err(cannot("store the component"))?;
    let path = format!("/v1/agents/{}", segment(name));
    let agent = client.put_and_wait(&path, &project.manifest.document(&built.digest), START_MAX);
    deploy::wait_active(agent.map_err(cannot(format!("run `{name}`")))?, name, START_MAX, client)
}

fn stop_on_signals(events: Sender<Event>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|error| {
        Failure::new(
            Exit::Failure,
            "cannot wait for signals",
            error.to_string(),
            "report it with this message",
        )
    })?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if events.send(Event::Stop).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
