//! What the demo prints: the table of tasks and the summary line of each as it ends.

use caxton_cli::{
    table::Table,
    text::{safe, shorten},
};
use serde_json::Value;

use crate::auction::Outcome;

/// One line for a task that ended.
pub fn progress(outcome: &Outcome) -> String {
    let name = outcome.file.display().to_string();
    let file = safe(&name);
    let took = outcome.took.as_millis();
    match (&outcome.answer, outcome.wrong.as_slice()) {
        (Ok(_), []) => format!(
            "  {file}: {} for {} ({took} ms)",
            text(outcome.field("winner")),
            price(outcome.field("price"))
        ),
        (Ok(_), wrong) => {
            format!("  {file}: WRONG REPORT by {}: {}", text(outcome.field("winner")), wrong.join("; "))
        }
        (Err(why), _) => format!("  {file}: {}", safe(why)),
    }
}

/// Columns of the table of tasks: names of files are long, and a line that wraps is worse than one that is cut.
const COLUMNS: usize = 140;
/// Columns of a file's name; one long name must not push the figures out.
const FILE_COLUMNS_MAX: usize = 48;

/// The table of tasks.
pub fn tasks(outcomes: &[Outcome]) -> String {
    let mut table = Table::new(["FILE", "WINNER", "PRICE", "LINES", "WORDS", "BYTES", "MS", "MOST FREQUENT"]);
    for outcome in outcomes {
        let field = |name| text(outcome.field(name));
        let report = match &outcome.answer {
            Ok(_) if outcome.wrong.is_empty() => top(outcome.field("top")),
            Ok(_) => format!("WRONG: {}", outcome.wrong.join("; ")),
            Err(why) => why.clone(),
        };
        table.row([
            shorten(&safe(&outcome.file.display().to_string()), FILE_COLUMNS_MAX, '…').into_owned(),
            field("winner"),
            price(outcome.field("price")),
            field("lines"),
            field("words"),
            field("bytes"),
            outcome.took.as_millis().to_string(),
            report,
        ]);
    }
    table.text(COLUMNS, '…')
}

fn price(value: Option<&Value>) -> String {
    value.and_then(Value::as_f64).map_or("-".into(), |price| format!("{price:.2}"))
}

fn top(words: Option<&Value>) -> String {
    let pairs = words.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let shown: Vec<String> = pairs
        .iter()
        .take(3)
        .filter_map(|pair| Some(format!("{} {}", pair.get(0)?.as_str()?, pair.get(1)?)))
        .collect();
    shown.join(", ")
}

/// A value without quotes; a name without its platform.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) => text.split('@').next().unwrap_or_default().to_owned(),
        Some(other) => other.to_string(),
    }
}
