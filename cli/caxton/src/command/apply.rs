//! `caxton apply` and `caxton diff`: a server's agents brought to what manifests say, or held against them.
//!
//! Both decide first and do later. A manifest is compared with the agent of its name key by key, so what is the same is
//! left alone and running it twice changes nothing. Keys that the server does not tell are not compared.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use super::{deploy, items, text};
use crate::{
    change::{Action, Change, Wanted, compare},
    client::{Client, segment},
    content,
    failure::{Exit, Failure, cannot},
    manifest::Manifest,
    output::{Format, Output},
    table::Table,
    time,
};

const APPLY_EXAMPLES: &str = "\
A PATH is an agent's manifest, or a folder: then every .toml file in it that has the keys `name` and `component`. An \
agent that is not there is created, one that differs gets a new version beside the old one, one that is the same is left \
alone. Components that the server has already are not uploaded again.

With --prune, agents of the server that none of the manifests names are deleted; without --yes that is asked for.

Examples:
  caxton apply -f agents/
  caxton apply -f agents/ --plan
  caxton apply -f agents/ --prune --yes
  caxton apply -f echo.toml -f bidder.toml -o json";

const DIFF_EXAMPLES: &str = "\
Shows what `caxton apply` would change. The exit code is 0 when nothing differs, 1 when something does, and another one \
when it cannot be said.

Examples:
  caxton diff -f agents/
  caxton diff -f agents/ --prune
  caxton diff -f echo.toml -o json";

/// Which manifests are meant.
#[derive(Debug, clap::Args)]
struct Files {
    /// Manifests and folders of manifests; may be repeated
    #[arg(short, long = "file", value_name = "PATH", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Agents that no manifest names are to go
    #[arg(long)]
    prune: bool,
}

/// The arguments of `caxton apply`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = APPLY_EXAMPLES)]
pub struct Apply {
    #[command(flatten)]
    files: Files,
    /// Show what would be done, and do nothing
    #[arg(long)]
    plan: bool,
    /// Delete without being asked
    #[arg(short, long)]
    yes: bool,
    /// How long to wait until an agent is active
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time::duration)]
    timeout: Duration,
}

/// The arguments of `caxton diff`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = DIFF_EXAMPLES)]
pub struct Diff {
    #[command(flatten)]
    files: Files,
}

impl Apply {
    /// Does what has to be done, agent after agent; the first failure ends it, and what was done before stays.
    ///
    /// # Errors
    /// A manifest that is not valid, a refusal of the server, an agent that was not active in time.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let changes = self.files.changes(client)?;
        if self.plan {
            return show(&changes, "caxton.plan/v1", output);
        }
        self.permitted(&changes)?;
        let mut done = Vec::new();
        let failed = changes.into_iter().try_for_each(|mut change| {
            output.note(&format!("{}: {}", change.name, change.action.as_str()));
            change.agent = self.carry_out(&change, client)?;
            done.push(change);
            Ok(())
        });
        show(&done, "caxton.apply/v1", output)?;
        failed
    }

    /// Asks before anything is deleted.
    fn permitted(&self, changes: &[Change]) -> Result<(), Failure> {
        let names: Vec<&str> = changes
            .iter()
            .filter(|change| change.action == Action::Delete)
            .map(|change| change.name.as_str())
            .collect();
        if self.yes || names.is_empty() {
            return Ok(());
        }
        let what = format!("--prune deletes {}", names.join(", "));
        if !std::io::stdin().is_terminal() {
            let fix = "say --yes, or look with --plan";
            return Err(Failure::new(Exit::Usage, what, "nobody is there to be asked", fix));
        }
        let mut stderr = anstream::stderr();
        // Nothing can be done about a closed stderr; the answer is then no.
        drop(write!(stderr, "{what}: do it? [y/N] ").and_then(|()| stderr.flush()));
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        match (read, answer.trim()) {
            (Ok(_), "y" | "Y" | "yes") => Ok(()),
            _ => Err(Failure::new(Exit::Failure, "nothing was done", "it was not agreed to", "")),
        }
    }

    /// The agent's document afterwards.
    fn carry_out(&self, change: &Change, client: &Client) -> Result<Option<Value>, Failure> {
        match (&change.action, &change.wanted) {
            (Action::Unchanged, _) => Ok(change.agent.clone()),
            (Action::Delete, _) => {
                let path = format!("/v1/agents/{}", segment(&change.name));
                client.delete(&path).map(Some).map_err(cannot(format!("delete agent `{}`", change.name)))
            }
            (_, None) => Ok(None),
            (_, Some(wanted)) => {
                if !wanted.known {
                    let stored = client.put("/v1/components", "application/wasm", &wanted.component);
                    stored.map_err(cannot(format!("store the component of `{}`", change.name)))?;
                }
                let path = format!("/v1/agents/{}", segment(&change.name));
                let agent = client.put_and_wait(&path, &wanted.document, self.timeout);
                let agent = agent.map_err(cannot(format!("apply `{}`", change.name)))?;
                let agent = deploy::wait_active(agent, &change.name, self.timeout, client)?;
                Ok(Some(agent))
            }
        }
    }
}

