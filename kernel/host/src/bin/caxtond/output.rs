//! How answers and errors are told: as text or as one JSON object, with the exit codes of `caxton`.

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

use caxton_abi::Code;
use caxton_host::config::Fault;
use serde_json::{Value, json};

use crate::Output;

/// Exit codes, the same as those of `caxton`.
pub mod exit {
    pub const FAILURE: u8 = 1;
    pub const CONFIG: u8 = 3;
    pub const FAILED_TESTS: u8 = 9;
    pub const INCOMPATIBLE: u8 = 10;
}

/// Writes to standard output. A reader that is gone, as `head` is after its lines, wants no more.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a document to standard output.
pub fn document(value: &Value) {
    print(&format!("{value:#}\n"));
}

/// Tells the faults of a file and gives the exit code.
pub fn refused(faults: &[Fault], place: &str, output: Output) -> ExitCode {
    let mut err = std::io::stderr().lock();
    let noun = if faults.len() == 1 { "fault" } else { "faults" };
    let message = format!("{} {noun} in {place}", faults.len());
    let _closed = match output {
        Output::Json => {
            let code = faults.first().map(|fault| fault.code);
            let mut document = told(code, &message, "correct each at its place");
            if let Some(error) = document.get_mut("error").and_then(Value::as_object_mut) {
                error.insert("faults".to_owned(), faults.iter().map(fault).collect());
            }
            writeln!(err, "{document}")
        }
        Output::Table => {
            let colour = err.is_terminal();
            let drawn: Vec<String> = faults.iter().map(|fault| fault.render(colour)).collect();
            writeln!(err, "{}\nerror: {message}", drawn.join("\n"))
        }
    };
    ExitCode::from(exit::CONFIG)
}

/// Tells one failure and gives the exit code.
pub fn failed(code: Option<Code>, message: &str, output: Output, exit: u8) -> ExitCode {
    let line = match (output, code) {
        (Output::Json, code) => {
            let fix = code.and_then(Code::entry).map_or("see the message", |entry| entry.fix);
            told(code, message, fix).to_string()
        }
        (Output::Table, Some(code)) => format!("error: {message} [{code}]"),
        (Output::Table, None) => format!("error: {message}"),
    };
    let _closed = writeln!(std::io::stderr(), "{line}");
    ExitCode::from(exit)
}

/// The short form in which the command line tells errors as JSON.
fn told(code: Option<Code>, message: &str, fix: &str) -> Value {
    json!({"error": {"code": code.map(|code| code.to_string()), "message": message, "fix": fix}})
}

fn fault(fault: &Fault) -> Value {
    let fix = fault.help.as_deref().or_else(|| fault.code.entry().map(|entry| entry.fix));
    let (line, column) = fault.position().unzip();
    json!({
        "code": fault.code.to_string(),
        "message": fault.message,
        "fix": fix,
        "file": fault.source.as_ref().map(|source| &source.name),
        "line": line,
        "column": column,
    })
}
