//! What may stand on the command line: the global options and the list of commands.

use clap::{Parser, Subcommand};

use crate::{
    command::{
        apply, ask, attach, bench, build, check, cnp, completion, component, config, context, conversation,
        dead_letters, delete, deploy, describe, dev, doctor, error, get, job, logs, man, new, pack, plugin,
        revise, send, serve, test, top, wait,
    },
    output::{Colour, Format},
};

/// Runs and asks Caxton servers: agents that negotiate.
#[derive(Debug, Parser)]
#[command(
    name = "caxton",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_long_help = EXAMPLES
)]
pub struct Arguments {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  caxton new agent greeter --lang python
  caxton serve -f caxton.toml
  caxton deploy agents/echo.toml
  caxton ask echo hello
  caxton cnp group:bidders --task @notes.txt --deadline 2s
  caxton get conversations
  caxton conversation show ID
  caxton doctor

`caxton NAME` runs the program `caxton-NAME` of PATH where NAME is no command.

Exit codes:
  0 ok, 1 failure, 2 usage, 3 invalid configuration or manifest, 4 server not reachable,
  5 not found, 6 conflict, 7 denied, 8 timeout, 9 a test failed or a finding is critical,
  10 incompatible versions, 130 interrupted";

/// Options that every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The server's address; else CAXTON_SERVER, the context's, or http://127.0.0.1:8400
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// The context to use instead of the current one (see `caxton context`); else CAXTON_CONTEXT
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "server")]
    pub context: Option<String>,
    /// The form of the data on stdout: table (the default), wide, json, jsonl or name; with json and jsonl, errors on
    /// stderr are JSON too
    #[arg(short, long, global = true, value_name = "FORMAT", hide_possible_values = true)]
    pub output: Option<Format>,
    /// Tell nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Tell on stderr which calls are made and how long they take
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// When to colour: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: Colour,
}

/// The commands, in the order of the help.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say once which server is meant: list, add and choose contexts
    Context(context::ContextCommand),
    /// Run a server in the foreground
    Serve(serve::Serve),
    /// Check a server's configuration and report every fault in it
    Check(check::Check),
    /// Make the folder of an agent or of a plugin
    New(new::New),
    /// Build an agent's component and pack its manifest into it
    Build(build::Build),
    /// Test an agent against scripts, without a server
    Test(test::Test),
    /// Run an agent on a local server and bring in each change of its sources
    Dev(dev::Dev),
    /// Pack a manifest into a component
    Pack(pack::Pack),
    /// Show and explain configurations
    Config(config::Config),
    /// Look at components and check them
    Component(component::Component),
    /// Upload components and start agents from them, or bring in new versions of agents
    Deploy(deploy::Deploy),
    /// Bring the server's agents to what manifests say
    Apply(apply::Apply),
    /// Show how the server's agents differ from manifests
    Diff(apply::Diff),
    /// Wait until an agent, a plugin, a job, a conversation or the server is as it should be
    Wait(wait::Wait),
    /// Give a canary every new conversation
    Promote(revise::Promote),
    /// Go back to the version before, or take a canary back
    Rollback(revise::Rollback),
    /// List agents, plugins, conversations, jobs, attachments, events, dead letters or components
    Get(get::Get),
    /// Show everything about one agent, plugin, conversation, component or dead letter
    Describe(describe::Describe),
    /// Send messages and do not wait for answers
    Send(send::Send),
    /// Send a message, wait for the answer and print its content
    Ask(ask::Ask),
    /// Ask an agent many times in the background, and see what came of it
    Job(job::Job),
    /// Take part as an agent: messages come and go as lines of JSON
    Attach(attach::Attach),
    /// Call for proposals, let the best bid win and print its result (contract net)
    Cnp(cnp::Cnp),
    /// Show what agents and plugins log
    Logs(logs::Logs),
    /// Show what happens to agents and plugins
    Events(logs::Events),
    /// List conversations, or draw one
    Conversation(conversation::ConversationCommand),
    /// Stop and remove agents
    Delete(delete::Delete),
    /// Send dead letters again
    Requeue(dead_letters::Requeue),
    /// Throw dead letters away
    Purge(dead_letters::Purge),
    /// Look into plugin files, test them, and list and reload plugins
    Plugin(plugin::Plugin),
    /// Let the server read its configuration again
    #[command(after_long_help = crate::command::reload::EXAMPLES)]
    Reload,
    /// Show how a server does, and prove that no message was lost
    #[command(after_long_help = crate::command::status::EXAMPLES)]
    Status,
    /// Watch agents or plugins: states, rates, mailboxes, memory
    Top(top::Top),
    /// Find out what is wrong with a server, and what to do
    Doctor(doctor::Doctor),
    /// Put a small load on an agent and print how long messages took
    Bench(bench::Bench),
    /// Show the version of this program and of the server
    #[command(after_long_help = crate::command::version::EXAMPLES)]
    Version,
    /// Explain an error code
    Error(error::ErrorCommand),
    /// Print the completion script of a shell
    Completion(completion::Completion),
    /// Print the manual
    Man(man::Man),
}
