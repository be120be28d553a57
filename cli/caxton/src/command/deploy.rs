//! `caxton deploy`: uploads components and starts agents from them, or brings in new versions of agents.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{get::short_digest, text};
use crate::{
    author,
    client::{self, Client, segment},
    content,
    failure::{Exit, Failure, cannot},
    manifest::Manifest,
    output::{Format, Output},
    revision,
    table::Table,
    time,
};

const EXAMPLES: &str = "\
A PATH is an agent's manifest in TOML, a folder with an agent.toml, or a component (.wasm), which may be a package: a \
component with its manifest inside, as `caxton build` makes it. A manifest has these keys:

  name = \"bidder-js\"
  version = \"0.1.0\"
  component = \"bidder.wasm\"          # relative to the manifest
  capabilities = [\"count-words\"]
  groups = [\"bidders\"]
  grants = []
  restart = \"on-failure\"            # or never
  delivery = \"volatile\"             # or acked, durable
  [config]                           # anything; the agent's init gets it as JSON
  [limits]                           # all optional
  memory_bytes_max = 134217728
  turn_ms_max = 1000
  mailbox_messages_max = 1024
  restarts_max = 5
  recycle_memory_bytes = 33554432
  [build]                            # for `caxton build`
  lang = \"js\"                        # or rust, python

What is left out comes from the package. An agent that is there already gets a new version: it starts beside the old one, new conversations go to it when it is \
active, and the old one finishes its own. When it does not become active, the old one stays.

Examples:
  caxton deploy agents/bidder-js.toml agents/bidder-py.toml
  caxton deploy greeter
  caxton deploy bidder.toml --canary 10
  caxton deploy echo.wasm --new
  caxton deploy bidder.wasm --name bidder-2 --group bidders --config '{\"price\": 3}'";

/// How often the state of an agent that starts is asked for.
const POLL: Duration = Duration::from_millis(50);

/// The arguments of `caxton deploy`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Deploy {
    /// Manifests (.toml), components (.wasm) and folders with an agent.toml
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Refuse a name that an agent has already
    #[arg(long, conflicts_with = "canary")]
    new: bool,
    /// Give the new version this share of the new conversations, until it is promoted or rolled back
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=99))]
    canary: Option<u8>,
    /// The agent's name; else the manifest's, the package's, or the component's file name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A capability of an agent that is deployed from a component; may be repeated
    #[arg(long = "capability", value_name = "NAME")]
    capabilities: Vec<String>,
    /// A group of an agent that is deployed from a component; may be repeated
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// A grant of an agent that is deployed from a component; may be repeated
    #[arg(long = "grant", value_name = "INTERFACE")]
    grants: Vec<String>,
    /// The config of an agent that is deployed from a component: a JSON object, @FILE, or - for stdin
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// How long to wait until an agent is active
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time::duration)]
    timeout: Duration,
}

