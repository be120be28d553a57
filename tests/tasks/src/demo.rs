//! The first auction: builds the parts, starts a server from a configuration in the repository, deploys six agents with
//! the command line, has each file of a folder auctioned, and shows what happened.

use std::{
    fs,
    path::{Path, PathBuf},
};

use caxton_cli::{Conversation, output, status::Status, text::safe};
use caxton_kit::{
    artifacts,
    packages::{self, Package},
    server::Server,
};
use serde_json::Value;

use crate::{Demo, auction, folder::Folder, print};

/// The manager first, so that a bidder that fails to deploy is seen beside a running one.
const AGENTS: [&str; 6] =
    ["manager", "bidder-swift", "bidder-steady", "bidder-js", "bidder-py", "troublemaker"];
/// Rust bidders that stand in where a toolchain is missing.
const STAND_INS: [(&str, &str); 2] = [("bidder-js", "bidder-swift"), ("bidder-py", "bidder-swift")];

/// Columns that the diagram of six agents needs to show their names.
const COLUMNS_MIN: usize = 126;

/// Runs the demo.
///
/// # Errors
/// A part could not be built or started, a report is wrong, or the books do not balance.
pub fn run(options: &Demo) -> Result<(), String> {
    let path = options.path.clone().unwrap_or_else(|| artifacts::root().join("docs"));
    let folder = Folder::read(&path)?;
    let packages = build(options.rust_only)?;
    let dir = artifacts::target().join("demo");
    fs::create_dir_all(&dir).map_err(|why| format!("cannot make {}: {why}", dir.display()))?;
    let server = start(&dir)?;
    deploy(&server, &packages)?;

    println!("\nauctioning {} files of {}", folder.files.len(), folder.path.display());
    if folder.left_out > 0 {
        println!(
            "  {} more files are left out: at most {} are auctioned",
            folder.left_out,
            crate::folder::FILES_MAX
        );
    }
    for why in &folder.closed {
        println!("  left out: {}", safe(why));
    }
    let outcomes = auction::run(server.url(), &folder.path, &folder.files, &|outcome| {
        println!("{}", print::progress(outcome))
    });

    let shown = show_conversation(&server, &outcomes)?;
    println!("\n{}", print::tasks(&outcomes));
    let holds = books(&server)?;
    let good = outcomes.iter().filter(|outcome| outcome.is_good()).count();
    let refused = outcomes.iter().filter(|outcome| outcome.refused).count();
    println!("{} of {} tasks have a correct report", good - refused, outcomes.len());
    if refused > 0 {
        println!("{refused} refused with a reason, see above");
    }
    println!("trace of the run: {}", dir.join("trace.jsonl").display());
    if options.keep {
        keep(server, shown.as_deref());
    } else {
        let mut server = server;
        let ended = server.stop()?;
        if !ended.success() {
            return Err(format!(
                "the server did not stop cleanly ({ended}), see {}",
                dir.join("server.log").display()
            ));
        }
    }
    match (good == outcomes.len(), holds) {
        (true, true) => Ok(()),
        (false, _) => Err(format!("{} tasks have no correct report", outcomes.len() - good)),
        (true, false) => Err("the books do not balance".into()),
    }
}

fn build(rust_only: bool) -> Result<Vec<Package>, String> {
    println!("building the server, the command line and the plugins (the first time takes minutes)");
    artifacts::native()?;
    println!("building the agents");
    let mut built = if rust_only { packages::rust()? } else { packages::all()? };
    built.retain(|package| AGENTS.contains(&package.name.as_str()));
    built.sort_by_key(|package| AGENTS.iter().position(|name| *name == package.name));
    Ok(built)
}

fn start(dir: &Path) -> Result<Server, String> {
    let config = artifacts::root().join("wit/examples/auction.toml");
    let trace = dir.join("trace.jsonl");
    let _absent = fs::remove_file(&trace);
    let set = format!("plugins.jsonl.path={trace:?}");
    let server = Server::start_in(&config, dir, &[set])?;
    println!(
        "server {} from {} (log: {})",
        server.url(),
        shorter(&config).display(),
        dir.join("server.log").display()
    );
    Ok(server)
}

