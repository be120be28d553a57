//! Names for a shell's completion, asked from the server within a budget of time; without an answer there are none.

use std::time::Duration;

use clap::Parser as _;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use crate::{
    arguments::Arguments,
    client::Client,
    command::{items, text},
    context::Settings,
};

/// A shell that waits longer than this feels slow.
const BUDGET: Duration = Duration::from_millis(200);

/// The names of agents.
pub fn agents() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names("/v1/agents", "name"))
}

/// The names of plugins.
pub fn plugins() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names("/v1/plugins", "name"))
}

/// The ids of the newest conversations.
pub fn conversations() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names("/v1/conversations?limit=50", "id"))
}

fn names(path: &str, key: &str) -> Vec<CompletionCandidate> {
    let list = client().and_then(|client| client.get_within(path, BUDGET)).unwrap_or_default();
    let shown = |item| {
        let name = text(item, key);
        // On its own platform an agent's first name is enough.
        CompletionCandidate::new(name.split_once('@').map_or(name.clone(), |(local, _)| local.to_owned()))
    };
    items(&list).iter().map(shown).collect()
}

/// The server that the environment and the contexts mean; options of the line that is completed are not known here.
fn client() -> Option<Client> {
    let global = Arguments::try_parse_from(["caxton", "version"]).ok()?.global;
    Client::new(&Settings::of(&global).ok()?.server.value).ok()
}
