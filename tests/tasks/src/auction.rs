//! Has each file auctioned: posts it to the manager over HTTP, some at a time, and compares the report with a count of
//! its own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use ureq::Agent;

use crate::expected;

/// Files under way at once: enough to keep the bidders busy, few enough to read the log.
const AT_ONCE: usize = 4;
/// How long one auction may take, a slow interpreter on a busy machine included.
const TASK_MAX: Duration = Duration::from_secs(120);
/// What the server takes as one message's content, see `limits.content_bytes_max`.
pub const CONTENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What became of one file.
pub struct Outcome {
    /// The file, relative to the folder.
    pub file: PathBuf,
    /// Its conversation, when the server named one.
    pub conversation: Option<String>,
    /// The manager's answer, or why there is none.
    pub answer: Result<Value, String>,
    /// What is wrong with the report; empty for a correct one.
    pub wrong: Vec<String>,
    /// A refusal with a reason that is the file's, not a failure: it is too large.
    pub refused: bool,
    /// From posting to the answer.
    pub took: Duration,
}

impl Outcome {
    /// A correct report, or a refusal with a clear reason.
    pub fn is_good(&self) -> bool {
        self.refused || (self.answer.is_ok() && self.wrong.is_empty())
    }

    /// A field of the answer's report, or of the answer.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let answer = self.answer.as_ref().ok()?;
        answer.get("report").and_then(|report| report.get(name)).or_else(|| answer.get(name))
    }
}

/// Auctions the files; `progress` is told of each as it ends.
pub fn run(url: &str, root: &Path, files: &[PathBuf], progress: &(dyn Fn(&Outcome) + Sync)) -> Vec<Outcome> {
    let agent = client();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(files.len()) {
            scope.spawn(|| {
                while let Some((index, file)) = take(&next, files) {
                    let outcome = one(&agent, url, root, file);
                    progress(&outcome);
                    if let Ok(mut done) = done.lock() {
                        done.push((index, outcome));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

fn take<'f>(next: &AtomicUsize, files: &'f [PathBuf]) -> Option<(usize, &'f PathBuf)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    files.get(index).map(|file| (index, file))
}

fn client() -> Agent {
    Agent::new_with_config(
        Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TASK_MAX + Duration::from_secs(10)))
            .build(),
    )
}

fn one(agent: &Agent, url: &str, root: &Path, file: &Path) -> Outcome {
    let started = Instant::now();
    let mut outcome = Outcome {
        file: file.to_path_buf(),
        conversation: None,
        answer: Err(String::new()),
        wrong: Vec::new(),
        refused: false,
        took: Duration::ZERO,
    };
    let path = root.join(file);
    match fs::metadata(&path).map(|metadata| metadata.len()) {
        Ok(bytes) if bytes > CONTENT_BYTES_MAX => {
            outcome.refused = true;
            outcome.answer =
                Err(format!("refused: {bytes} bytes, a message carries at most {CONTENT_BYTES_MAX}"));
        }
        _ => match fs::read(&path) {
            Ok(text) => post(agent, url, file, &text, &mut outcome),
            Err(why) => {
                outcome.refused = true;
                outcome.answer = Err(format!("refused: it cannot be read: {why}"));
            }
        },
    }
    outcome.took = started.elapsed();
    outcome
}

fn post(agent: &Agent, url: &str, file: &Path, text: &[u8], outcome: &mut Outcome) {
    let target =
        format!("{url}/v1/agents/manager/ask?performative=request&timeout-ms={}", TASK_MAX.as_millis());
    let request = agent
        .post(target)
        .header("content-type", "application/octet-stream")
        .header("x-acl-file", header_text(&file.display().to_string()));
    let mut response = match request.send(text) {
        Ok(response) => response,
        Err(why) => {
            outcome.answer = Err(format!("the server did not answer: {why}"));
            return;
        }
    };
    let conversation = response.headers().get("caxton-conversation-id").and_then(|value| value.to_str().ok());
    outcome.conversation = conversation.map(str::to_owned);
    let status = response.status();
    let body = response.body_mut().read_to_string().unwrap_or_default();
    if !status.is_success() {
        outcome.answer = Err(format!("{status}: {body}"));
        return;
    }
    match serde_json::from_str::<Value>(&body) {
        Ok(answer) => {
            outcome.wrong = expected::differences(text, answer.get("report").unwrap_or(&Value::Null));
            outcome.answer = Ok(answer);
        }
        Err(why) => outcome.answer = Err(format!("the answer is not JSON ({why}): {body}")),
    }
}

/// A name as a header can carry it: what is not printable ASCII becomes `?`.
fn header_text(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}
