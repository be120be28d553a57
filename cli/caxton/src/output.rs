//! The two streams: data on stdout in the form asked for, everything else on stderr.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use anstream::ColorChoice;
use clap::ValueEnum;
use serde_json::Value;

use crate::{
    arguments::Global,
    conversation::{Glyphs, Options},
    failure::Failure,
    table::Table,
    text::{safe, width},
};

/// Width of the picture when stdout is not a terminal and COLUMNS is not set.
const COLUMNS_DEFAULT: usize = 100;
/// A narrower COLUMNS is taken as this.
const COLUMNS_MIN: usize = 20;

/// The form of the data on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table or text for people
    Table,
    /// The table with more columns
    Wide,
    /// The server's document, indented
    Json,
    /// One document in each line
    Jsonl,
    /// Names or ids only, one in each line
    Name,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where a command writes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// The form of the data on stdout.
    pub format: Format,
    /// True when notes are not told.
    pub quiet: bool,
}

impl Output {
    /// The output that the global options ask for, in this form. Sets the process' choice of colour.
    pub fn of(global: &Global, format: Format) -> Self {
        match global.color {
            Colour::Auto => ColorChoice::Auto,
            Colour::Always => ColorChoice::Always,
            Colour::Never => ColorChoice::Never,
        }
        .write_global();
        Self { format, quiet: global.quiet }
    }

    /// True when documents are wanted, and errors as documents too.
    pub fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Writes a text and a line break to stdout; colours are taken out where they do not belong.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(anstream::stdout(), "{text}")?)
    }

    /// Writes bytes to stdout as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        // A terminal's prompt should not follow the content's last line.
        if stdout.is_terminal() && !bytes.ends_with(b"\n") {
            stdout.write_all(b"\n")?;
        }
        Ok(stdout.flush()?)
    }

    /// Writes bytes to stdout as they are, and at once; others follow.
    pub fn part(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    /// Writes a document: indented for json, in one line for jsonl.
    pub fn document(&self, document: &Value) -> Result<(), Failure> {
        match self.format {
            Format::Jsonl => self.line(&document.to_string()),
            _ => self.line(&format!("{document:#}")),
        }
    }

    /// Writes a table.
    pub fn table(&self, table: &Table) -> Result<(), Failure> {
        self.line(&table.text(usize::MAX, '…'))
    }

    /// Tells something that is not data, on stderr, unless `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            // Nothing can be done about a closed stderr.
            drop(writeln!(anstream::stderr(), "{}", safe(text)));
        }
    }

    /// Tells a failure on stderr and gives the exit code: a problem document for json and jsonl, else text.
    pub fn fail(&self, failure: &Failure) -> ExitCode {
        self.tell(failure);
        ExitCode::from(failure.exit())
    }

    /// Tells a failure on stderr and goes on.
    pub fn tell(&self, failure: &Failure) {
        let Failure::Report(report) = failure else { return };
        let told = match self.format {
            Format::Json => writeln!(anstream::stderr(), "{:#}", report.document()),
            Format::Jsonl => writeln!(anstream::stderr(), "{}", report.document()),
            _ => writeln!(anstream::stderr(), "{}", styled(&report.to_string())),
        };
        // Nothing can be done about a closed stderr.
        drop(told);
    }
}

/// The report with its first word in bold red and each line safe for a terminal.
fn styled(report: &str) -> String {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    let lines: Vec<_> = report.lines().map(safe).collect();
    let text = lines.join("\n");
    match text.strip_prefix("error:") {
        Some(rest) => format!("{red}error:{red:#}{rest}"),
        None => text,
    }
}

/// How a conversation is drawn on this process' stdout: as wide as it is, with the characters and colours it takes.
pub fn drawing() -> Options {
    let glyphs = if locale_is_utf8() { Glyphs::UNICODE } else { Glyphs::ASCII };
    Options { columns: columns(), glyphs, coloured: coloured() }
}

/// The width to draw in: COLUMNS, else the terminal's, else 100.
pub fn columns() -> usize {
    let set =
        std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let terminal =
        || terminal_size::terminal_size().map(|(terminal_size::Width(columns), _)| usize::from(columns));
    set.or_else(terminal).unwrap_or(COLUMNS_DEFAULT).max(COLUMNS_MIN)
}

/// True when the locale says that the terminal shows UTF-8 (POSIX: LC_ALL, else LC_CTYPE, else LANG).
fn locale_is_utf8() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// True when stdout takes colours: what `--color`, NO_COLOR, CLICOLOR_FORCE and the terminal say together.
fn coloured() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// `key: value` lines with the values under each other.
pub fn fields(fields: &[(&str, String)]) -> String {
    let widest = fields.iter().map(|(key, _)| width(key)).max().unwrap_or_default();
    let line =
        |(key, value): &(&str, String)| format!("{:<1$}  {2}", format!("{key}:"), widest + 1, safe(value));
    fields.iter().map(line).collect::<Vec<_>>().join("\n")
}
