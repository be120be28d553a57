//! `caxton send --lines`: each line of stdin is a message; one outcome is printed for each, in order.
//!
//! What has arrived is sent at once, in lists of at most [`LINES_MAX`] messages and about [`BYTES_MAX`] bytes, so a slow
//! producer does not wait and a fast one pays little for each. One list is under way at a time: memory is bounded.

use std::{
    io::{BufRead, BufReader, Read},
    time::Duration,
};

use caxton_acl::conversation_uid;
use serde_json::{Map, Value, json};

use super::{items, text};
use crate::{
    client::Client,
    content,
    failure::{Exit, Failure, cannot},
    output::{Format, Output},
    retry::Patience,
};

/// Messages of one list; the server takes twice as many.
const LINES_MAX: usize = 500;
/// Bytes of content after which a list is sent; a server takes 16 MiB, and JSON may need six times the bytes.
const BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of one line; the server's own limit for a content is lower.
const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Sends lines.
pub(super) struct Pump {
    /// The message of each line, without content and id.
    pub(super) message: Map<String, Value>,
    /// What each line's id is made of.
    pub(super) id: Option<String>,
    /// How long each list may be tried again.
    pub(super) within: Duration,
    /// Whether it is tried again at all.
    pub(super) again: bool,
    /// The words for it in an error.
    pub(super) doing: String,
}

/// Lines that were refused, for the end.
#[derive(Default)]
struct Refused {
    lines: u64,
    first: Option<(u64, Value)>,
}

impl Pump {
    /// Sends until stdin ends.
    ///
    /// # Errors
    /// When stdin cannot be read or the server cannot be asked; at the end, when lines were refused.
    pub(super) fn run(&self, stdin: impl Read, client: &Client, output: &Output) -> Result<(), Failure> {
        let mut reader = BufReader::new(stdin);
        let (mut done, mut refused) = (0, Refused::default());
        loop {
            let lines = read(&mut reader, done)?;
            if lines.is_empty() {
                return self.end(done, refused);
            }
            let batch: Vec<Value> =
                (done + 1..).zip(lines).map(|(number, line)| self.message(number, line)).collect();
            let count = batch.len() as u64;
            let outcomes =
                self.send(batch, client, output).map_err(|failure| at_line(failure, done, count))?;
            for (number, outcome) in (done + 1..).zip(&outcomes) {
                print(outcome, output)?;
                if status(outcome) >= 400 {
                    refused.lines += 1;
                    refused.first.get_or_insert_with(|| (number, outcome.clone()));
                }
            }
            done += count;
        }
    }

    fn message(&self, number: u64, line: Vec<u8>) -> Value {
        let mut message = self.message.clone();
        content::set(&mut message, line);
        if let Some(id) = &self.id {
            message.insert("id".to_owned(), json!(line_id(id, number)));
        }
        Value::Object(message)
    }

    /// Sends a list, and again what the server had no room for; gives one outcome for each message.
    fn send(&self, batch: Vec<Value>, client: &Client, output: &Output) -> Result<Vec<Value>, Failure> {
        let patience = Patience::new(self.within, self.again);
        let mut outcomes = vec![Value::Null; batch.len()];
        let mut open: Vec<(usize, Value)> = batch.into_iter().enumerate().collect();
        loop {
            let list = Value::Array(open.iter().map(|(_, message)| message.clone()).collect());
            let answer = patience.call(output, |_| client.post("/v1/messages", &list));
            let answer = answer.map_err(cannot(self.doing.clone()))?;
            if items(&answer).len() != open.len() {
                let why = format!("it has {} outcomes for {} messages", items(&answer).len(), open.len());
                let fix = "compare `caxton version`";
                return Err(Failure::new(Exit::Incompatible, format!("cannot {}", self.doing), why, fix));
            }
            for ((index, _), outcome) in open.iter().zip(items(&answer)) {
                if let Some(place) = outcomes.get_mut(*index) {
                    place.clone_from(outcome);
                }
            }
            let full = |index: usize| outcomes.get(index).and_then(come_back_after);
            let pause = open.iter().filter_map(|(index, _)| full(*index)).max();
            let Some(pause) = pause else { return Ok(outcomes) };
            if !patience.pause(pause) {
                return Ok(outcomes);
            }
            open.retain(|(index, _)| full(*index).is_some());
        }
    }

    fn end(&self, done: u64, refused: Refused) -> Result<(), Failure> {
        let Some((number, first)) = refused.first else { return Ok(()) };
        let why = format!("line {number}: {}", text(&first, "detail"));
        let what = format!("{} of {done} lines were refused", refused.lines);
        Err(Failure::new(Exit::Failure, what, why, text(&first, "fix")).coded(&text(&first, "code")))
    }
}

