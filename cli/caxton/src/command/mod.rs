//! The commands, one file each: its arguments, its help and what it does.

pub mod apply;
pub mod ask;
pub mod attach;
pub mod bench;
pub mod build;
pub mod check;
pub mod cnp;
pub mod completion;
pub mod component;
pub mod config;
pub mod context;
pub mod conversation;
pub mod dead_letters;
pub mod delete;
pub mod deploy;
pub mod describe;
pub mod dev;
pub mod doctor;
pub mod error;
pub mod get;
pub mod job;
mod lines;
pub mod logs;
pub mod man;
pub mod new;
pub mod pack;
pub mod plugin;
pub mod reload;
pub mod revise;
pub mod send;
pub mod serve;
pub mod status;
pub mod test;
pub mod top;
pub mod version;
pub mod wait;

use serde_json::Value;

use crate::{
    arguments::{Arguments, Command},
    client::Client,
    context::Settings,
    failure::{Failure, cannot},
    output::Output,
};

/// Runs a parsed command line.
///
/// # Errors
/// What the command says; not told yet.
pub fn run(
    arguments: Arguments,
    settings: &Result<Settings, Failure>,
    output: &Output,
) -> Result<(), Failure> {
    let settings = || settings.as_ref().map_err(context::unusable);
    let client = || {
        let server = &settings()?.server.value;
        let client = Client::new(server).map_err(cannot(format!("call `{server}`")))?;
        Ok(client.verbose(arguments.global.verbose))
    };
    match arguments.command {
        Command::Context(context) => context.run(settings(), output),
        Command::Serve(serve) => Err(serve.run(output)),
        Command::Check(check) => Err(check.run(output)),
        Command::Config(config) => Err(config.run(output)),
        Command::Component(component) => Err(component.run(output)),
        Command::Plugin(plugin) => plugin.run(client, output),
        Command::Error(error) => error.run(output),
        Command::Completion(completion) => completion.run(),
        Command::New(new) => new.run(output),
        Command::Build(build) => build.run(output),
        Command::Test(test) => test.run(output),
        Command::Dev(dev) => dev.run(&client()?, output),
        Command::Pack(pack) => pack.run(output),
        Command::Apply(apply) => apply.run(&client()?, output),
        Command::Diff(diff) => diff.run(&client()?, output),
        Command::Wait(wait) => wait.run(&client()?, output),
        Command::Deploy(deploy) => deploy.run(&client()?, output),
        Command::Get(get) => get.run(&client()?, output),
        Command::Describe(describe) => describe.run(&client()?, output),
        Command::Send(send) => send.run(&client()?, output),
        Command::Ask(ask) => ask.run(&client()?, output),
        Command::Job(job) => job.run(&client()?, output),
        Command::Attach(attach) => attach.run(client, output),
        Command::Logs(logs) => logs.run(&client()?, output),
        Command::Events(events) => events.run(&client()?, output),
        Command::Cnp(cnp) => cnp.run(&client()?, output),
        Command::Conversation(conversation) => conversation.run(&client()?, output),
        Command::Delete(delete) => delete.run(&client()?, output),
        Command::Promote(promote) => promote.run(&client()?, output),
        Command::Rollback(rollback) => rollback.run(&client()?, output),
        Command::Requeue(requeue) => requeue.run(&client()?, output),
        Command::Purge(purge) => purge.run(&client()?, output),
        Command::Reload => reload::run(&client()?, output),
        Command::Status => status::run(&client()?, output),
        Command::Top(top) => top.run(&client()?, output),
        Command::Bench(bench) => bench.run(client, output),
        Command::Man(man) => man.run(output),
        Command::Doctor(doctor) => doctor.run(client, output),
        Command::Version => version::run(&client()?, output),
    }
}

/// The text under a key: a string as it is, a list with commas, null as nothing, anything else as JSON.
pub(crate) fn text(document: &Value, key: &str) -> String {
    fn shown(value: &Value) -> String {
        match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        }
    }
    document.get(key).map(shown).unwrap_or_default()
}

/// The `items` of a list document.
pub(crate) fn items(list: &Value) -> &[Value] {
    list.get("items").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
