//! `caxton context`: which server is meant when none is named.

use clap::{Subcommand, ValueEnum as _};
use serde_json::{Value, json};
use toml_edit::value;

use crate::{
    client::Client,
    context::{Book, Context, Settings, put},
    failure::{Exit, Failure, cannot},
    output::{Format, Output, fields},
    table::Table,
};

const LS_EXAMPLES: &str = "\
The contexts stand in `caxton/contexts.toml` in the folder of configurations (XDG_CONFIG_HOME, else ~/.config).

Examples:
  caxton context ls
  caxton context ls -o name";

const USE_EXAMPLES: &str = "\
Examples:
  caxton context use staging";

const ADD_EXAMPLES: &str = "\
The first context is used at once. A name that is there already gets the new values.

Examples:
  caxton context add local http://127.0.0.1:8400
  caxton context add staging http://10.0.0.5:8400 --default-output wide --use";

const RM_EXAMPLES: &str = "\
Examples:
  caxton context rm staging";

const SHOW_EXAMPLES: &str = "\
What is used comes from the first of these that says it: the option, the environment (CAXTON_SERVER, CAXTON_CONTEXT), \
the context, the default.

Examples:
  caxton context show
  caxton context show --context staging
  caxton context show -o json";

/// The arguments of `caxton context`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SHOW_EXAMPLES)]
pub struct ContextCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List contexts
    #[command(visible_alias = "list", after_long_help = LS_EXAMPLES)]
    Ls,
    /// Use a context from now on
    #[command(after_long_help = USE_EXAMPLES)]
    Use {
        /// The context's name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Add a context, or change one
    #[command(after_long_help = ADD_EXAMPLES)]
    Add {
        /// The context's name
        #[arg(value_name = "NAME", value_parser = name)]
        name: String,
        /// The server's address
        #[arg(value_name = "URL")]
        url: String,
        /// The form of the data on stdout when `-o` is not given
        #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
        default_output: Option<Format>,
        /// Use it from now on
        #[arg(long = "use")]
        used: bool,
    },
    /// Remove a context
    #[command(after_long_help = RM_EXAMPLES)]
    Rm {
        /// The context's name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Show which server is meant, and what says so
    #[command(after_long_help = SHOW_EXAMPLES)]
    Show,
}

/// Checks a context's name for clap.
fn name(text: &str) -> Result<String, String> {
    let good = |found: char| found.is_ascii_alphanumeric() || matches!(found, '-' | '_' | '.');
    if !text.is_empty() && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err(format!("expected letters, digits, `-`, `_` and `.`, found `{text}`"))
}

impl ContextCommand {
    /// Lists, changes or shows contexts. No server is asked.
    ///
    /// # Errors
    /// When there is no such context, or the file cannot be read or written.
    pub fn run(&self, settings: Result<&Settings, Failure>, output: &Output) -> Result<(), Failure> {
        match &self.command {
            Command::Ls => list(&Book::open()?, output),
            Command::Use { name } => take(&Book::open()?, name, output),
            Command::Add { name, url, default_output, used } => {
                let output_name = default_output
                    .and_then(|format| format.to_possible_value().map(|value| value.get_name().to_owned()));
                let context = Context { server: url.clone(), output: output_name };
                add(&Book::open()?, name, &context, *used, output)
            }
            Command::Rm { name } => remove(&Book::open()?, name, output),
            Command::Show => show(settings?, output),
        }
    }
}

fn list(book: &Book, output: &Output) -> Result<(), Failure> {
    let current = book.contexts.current.as_deref();
    let document = |(name, context): (&String, &Context)| {
        json!({"kind": "caxton.context/v1", "name": name, "server": context.server, "output": context.output,
            "current": current == Some(name)})
    };
    let items = || book.contexts.contexts.iter();
    match output.format {
        Format::Json => {
            let items: Vec<Value> = items().map(document).collect();
            output.document(&json!({"kind": "caxton.context.list/v1", "items": items}))
        }
        Format::Jsonl => items().try_for_each(|item| output.document(&document(item))),
        Format::Name => items().try_for_each(|(name, _)| output.line(name)),
        Format::Table | Format::Wide if book.contexts.contexts.is_empty() => {
            output.note("no contexts");
            Ok(())
        }
        Format::Table | Format::Wide => {
            let mut table = Table::new(["CURRENT", "NAME", "SERVER", "OUTPUT"]);
            for (name, context) in items() {
                let mark = if current == Some(name) { "*" } else { "" };
                let form = context.output.clone().unwrap_or_default();
                table.row([mark.to_owned(), name.clone(), context.server.clone(), form]);
            }
            output.table(&table)
        }
    }
}

fn take(book: &Book, name: &str, output: &Output) -> Result<(), Failure> {
    let server = &book.get(name)?.server;
    book.change(|document| {
        document.insert("current", value(name));
    })?;
    output.note(&format!("commands speak to {server} now"));
    Ok(())
}

fn add(book: &Book, name: &str, context: &Context, used: bool, output: &Output) -> Result<(), Failure> {
    Client::new(&context.server).map_err(cannot(format!("add context `{name}`")))?;
    let used = used || book.contexts.contexts.is_empty();
    book.change(|document| {
        // The keys of the file's root come before its tables.
        if used {
            document.insert("current", value(name));
        }
        put(document, name, context);
    })?;
    output.note(&format!("context {name} is in {}", book.path().display()));
    Ok(())
}

fn remove(book: &Book, name: &str, output: &Output) -> Result<(), Failure> {
    book.get(name)?;
    book.change(|document| {
        if let Some(contexts) = document.get_mut("contexts").and_then(toml_edit::Item::as_table_like_mut) {
            contexts.remove(name);
        }
        if document.get("current").and_then(toml_edit::Item::as_str) == Some(name) {
            document.remove("current");
        }
    })?;
    output.note(&format!("context {name} is removed"));
    Ok(())
}

fn show(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let form = settings.format.value.to_possible_value();
    let form = form.map(|value| value.get_name().to_owned()).unwrap_or_default();
    let Settings { context, server, format } = settings;
    match output.format {
        Format::Json | Format::Jsonl => output.document(&json!({
            "kind": "caxton.context.effective/v1",
            "context": context.as_ref().map(|context| &context.value),
            "server": {"value": server.value, "origin": server.origin},
            "output": {"value": form, "origin": format.origin},
        })),
        Format::Name => output.line(&server.value),
        Format::Table | Format::Wide => {
            let context = context.as_ref().map_or("none".to_owned(), |context| context.value.clone());
            output.line(&fields(&[
                ("context", context),
                ("server", format!("{} ({})", server.value, server.origin)),
                ("output", format!("{form} ({})", format.origin)),
            ]))
        }
    }
}

/// The file cannot be used, told for commands that need a server.
pub(super) fn unusable(failure: &Failure) -> Failure {
    match failure {
        Failure::Report(report) => Failure::Report(report.clone()),
        Failure::StdoutClosed => Failure::new(Exit::Failure, "cannot read the contexts", "", ""),
    }
}
