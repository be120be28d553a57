//! A bad version is brought in and rolled back: service returns, and what began on the old version finishes on it.

use std::{
    thread,
    time::{Duration, Instant},
};

use caxton_kit::http::{Client, Reply};
use serde_json::{Value, json};

use super::{
    Options,
    claims::Claims,
    stage::{Folder, LOOK, Stage, Wants},
};

/// Conversations that are open while versions change.
const OPEN: usize = 20;
/// Contract nets that are open meanwhile: one participant never answers, so the awards come at this deadline.
const NETS: usize = 4;
const NET_MS: u64 = 6_000;
/// How long an answer may take that will come.
const ANSWER_MS: u64 = 5_000;
/// How long the way back may take, and the calls of contract nets may be on their way.
const RESTORED_MAX: Duration = Duration::from_secs(10);

/// Runs the task.
///
/// # Errors
/// A claim does not hold, or the run could not be made.
pub fn run(options: &Options, claims: &mut Claims) -> Result<(), String> {
    let wants = Wants {
        limits: "restarts_max = 1000000\nrestart_backoff_ms_max = 100\nsettle_ms = 600000\nupgrade_drain_ms = 600000",
        ..Wants::default()
    };
    let mut stage = Stage::set(wants, Folder::new()?)?;
    stage.deploy("clerk", "answer v1")?;
    stage.deploy("silent", "silent")?;
    let open: Vec<String> = (0..OPEN).map(|number| format!("old-{}-{number}", options.seed)).collect();
    let begun = versions(&stage, &open)?;
    claims.judge("conversations begin on v1", all(&begun, "v1"), summary(&begun));

    let url = stage.server.url().to_owned();
    thread::scope(|scope| {
        let nets: Vec<_> = (0..NETS).map(|_| scope.spawn(|| contract_net(&url))).collect();
        called(&stage, OPEN + NETS)?;
        good_version(&mut stage, claims, &open)?;
        bad_version(&mut stage, claims, &open)?;
        let still_open = nets.iter().filter(|net| !net.is_finished()).count();
        rolled_back(&mut stage, claims, &open)?;
        let results: Vec<String> = nets
            .into_iter()
            .map(|net| net.join().unwrap_or_else(|_| Err("panicked".into())).unwrap_or_else(|why| why))
            .collect();
        let found = format!("{}; {still_open} of {NETS} were open when v3 was in", summary(&results));
        claims.judge(
            "contract nets begun on v1 are done by v1",
            all(&results, "v1") && still_open > 0,
            found,
        );
        Ok::<(), String>(())
    })?;
    super::judge_books(&stage, claims)?;
    stage.stop()?;
    stage.finish(options, claims);
    Ok(())
}