impl Diff {
    /// Shows what differs.
    ///
    /// # Errors
    /// With exit code 1 when something differs; a manifest that is not valid, or a server that cannot be asked.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let mut changes = self.files.changes(client)?;
        changes.retain(|change| change.action != Action::Unchanged);
        match output.format {
            Format::Table | Format::Wide => {
                changes.iter().try_for_each(|change| output.line(&lines(change)))?
            }
            _ => show(&changes, "caxton.diff/v1", output)?,
        }
        if changes.is_empty() {
            return Ok(());
        }
        let what = match changes.len() {
            1 => "1 agent differs".to_owned(),
            several => format!("{several} agents differ"),
        };
        Err(Failure::new(Exit::Failure, what, "", "bring it in with `caxton apply`"))
    }
}

impl Files {
    /// What has to be done, in the order of the manifests; what is to be deleted comes last.
    fn changes(&self, client: &Client) -> Result<Vec<Change>, Failure> {
        let manifests = manifests(&self.files)?;
        let agents = client.get("/v1/agents").map_err(cannot("list agents"))?;
        let components = client.get("/v1/components").map_err(cannot("list components"))?;
        let mut changes = Vec::new();
        for manifest in &manifests {
            let component = content::file(&manifest.component)?;
            let wanted = Wanted::new(manifest, component, items(&components));
            let there = items(&agents).iter().find(|agent| names(agent, &manifest.name));
            changes.push(compare(wanted, there));
        }
        if self.prune {
            let unnamed = |agent: &&Value| !manifests.iter().any(|manifest| names(agent, &manifest.name));
            changes.extend(items(&agents).iter().filter(unnamed).map(|agent| Change {
                name: text(agent, "name"),
                action: Action::Delete,
                keys: Vec::new(),
                wanted: None,
                agent: None,
            }));
        }
        Ok(changes)
    }
}

/// True when the agent has this name, with or without its platform.
fn names(agent: &Value, name: &str) -> bool {
    let full = text(agent, "name");
    full == name || full.split_once('@').is_some_and(|(local, _)| local == name)
}

/// The manifests of files and folders; two of one name are refused.
fn manifests(paths: &[PathBuf]) -> Result<Vec<Manifest>, Failure> {
    let mut found: Vec<(PathBuf, Manifest)> = Vec::new();
    for path in paths {
        let files = if path.is_dir() { folder(path)? } else { vec![path.clone()] };
        for file in files {
            let manifest = Manifest::read(&file)?;
            if let Some((earlier, _)) = found.iter().find(|(_, other)| other.name == manifest.name) {
                let what = format!("two manifests are named `{}`", manifest.name);
                let why = format!("{} and {}", earlier.display(), file.display());
                return Err(Failure::new(Exit::Invalid, what, why, "give each agent a name of its own"));
            }
            found.push((file, manifest));
        }
    }
    Ok(found.into_iter().map(|(_, manifest)| manifest).collect())
}

/// The manifests in a folder, by name: the .toml files with a `name` and a `component`.
fn folder(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| {
        let what = format!("cannot read the folder {}", path.display());
        Failure::new(Exit::Invalid, what, error.to_string(), "check the path and its permissions")
            .coded("CX0103")
    };
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml") && is_manifest(file));
    files.sort();
    if files.is_empty() {
        let what = format!("no manifests in {}", path.display());
        let why = "no .toml file in it has the keys `name` and `component`";
        return Err(Failure::new(Exit::Invalid, what, why, "name the folder of the agents' manifests"));
    }
    Ok(files)
}

/// A file that cannot be read or parsed counts, so that its fault is told and not passed over.
fn is_manifest(file: &Path) -> bool {
    let parsed = std::fs::read_to_string(file).ok().and_then(|text| text.parse::<toml::Table>().ok());
    parsed.is_none_or(|keys| keys.contains_key("component") && keys.contains_key("name"))
}

fn show(changes: &[Change], kind: &str, output: &Output) -> Result<(), Failure> {
    match output.format {
        Format::Json => {
            let items: Vec<Value> = changes.iter().map(Change::document).collect();
            output.document(&json!({"kind": kind, "items": items}))
        }
        Format::Jsonl => changes.iter().try_for_each(|change| output.document(&change.document())),
        Format::Name => changes.iter().try_for_each(|change| output.line(&change.name)),
        Format::Table | Format::Wide if changes.is_empty() => {
            output.note("nothing to do");
            Ok(())
        }
        Format::Table | Format::Wide => {
            let mut table = Table::new(["NAME", "ACTION", "KEYS"]);
            for change in changes {
                let keys: Vec<&str> = change.keys.iter().map(|key| key.name.as_str()).collect();
                table.row([change.name.clone(), change.action.as_str().to_owned(), keys.join(", ")]);
            }
            output.table(&table)
        }
    }
}

/// A change as lines: `+` a new agent, `-` one that goes, `~` one that differs, with its keys below.
fn lines(change: &Change) -> String {
    let mark = match change.action {
        Action::Create => '+',
        Action::Delete => '-',
        Action::Update | Action::Unchanged => '~',
    };
    let key = |key: &crate::change::Key| {
        let (from, to) = (crate::text::safe(&key.from).into_owned(), crate::text::safe(&key.to).into_owned());
        format!("\n    {}: {from} -> {to}", key.name)
    };
    format!("{mark} {}{}", crate::text::safe(&change.name), change.keys.iter().map(key).collect::<String>())
}