impl Deploy {
    /// Deploys each path in turn and waits until its agent is active. The first failure ends it; what was deployed
    /// before stays.
    ///
    /// # Errors
    /// A manifest that is not valid, a refusal of the server, an agent that failed or was not active in time.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let manifests = self.paths.iter().map(|path| self.manifest(path)).collect::<Result<Vec<_>, _>>()?;
        let mut table = Table::new(["NAME", "STATE", "DEPLOYED", "COMPONENT"]);
        let deployed = manifests.iter().try_for_each(|manifest| {
            let agent = self.deploy(manifest, client, output)?;
            match output.format {
                Format::Json | Format::Jsonl => output.document(&agent)?,
                Format::Name => output.line(&text(&agent, "name"))?,
                Format::Table => {
                    table.row([
                        text(&agent, "name"),
                        text(&agent, "state"),
                        revision::outcome(&agent),
                        short_digest(&text(&agent, "component")),
                    ]);
                }
                Format::Wide => table.row([
                    text(&agent, "name"),
                    text(&agent, "state"),
                    revision::outcome(&agent),
                    text(&agent, "component"),
                ]),
            }
            active(&agent, &manifest.name)
        });
        if matches!(output.format, Format::Table | Format::Wide) && !table.is_empty() {
            output.table(&table)?;
        }
        deployed
    }

    fn manifest(&self, path: &Path) -> Result<Manifest, Failure> {
        if self.name.is_some() && self.paths.len() > 1 {
            return Err(Failure::new(
                Exit::Usage,
                "cannot deploy several agents under one name",
                format!("--name goes with one PATH, found {}", self.paths.len()),
                "deploy one at a time",
            ));
        }
        let mut manifest = if path.extension().is_some_and(|extension| extension == "wasm") {
            self.of_component(path)?
        } else {
            self.refuse_options_beside(path)?;
            if path.is_dir() { Manifest::read(&path.join(author::MANIFEST))? } else { Manifest::read(path)? }
        };
        if let Some(name) = &self.name {
            manifest.name.clone_from(name);
        }
        Ok(manifest)
    }

    fn refuse_options_beside(&self, manifest: &Path) -> Result<(), Failure> {
        let lists = [&self.capabilities, &self.groups, &self.grants];
        if self.config.is_none() && lists.iter().all(|list| list.is_empty()) {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Usage,
            format!("cannot deploy {}", manifest.display()),
            "--capability, --group, --grant and --config describe a component, and this is a manifest",
            "write them into the manifest, or name the .wasm file",
        ))
    }

    fn of_component(&self, path: &Path) -> Result<Manifest, Failure> {
        let packed = author::package::read(&content::file(path)?);
        let named = packed.as_ref().map(|package| text(package, "name")).filter(|name| !name.is_empty());
        let said = |words: &[String]| Some(words.to_vec()).filter(|words| !words.is_empty());
        Ok(Manifest {
            name: named
                .unwrap_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned()),
            component: path.to_owned(),
            capabilities: said(&self.capabilities),
            groups: said(&self.groups),
            grants: said(&self.grants),
            config: self.config.as_deref().map(config).transpose()?,
            ..Manifest::default()
        })
    }

    fn deploy(&self, manifest: &Manifest, client: &Client, output: &Output) -> Result<Value, Failure> {
        let name = &manifest.name;
        let doing = format!("deploy `{name}`");
        let component = component(manifest)?;
        let stored = client.put("/v1/components", "application/wasm", &component);
        let stored = stored.map_err(cannot(format!("store {}", manifest.component.display())))?;
        let digest = text(&stored, "digest");
        output.note(&format!("{name}: stored {}", short_digest(&digest)));
        let document = manifest.document(&digest);
        let agent = if self.new {
            client.post("/v1/agents", &document).map_err(|error| exists(&doing, name, error))?
        } else {
            let canary = self.canary.map(|percent| format!("?canary={percent}")).unwrap_or_default();
            let path = format!("/v1/agents/{}{canary}", segment(name));
            client.put_and_wait(&path, &document, self.timeout).map_err(cannot(doing))?
        };
        wait(agent, name, self.timeout, client)
    }
}

/// Asks until the agent is neither starting nor unknown.
fn wait(mut agent: Value, name: &str, timeout: Duration, client: &Client) -> Result<Value, Failure> {
    let begun = Instant::now();
    while text(&agent, "state") == "starting" {
        if begun.elapsed() > timeout {
            let why = format!("it was still starting after {}", time::spoken(time::millis(timeout)));
            let fix =
                format!("look at it with `caxton describe agent {name}`, or allow more with `--timeout`");
            return Err(Failure::new(Exit::Timeout, format!("agent `{name}` is not active"), why, fix));
        }
        std::thread::sleep(POLL);
        let path = format!("/v1/agents/{}", segment(name));
        agent = client.get(&path).map_err(cannot(format!("see whether `{name}` is active")))?;
    }
    Ok(agent)
}

/// The component's bytes; where they are not there and could be built, with what builds them.
fn component(manifest: &Manifest) -> Result<Vec<u8>, Failure> {
    content::file(&manifest.component).map_err(|mut failure| {
        if let (Failure::Report(report), Some(_)) = (&mut failure, &manifest.build) {
            report.fix = "build it with `caxton build` in the agent's folder".to_owned();
        }
        failure
    })
}

/// Asks until the agent is active, and refuses any other end.
pub(crate) fn wait_active(
    agent: Value,
    name: &str,
    timeout: Duration,
    client: &Client,
) -> Result<Value, Failure> {
    let agent = wait(agent, name, timeout, client)?;
    active(&agent, name)?;
    Ok(agent)
}

fn config(given: &str) -> Result<Value, Failure> {
    let fix = "write it as '{\"key\": \"value\"}', or as @FILE";
    let invalid = |why: String| Failure::new(Exit::Usage, "--config is not a JSON object", why, fix);
    let value: Value =
        serde_json::from_slice(&content::read(given)?).map_err(|error| invalid(error.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(invalid(format!("found {value}"))) }
}

/// A refusal of a new agent; where the name is taken, with what can be done.
fn exists(doing: &str, name: &str, error: client::Error) -> Failure {
    let mut failure = Failure::of(doing, error);
    if let Failure::Report(report) = &mut failure
        && report.exit == Exit::Conflict
    {
        report.fix = format!(
            "leave out --new to bring in a new version, or delete it first with `caxton delete agent {name}`"
        );
    }
    failure
}

fn active(agent: &Value, name: &str) -> Result<(), Failure> {
    let state = text(agent, "state");
    if state == "active" {
        return Ok(());
    }
    let fix = format!(
        "look at it with `caxton describe agent {name}`, then `caxton delete agent {name}` and deploy again"
    );
    let failure =
        Failure::new(Exit::Failure, format!("agent `{name}` is {state}"), text(agent, "reason"), fix);
    Err(failure.coded(&text(agent, "code")))
}
