//! `caxton conversation`: lists conversations, and draws one.

use std::{io::IsTerminal as _, ops::ControlFlow};

use clap::{Subcommand, ValueEnum};

use super::get::{self, Kind};
use crate::{
    client::{Client, segment},
    conversation::{self, Conversation, Glyphs, Options},
    failure::{Exit, Failure, cannot},
    follow,
    output::{self, Format, Output},
};

const LS_EXAMPLES: &str = "\
Examples:
  caxton conversation ls
  caxton conversation ls --limit 5 -o wide";

const SHOW_EXAMPLES: &str = "\
One lane for each agent, one arrow for each message, with times since the beginning. An arrow that ends in a cross did \
not reach its receiver; a dashed one was sent by the server in the agent's name. Where the lanes do not fit, a table is \
printed.

Examples:
  caxton conversation show 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3
  caxton conversation show $(caxton conversation ls --limit 1 -o name)
  caxton conversation show ID --follow
  caxton conversation show ID --as mermaid > auction.mmd";

/// The arguments of `caxton conversation`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SHOW_EXAMPLES)]
pub struct ConversationCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List conversations, the newest first
    #[command(visible_alias = "list", after_long_help = LS_EXAMPLES)]
    Ls {
        /// How many to list at most
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Draw one conversation as a sequence diagram
    #[command(after_long_help = SHOW_EXAMPLES)]
    Show {
        /// The conversation's id
        #[arg(add = crate::complete::conversations())]
        id: String,
        /// How to show it
        #[arg(long = "as", value_name = "FORM", default_value = "sequence", conflicts_with = "follow")]
        form: Form,
        /// Go on until the conversation is closed: drawn anew on a terminal, else drawn at the end
        #[arg(short, long)]
        follow: bool,
        /// Draw with ASCII characters only; so it is also where the locale is not UTF-8
        #[arg(long)]
        ascii: bool,
    },
}

/// How a conversation is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A sequence diagram
    Sequence,
    /// A table with changes of state
    Table,
    /// The source of a Mermaid diagram
    Mermaid,
    /// The server's document
    Json,
}

impl ConversationCommand {
    /// Lists or draws.
    ///
    /// # Errors
    /// When there is no such conversation, or the server cannot be asked.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        match &self.command {
            Command::Ls { limit } => get::list(Kind::Conversations, *limit, client, output),
            Command::Show { id, follow: true, ascii, .. } => {
                follow(client, output, id, with_ascii(*ascii, conversation::render))
            }
            Command::Show { id, form, ascii, .. } => match form {
                Form::Json => {
                    show(client, &Output { format: Format::Json, ..*output }, id, conversation::render)
                }
                Form::Mermaid => {
                    show(client, output, id, |conversation, _| conversation::mermaid(conversation))
                }
                Form::Sequence => show(client, output, id, with_ascii(*ascii, conversation::render)),
                Form::Table => show(client, output, id, with_ascii(*ascii, conversation::listing)),
            },
        }
    }
}

fn with_ascii(
    ascii: bool,
    draw: impl Fn(&Conversation, Options) -> String,
) -> impl Fn(&Conversation, Options) -> String {
    move |conversation, options| {
        let glyphs = if ascii { Glyphs::ASCII } else { options.glyphs };
        draw(conversation, Options { glyphs, ..options })
    }
}

/// Shows a conversation each time that it changed, until it is closed.
fn follow(
    client: &Client,
    output: &Output,
    id: &str,
    draw: impl Fn(&Conversation, Options) -> String,
) -> Result<(), Failure> {
    let path = format!("/v1/conversations/{}", segment(id));
    let drawn_anew = std::io::stdout().is_terminal() && !output.is_json();
    let last = follow::watch::<Failure>(client, &path, |document| {
        if output.is_json() {
            output.line(&document.to_string())?;
        } else if drawn_anew {
            output.part(b"\x1b[H\x1b[2J")?;
            draw_one(document.clone(), id, output, &draw)?;
        }
        let closed = super::text(document, "state") == "closed";
        Ok(if closed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    let last = last.map_err(|failure| failure.during(&format!("follow conversation `{id}`")))?;
    if drawn_anew || output.is_json() { Ok(()) } else { draw_one(last, id, output, draw) }
}

/// Gets a conversation and shows it: drawn for people, else as the document or its id.
pub(super) fn show(
    client: &Client,
    output: &Output,
    id: &str,
    draw: impl Fn(&Conversation, Options) -> String,
) -> Result<(), Failure> {
    let what = format!("show conversation `{id}`");
    let document = client.get(&format!("/v1/conversations/{}", segment(id))).map_err(cannot(&what))?;
    match output.format {
        Format::Json | Format::Jsonl => return output.document(&document),
        Format::Name => return output.line(&super::text(&document, "id")),
        Format::Table | Format::Wide => {}
    }
    draw_one(document, id, output, draw)
}

fn draw_one(
    document: serde_json::Value,
    id: &str,
    output: &Output,
    draw: impl Fn(&Conversation, Options) -> String,
) -> Result<(), Failure> {
    let conversation: Conversation = serde_json::from_value(document).map_err(|error| {
        let why = format!("the server's document is not of this version: {error}");
        Failure::new(
            Exit::Incompatible,
            format!("cannot show conversation `{id}`"),
            why,
            "compare `caxton version`, or use `-o json`",
        )
    })?;
    output.line(&draw(&conversation, output::drawing()))
}
