//! `caxton error`: what a code means and what to do, without a server.

use strsim::jaro_winkler;

use crate::{
    codes::{self, Code},
    failure::{Exit, Failure},
    output::{Format, Output, fields},
    table::Table,
};

const EXAMPLES: &str = "\
The codes are the same in answers, logs, traces and dead letters. No server is asked. Without a code all are listed.

Examples:
  caxton error CX0302
  caxton error mailbox-full
  caxton error -o json";

/// A name less like the unknown one than this is not proposed.
const LIKENESS_MIN: f64 = 0.8;

/// The arguments of `caxton error`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ErrorCommand {
    /// The code, as CX0302, or its name, as unknown-receiver
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

impl ErrorCommand {
    /// Prints the code, or all.
    ///
    /// # Errors
    /// When there is no such code.
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let Some(wanted) = &self.code else { return list(output) };
        let code = codes::find(wanted).ok_or_else(|| unknown(wanted))?;
        match output.format {
            Format::Json | Format::Jsonl => output.document(&document(code)),
            Format::Name => output.line(&code.code),
            Format::Table | Format::Wide => output.line(&fields(&[
                ("code", code.code.clone()),
                ("name", code.slug.clone()),
                ("meaning", code.meaning.clone()),
                ("fix", code.fix.clone()),
                ("HTTP status", code.status.to_string()),
            ])),
        }
    }
}

fn list(output: &Output) -> Result<(), Failure> {
    match output.format {
        Format::Json => {
            let items: Vec<_> = codes::all().iter().map(document).collect();
            output.document(&serde_json::json!({"kind": "caxton.error.list/v1", "items": items}))
        }
        Format::Jsonl => codes::all().iter().try_for_each(|code| output.document(&document(code))),
        Format::Name => codes::all().iter().try_for_each(|code| output.line(&code.code)),
        Format::Table | Format::Wide => {
            let mut table = Table::new(["CODE", "NAME", "HTTP", "MEANING"]);
            for code in codes::all() {
                table.row([
                    code.code.clone(),
                    code.slug.clone(),
                    code.status.to_string(),
                    code.meaning.clone(),
                ]);
            }
            output.table(&table)
        }
    }
}

fn document(code: &Code) -> serde_json::Value {
    let Code { code, slug, status, meaning, fix } = code;
    serde_json::json!({"kind": "caxton.error/v1", "code": code, "slug": slug, "status": status, "meaning": meaning, "fix": fix})
}

fn unknown(wanted: &str) -> Failure {
    let likeness = |code: &&Code| jaro_winkler(&code.slug, wanted);
    let nearest = codes::all().iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let fix = match nearest.filter(|code| likeness(code) >= LIKENESS_MIN) {
        Some(nearest) => {
            format!("the nearest is `{}` ({}); list all with `caxton error`", nearest.slug, nearest.code)
        }
        None => "list all with `caxton error`".to_owned(),
    };
    Failure::new(Exit::NotFound, format!("cannot explain `{wanted}`"), "there is no such code", fix)
}