/// Lines that have arrived, at least one unless stdin has ended; waits for the first only.
fn read(reader: &mut BufReader<impl Read>, done: u64) -> Result<Vec<Vec<u8>>, Failure> {
    let unreadable = |number: u64, why: &str| {
        let what = format!("cannot read line {number} of stdin");
        let fix = "the lines before it were sent; send the rest";
        Failure::new(Exit::Failure, what, why, fix)
    };
    let (mut lines, mut bytes) = (Vec::new(), 0);
    while lines.len() < LINES_MAX
        && bytes < BYTES_MAX
        && (lines.is_empty() || reader.buffer().contains(&b'\n'))
    {
        let number = done + lines.len() as u64 + 1;
        let mut line = Vec::new();
        let read = reader.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line);
        read.map_err(|error| unreadable(number, &error.to_string()))?;
        if line.is_empty() {
            break;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(unreadable(number, &format!("it is longer than {LINE_BYTES_MAX} bytes")));
        }
        bytes += line.len();
        lines.push(line);
    }
    Ok(lines)
}

/// The id of a line's message: the same for the same id and line, another for every other.
fn line_id(id: &str, number: u64) -> String {
    let own = conversation_uid(&format!("{:032x}/{number}", conversation_uid(id)));
    let hex = format!("{own:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default());
    parts.join("-")
}

fn status(outcome: &Value) -> u64 {
    outcome.get("status").and_then(Value::as_u64).unwrap_or_default()
}

fn come_back_after(outcome: &Value) -> Option<Duration> {
    let millis = outcome.get("retry-after-ms").and_then(Value::as_u64)?;
    (status(outcome) == 429).then(|| Duration::from_millis(millis))
}

/// `ID 202 accepted`, `ID 200 duplicate`, `- 429 CX0301 mailbox-full`.
fn print(outcome: &Value, output: &Output) -> Result<(), Failure> {
    let refused = status(outcome) >= 400;
    match output.format {
        Format::Json | Format::Jsonl => output.line(&outcome.to_string()),
        Format::Name if refused => Ok(()),
        Format::Name => output.line(&text(outcome, "id")),
        Format::Table | Format::Wide if refused => output.line(&format!(
            "- {} {} {}",
            status(outcome),
            text(outcome, "code"),
            text(outcome, "title")
        )),
        Format::Table | Format::Wide => {
            let word = if status(outcome) == 200 { "duplicate" } else { "accepted" };
            output.line(&format!("{} {} {word}", text(outcome, "id"), status(outcome)))
        }
    }
}

/// Says which lines have no outcome.
fn at_line(mut failure: Failure, done: u64, count: u64) -> Failure {
    if let Failure::Report(report) = &mut failure {
        report.what = format!("{} (lines {} to {} have no outcome)", report.what, done + 1, done + count);
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_have_arrived() {
        let mut reader = BufReader::new(&b"a\n\nb"[..]);
        assert_eq!(read(&mut reader, 0).unwrap(), [b"a".to_vec(), Vec::new()]);
        assert_eq!(read(&mut reader, 2).unwrap(), [b"b".to_vec()]);
        assert!(read(&mut reader, 3).unwrap().is_empty());
    }

    #[test]
    fn a_list_is_bounded_in_lines_and_bytes() {
        let many = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(
            read(&mut BufReader::with_capacity(many.len(), many.as_bytes()), 0).unwrap().len(),
            LINES_MAX
        );
        let large = format!("{}\n", "x".repeat(BYTES_MAX)).repeat(2);
        assert_eq!(read(&mut BufReader::with_capacity(large.len(), large.as_bytes()), 0).unwrap().len(), 1);
    }

    #[test]
    fn a_line_that_is_too_long_is_named() {
        let long = [b"a\n".as_slice(), &vec![b'x'; LINE_BYTES_MAX + 2]].concat();
        let mut reader = BufReader::new(long.as_slice());
        read(&mut reader, 0).unwrap();
        let Err(Failure::Report(report)) = read(&mut reader, 1) else { panic!("it was taken") };
        assert_eq!(report.what, "cannot read line 2 of stdin");
    }

    #[test]
    fn each_line_has_an_id_of_its_own_that_stays_the_same() {
        let id = "0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
        assert_eq!(line_id(id, 1), line_id("0199A1B2C3D47E5F8A9B0C1D2E3F4A5B", 1));
        assert_ne!(line_id(id, 1), line_id(id, 2));
        assert_eq!(line_id(id, 1).len(), 36);
    }
}
