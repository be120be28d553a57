//! Asks an agent again and again at a steady pace and notes how long each answer took.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use caxton_kit::{
    figures::{Spans, median, millis},
    http::Client,
};

/// The longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// What came of the questions, in windows of time.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// How long the answers of each window took.
    pub windows: Vec<Spans>,
    /// Questions without a good answer, and what the last one got.
    pub failed: usize,
    /// The last failure.
    pub failure: String,
}

impl Answers {
    /// Adds another's.
    pub fn merge(&mut self, other: Self) {
        self.windows.extend(other.windows);
        self.failed += other.failed;
        if !other.failure.is_empty() {
            self.failure = other.failure;
        }
    }

    /// The p99 of a window, the middle one of all windows: whatever else the machine does for a moment disturbs some
    /// windows, a server that is slower is slower in all.
    pub fn p99(&self) -> Duration {
        Duration::from_secs_f64(median(
            self.windows.iter().map(|window| window.percentile(99.0).as_secs_f64()),
        ))
    }

    /// All answers' spans together.
    pub fn all(&self) -> Spans {
        let mut all = Spans::default();
        self.windows.iter().for_each(|window| all.merge(window.clone()));
        all
    }

    /// Figures for a person, in one line.
    pub fn line(&self) -> String {
        let all = self.all();
        format!(
            "p50 {}, p99 {} (middle of {} windows), over all p99 {}, longest {}, of {} answers; {} failed {}",
            millis(all.percentile(50.0)),
            millis(self.p99()),
            self.windows.len(),
            millis(all.percentile(99.0)),
            millis(all.max()),
            all.len(),
            self.failed,
            self.failure
        )
    }
}

/// Asks `name` every `pace`, as one window, until `span` is over or `stop` is set.
pub fn ask(url: &str, name: &str, pace: Duration, span: Duration, stop: &AtomicBool) -> Answers {
    let mut client = Client::new(url, ANSWER_MAX);
    let path = format!("/v1/agents/{name}/ask?performative=query-ref&timeout-ms=9000");
    let (mut answers, mut spans) = (Answers::default(), Spans::default());
    let began = Instant::now();
    let mut due = began;
    while began.elapsed() < span && !stop.load(Ordering::Acquire) {
        let asked = Instant::now();
        match client.send("POST", &path, "text/plain", b"probe") {
            Ok(reply) if reply.is_success() => spans.add(asked.elapsed()),
            Ok(reply) => {
                answers.failed += 1;
                answers.failure = format!("{} {}", reply.status, reply.code().unwrap_or_default());
            }
            Err(why) => {
                answers.failed += 1;
                answers.failure = why;
            }
        }
        due += pace;
        let now = Instant::now();
        // A late question does not make later ones come in a row.
        if due > now { thread::sleep(due - now) } else { due = now }
    }
    answers.windows.push(spans);
    answers
}