fn deploy(server: &Server, built: &[Package]) -> Result<(), String> {
    for name in AGENTS {
        let package = built.iter().find(|package| package.name == name);
        match package.map(|package| &package.built) {
            Some(Ok(manifest)) => {
                server.deploy(&[&manifest.display().to_string()])?;
                println!("deployed {name}");
            }
            Some(Err(why)) => stand_in(server, built, name, why)?,
            None => stand_in(server, built, name, "--rust-only was given")?,
        }
    }
    Ok(())
}

fn stand_in(server: &Server, built: &[Package], name: &str, why: &str) -> Result<(), String> {
    let other = STAND_INS.iter().find(|(missing, _)| *missing == name).map(|(_, other)| *other);
    let package = built.iter().find(|package| Some(package.name.as_str()) == other);
    let Some(Ok(manifest)) = package.map(|package| &package.built) else {
        return Err(format!("agent {name} is missing: {why}"));
    };
    println!("{name} is not built ({why}); a Rust bidder stands in");
    server.deploy(&[&manifest.display().to_string(), "--name", &format!("{name}-in-rust")])
}

/// Draws the conversation that has most to tell: a late bid, a trap, a failure on an agent's behalf, a runner-up.
fn show_conversation(server: &Server, outcomes: &[auction::Outcome]) -> Result<Option<String>, String> {
    let list = server.json(&["get", "conversations"])?;
    let ids = list.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut best: Option<(usize, Value)> = None;
    for id in ids.iter().filter_map(|item| item.get("id").and_then(Value::as_str)) {
        let document = server.json(&["describe", "conversation", id])?;
        let score = interest(&document);
        if best.as_ref().is_none_or(|(highest, _)| score > *highest) {
            best = Some((score, document));
        }
    }
    let Some((_, document)) = best.filter(|_| !outcomes.is_empty()) else { return Ok(None) };
    let shown: Conversation = serde_json::from_value(document.clone()).map_err(|why| why.to_string())?;
    println!("\n{}", caxton_cli::render(&shown, wide(output::drawing())));
    Ok(document.get("id").and_then(Value::as_str).map(str::to_owned))
}

/// Six lanes with whole names; a terminal that is narrower wraps less than it hides.
fn wide(options: caxton_cli::Options) -> caxton_cli::Options {
    caxton_cli::Options { columns: options.columns.max(COLUMNS_MIN), ..options }
}

fn interest(document: &Value) -> usize {
    let events = document.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let has = |wanted: &dyn Fn(&Value) -> bool| usize::from(events.iter().any(wanted));
    let is = |event: &Value, key: &str, text: &str| event.get(key).and_then(Value::as_str) == Some(text);
    4 * has(&|event| is(event, "event", "agent.trap"))
        + 3 * has(&|event| is(event, "event", "protocol.verdict") && is(event, "reason", "late"))
        + has(&|event| is(event, "performative", "failure"))
        + has(&|event| is(event, "performative", "accept-proposal"))
}

fn books(server: &Server) -> Result<bool, String> {
    let status = server.json(&["status"])?;
    let status: Status = serde_json::from_value(status).map_err(|why| why.to_string())?;
    println!("{}", status.accounting.line());
    Ok(status.accounting.holds())
}

fn keep(server: Server, conversation: Option<&str>) {
    let bin = artifacts::native().unwrap_or(Path::new("target/debug"));
    let caxton = bin.join("caxton").display().to_string();
    let url = server.url().to_owned();
    println!("\nthe server runs on (process {}); stop it with: kill {}", server.pid(), server.pid());
    println!("  {url}/v1/status\n  {url}/v1/agents\n  {url}/v1/conversations");
    println!("try:\n  export CAXTON_SERVER={url}");
    println!("  {caxton} get agents\n  {caxton} status");
    println!("  {caxton} conversation show {}", conversation.unwrap_or("ID"));
    println!("  {caxton} ask manager --file README.md");
    server.keep();
}

fn shorter(path: &Path) -> PathBuf {
    path.strip_prefix(artifacts::root()).map_or_else(|_| path.to_path_buf(), Path::to_path_buf)
}
