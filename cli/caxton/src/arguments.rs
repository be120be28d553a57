//! What may stand on the command line: the global options and the list of commands.

use clap::{Parser, Subcommand};

use crate::{
    client::SERVER_DEFAULT,
    command::{
        ask, check, cnp, completion, conversation, dead_letters, delete, deploy, describe, error, get,
        plugin, revise, send, serve,
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
  caxton serve -f caxton.toml
  caxton deploy agents/echo.toml
  caxton ask echo hello
  caxton cnp group:bidders --task @notes.txt --deadline 2s
  caxton get conversations
  caxton conversation show ID

Exit codes:
  0 ok, 1 failure, 2 usage, 3 invalid configuration or manifest, 4 server not reachable,
  5 not found, 6 conflict, 7 denied, 8 timeout, 10 incompatible versions";

/// Options that every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The server's address
    #[arg(long, global = true, value_name = "URL", env = "CAXTON_SERVER", hide_env_values = true, default_value = SERVER_DEFAULT)]
    pub server: String,
    /// The form of the data on stdout: table, wide, json, jsonl or name; with json and jsonl, errors on stderr are
    /// JSON too
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "table",
        hide_possible_values = true
    )]
    pub output: Format,
    /// Tell nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to colour: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: Colour,
}

/// The commands, in the order of the help.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a server in the foreground
    Serve(serve::Serve),
    /// Check a server's configuration and report every fault in it
    Check(check::Check),
    /// Upload components and start agents from them, or bring in new versions of agents
    Deploy(deploy::Deploy),
    /// Give a canary every new conversation
    Promote(revise::Promote),
    /// Go back to the version before, or take a canary back
    Rollback(revise::Rollback),
    /// List agents, plugins, conversations, dead letters or components
    Get(get::Get),
    /// Show everything about one agent, plugin, conversation, component or dead letter
    Describe(describe::Describe),
    /// Send messages and do not wait for answers
    Send(send::Send),
    /// Send a message, wait for the answer and print its content
    Ask(ask::Ask),
    /// Call for proposals, let the best bid win and print its result (contract net)
    Cnp(cnp::Cnp),
    /// List conversations, or draw one
    Conversation(conversation::ConversationCommand),
    /// Stop and remove agents
    Delete(delete::Delete),
    /// Send dead letters again
    Requeue(dead_letters::Requeue),
    /// Throw dead letters away
    Purge(dead_letters::Purge),
    /// Look into plugin files, and reload plugins
    Plugin(plugin::Plugin),
    /// Let the server read its configuration again
    #[command(after_long_help = crate::command::reload::EXAMPLES)]
    Reload,
    /// Show how a server does, and prove that no message was lost
    #[command(after_long_help = crate::command::status::EXAMPLES)]
    Status,
    /// Show the version of this program and of the server
    #[command(after_long_help = crate::command::version::EXAMPLES)]
    Version,
    /// Explain an error code
    Error(error::ErrorCommand),
    /// Print the completion script of a shell
    Completion(completion::Completion),
}
