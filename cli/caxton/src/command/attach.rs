//! `caxton attach`: this process as an agent. Messages to it are lines on stdout, lines on stdin are messages of it.
//!
//! Two threads share nothing but the attachment's id: one sends what stdin has, this one receives. A third waits for
//! SIGINT or SIGTERM and closes the attachment, so that nobody has to wait until the lease is over.

use std::{
    io::BufRead as _,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{items, text};
use crate::{
    client::{Client, segment},
    failure::{Exit, Failure, cannot},
    output::Output,
    retry::Patience,
    time,
};

const EXAMPLES: &str = "\
Each line on stdout is an ACL message in JSON that came for the agent; each line of stdin is one that it sends, such as \
{\"performative\": \"propose\", \"receiver\": [\"manager\"], \"content\": \"3\"}. A line that is refused is told on stderr. \
Ctrl-C detaches. A process that is killed is lost as an agent when its lease is over: who waits for it is told.

Examples:
  caxton attach buyer
  caxton attach bidder-7 --group bidders --capability count-words
  caxton attach probe --count 1 --for 10s";

/// How long a call that receives is held at most; less than any sensible lease.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How long a message is tried again while the server is full.
const SEND_WITHIN: Duration = Duration::from_secs(30);
/// What a shell reports of a process that SIGINT ended.
const EXIT_SIGINT: i32 = 130;

/// The arguments of `caxton attach`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Attach {
    /// The agent's name
    #[arg(value_name = "NAME")]
    name: String,
    /// Something it can do; may be repeated
    #[arg(long = "capability", value_name = "NAME")]
    capabilities: Vec<String>,
    /// A group it belongs to; may be repeated
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// After which silence it counts as lost
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::duration)]
    lease: Duration,
    /// Detach after this many messages came
    #[arg(long, value_name = "COUNT")]
    count: Option<usize>,
    /// Detach after this time
    #[arg(long = "for", value_name = "TIME", value_parser = time::duration)]
    until: Option<Duration>,
}

impl Attach {
    /// Takes part until a signal, `--count` or `--for` ends it.
    ///
    /// # Errors
    /// When the name is taken, or the server cannot be asked any more.
    pub fn run(&self, client: impl Fn() -> Result<Client, Failure>, output: &Output) -> Result<(), Failure> {
        let receiving = client()?;
        let request = json!({"name": self.name, "capabilities": self.capabilities, "groups": self.groups,
            "lease-ms": time::millis(self.lease)});
        let doing = format!("attach as `{}`", self.name);
        let attachment = receiving.post("/v1/attachments", &request).map_err(cannot(&doing))?;
        let path = format!("/v1/attachments/{}", segment(&text(&attachment, "id")));
        close_on_signal(client()?, path.clone())?;
        output.note(&format!("attached as {}", text(&attachment, "name")));
        let (sending, out, to) = (client()?, *output, format!("{path}/messages"));
        thread::spawn(move || send(&sending, &to, &out));
        let received = self.receive(&receiving, &path, output);
        let closed = receiving.delete(&path).map_err(cannot("detach"));
        received.and(closed.map(|_| ()))
    }

    fn receive(&self, client: &Client, path: &str, output: &Output) -> Result<(), Failure> {
        let end = self.until.map(|until| Instant::now() + until);
        let hold = WAIT_MAX.min(self.lease / 3);
        let (mut after, mut came) = (0, 0);
        loop {
            let left = end.map_or(hold, |end| end.saturating_duration_since(Instant::now()).min(hold));
            let enough = left.is_zero() || self.count.is_some_and(|count| came >= count);
            // The last call only acknowledges what came.
            let (wait, limit) = if enough { (0, 1) } else { (time::millis(left), self.limit(came)) };
            let call = format!("{path}/messages?after={after}&limit={limit}&wait-ms={wait}");
            let list = client.get_and_wait(&call, left).map_err(cannot("receive messages"))?;
            if enough {
                return Ok(());
            }
            for item in items(&list) {
                output.line(&item.get("message").unwrap_or(&Value::Null).to_string())?;
                came += 1;
            }
            after = list.get("next").and_then(Value::as_u64).unwrap_or(after);
        }
    }

    /// No more than are wanted is taken, so that nothing is acknowledged and not printed.
    fn limit(&self, came: usize) -> usize {
        self.count.map_or(100, |count| count.saturating_sub(came).clamp(1, 100))
    }
}

/// Sends each line of stdin; what is refused is told and the next line is read.
fn send(client: &Client, path: &str, output: &Output) {
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let Ok(line) = line else { return };
        if line.trim().is_empty() {
            continue;
        }
        if let Err(failure) = send_one(client, path, &line, output) {
            output.tell(&failure.during(&format!("send line {number}")));
        }
    }
}

fn send_one(client: &Client, path: &str, line: &str, output: &Output) -> Result<(), Failure> {
    let message: Value = serde_json::from_str(line).map_err(|error| {
        let fix = "write one ACL message in JSON in each line";
        Failure::new(Exit::Invalid, "a line of stdin is not JSON", error.to_string(), fix)
    })?;
    let list = json!({ "messages": [message] });
    let answer = Patience::new(SEND_WITHIN, true).call(output, |_| client.post(path, &list))?;
    match items(&answer).iter().find(|item| item.get("status").and_then(Value::as_u64) >= Some(400)) {
        None => Ok(()),
        Some(refused) => {
            let (why, fix) = (text(refused, "detail"), text(refused, "fix"));
            Err(Failure::new(Exit::Failure, "a message was refused", why, fix).coded(&text(refused, "code")))
        }
    }
}

fn close_on_signal(client: Client, path: String) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Failure::new(Exit::Failure, "cannot wait for signals", error.to_string(), ""))?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            // The lease ends it where this does not.
            drop(client.delete(&path));
            std::process::exit(EXIT_SIGINT);
        }
    });
    Ok(())
}
