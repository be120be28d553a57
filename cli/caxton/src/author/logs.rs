//! Follows the log lines of one agent, by asking the server again and again from where the last answer ended.

use std::{sync::mpsc::Sender, thread, time::Duration};

use serde_json::Value;

use crate::{
    client::{self, Client, segment},
    command::items,
};

/// How long the server holds an answer back while there is nothing new.
const WAIT_MS: u32 = 20_000;
/// How long to wait after a server did not answer.
const AGAIN: Duration = Duration::from_secs(1);

/// Where the agent's lines end now; 0 where the server does not say.
pub fn end(client: &Client, agent: &str) -> u64 {
    let path = format!("/v1/logs?agent={}&tail=1", segment(agent));
    client.get(&path).ok().map_or(0, |list| next(&list, 0))
}

/// Sends each line after `after` as the document of the server, from a thread of its own, until nobody listens.
pub fn follow<T: Send + 'static>(
    server: &str,
    agent: &str,
    mut after: u64,
    lines: Sender<T>,
    line: impl Fn(Value) -> T + Send + 'static,
) {
    let Ok(client) = Client::new(server) else { return };
    let agent = segment(agent);
    thread::spawn(move || {
        loop {
            match client.get(&format!("/v1/logs?agent={agent}&after={after}&wait-ms={WAIT_MS}")) {
                Ok(list) => {
                    after = next(&list, after);
                    let sent = items(&list).iter().try_for_each(|item| lines.send(line(item.clone())));
                    if sent.is_err() {
                        return;
                    }
                }
                // A server without such a list, or one that refuses the question: it stays so.
                Err(client::Error::Problem(problem)) if problem.status < 500 && problem.status != 429 => {
                    return;
                }
                Err(_) => thread::sleep(AGAIN),
            }
        }
    });
}

fn next(list: &Value, before: u64) -> u64 {
    list.get("next").and_then(Value::as_u64).unwrap_or(before)
}