/// Waits until the first version has got so many messages.
fn called(stage: &Stage, messages: usize) -> Result<(), String> {
    let (mut client, began) = (stage.client(), Instant::now());
    while began.elapsed() < RESTORED_MAX {
        let agent = client.get("/v1/agents/clerk")?;
        if agent.get("received").and_then(Value::as_u64) >= Some(messages as u64) {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
    Err(format!("the clerk did not get {messages} messages within {} s", RESTORED_MAX.as_secs()))
}

/// The result of a contract net with the clerk, or what else came of it.
fn contract_net(url: &str) -> Result<String, String> {
    let mut client = Client::new(url, Duration::from_millis(3 * NET_MS));
    let call = json!({"participants": ["clerk", "silent"], "task": "count", "work": "one two",
        "deadline-ms": NET_MS, "result-timeout-ms": NET_MS});
    let document = client.post("/v1/contract-nets", &call)?;
    let of = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or("none").to_owned();
    Ok(if of("outcome") == "completed" { of("result") } else { of("outcome") })
}

fn good_version(stage: &mut Stage, claims: &mut Claims, open: &[String]) -> Result<(), String> {
    let applied = stage.apply("clerk", "answer v2")?;
    claims.judge("a good v2 is brought in beside v1", applied.is_success(), said(&applied));
    let (old, new) = (versions(stage, open)?, versions(stage, &fresh("v2"))?);
    claims.judge("conversations begun on v1 go on with v1", all(&old, "v1"), summary(&old));
    claims.judge("new conversations are with v2", all(&new, "v2"), summary(&new));
    Ok(())
}

fn bad_version(stage: &mut Stage, claims: &mut Claims, open: &[String]) -> Result<(), String> {
    let applied = stage.apply("clerk", "bad")?;
    claims.judge("a v3 that begins well and traps later is brought in", applied.is_success(), said(&applied));
    let failed = versions(stage, &fresh("v3"))?;
    claims.judge(
        "its conversations fail and say so",
        failed.iter().all(|it| it.starts_with("CX")),
        summary(&failed),
    );
    let old = versions(stage, open)?;
    claims.judge("conversations begun on v1 go on with v1 beside it", all(&old, "v1"), summary(&old));
    Ok(())
}

fn rolled_back(stage: &mut Stage, claims: &mut Claims, open: &[String]) -> Result<(), String> {
    let began = Instant::now();
    let answer = stage.client().json("POST", "/v1/agents/clerk/rollback", &json!({}))?;
    claims.judge("rollback is done", answer.is_success(), said(&answer));
    let mut tried = 0;
    let restored = loop {
        tried += 1;
        let new = versions(stage, &fresh(&format!("back-{tried}")))?;
        if all(&new, "v2") || began.elapsed() > RESTORED_MAX {
            break new;
        }
        thread::sleep(LOOK);
    };
    let found = format!("{} after {} ms", summary(&restored), began.elapsed().as_millis());
    claims.judge("rollback restores service with v2", all(&restored, "v2"), found);
    let old = versions(stage, open)?;
    claims.judge("conversations begun on v1 finish on v1", all(&old, "v1"), summary(&old));
    Ok(())
}

fn fresh(word: &str) -> Vec<String> {
    (0..OPEN).map(|number| format!("{word}-{number}")).collect()
}

/// Asks one question in each conversation; each answers with the version that handled it, or the code of its failure.
fn versions(stage: &Stage, conversations: &[String]) -> Result<Vec<String>, String> {
    let mut client = stage.client();
    conversations.iter().map(|conversation| ask(&mut client, conversation)).collect()
}

fn ask(client: &mut Client, conversation: &str) -> Result<String, String> {
    // Without a protocol, so that no answer ends the conversation.
    let question = json!({
        "performative": "query-ref", "receiver": ["clerk"], "content": "which version?",
        "conversation-id": conversation, "reply-with": "which",
    });
    let reply = client.json("POST", &format!("/v1/ask?timeout-ms={ANSWER_MS}"), &question)?;
    let document = reply.json();
    let content = document.get("content").and_then(Value::as_str).unwrap_or_default();
    let act = document.get("performative").and_then(Value::as_str);
    Ok(match (reply.is_success(), act) {
        (true, Some("inform")) => content.split_whitespace().next().unwrap_or_default().to_owned(),
        (true, _) => {
            content.find("CX").and_then(|at| content.get(at..at + 6)).unwrap_or("no code").to_owned()
        }
        (false, _) => reply.code().unwrap_or_else(|| reply.status.to_string()),
    })
}

fn all(found: &[String], version: &str) -> bool {
    !found.is_empty() && found.iter().all(|it| it == version)
}

/// `18 v1, 2 CX0313`.
fn summary(found: &[String]) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for it in found {
        *counts.entry(it.as_str()).or_insert(0) += 1;
    }
    let parts: Vec<String> = counts.into_iter().map(|(word, count)| format!("{count} {word}")).collect();
    parts.join(", ")
}

fn said(reply: &Reply) -> String {
    format!("{} {}", reply.status, reply.code().unwrap_or_default())
}
