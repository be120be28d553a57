//! `jobs.*`: one agent is asked many times while the caller does something else.
//!
//! ```text
//!   jobs.create ──▶ Job (pure) ── next ──▶ attempts, `concurrency` at a time ──▶ Correspondent::ask_stream ──▶ ended
//!   jobs.get, jobs.results ◀── news of the job
//! ```
//!
//! Everything is in memory and bounded: jobs, their items, and the bytes of contents and results. An item for whose
//! result there is no room is not asked; it fails and can be resumed. A cancelled item's agent gets a FIPA `cancel`; what it
//! answers later becomes a dead letter.

mod document;
mod drive;
mod job;
mod request;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use caxton_plugin::{Code, Error, Payload, Uid};
use drive::drive;
use job::{Attempt, Ended, Job, Order, State};
use request::{Create, Get, List, Named, Results};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::{
    document::{id, invalid, limit, read, wait_ms},
    news::{self, Look},
    shared::{Shared, lock},
};

/// All jobs.
#[derive(Default)]
pub(crate) struct Jobs {
    entries: Mutex<HashMap<Uid, Entry>>,
}

struct Entry {
    job: Job,
    news: Arc<Notify>,
    /// True once the attempts that are under way are to be cancelled.
    cancel: watch::Sender<bool>,
}

impl Entry {
    fn new(job: Job) -> Self {
        Self { job, news: Arc::default(), cancel: watch::Sender::new(false) }
    }
}

/// One attempt with what it needs.
struct Run {
    attempt: Attempt,
    order: Order,
    cancel: watch::Receiver<bool>,
}

impl Jobs {
    /// Does something with a job, and tells who waits for its news.
    fn with<T>(&self, job: Uid, change: impl FnOnce(&mut Entry) -> T) -> Result<T, Error> {
        let mut entries = lock(&self.entries);
        let entry = entries.get_mut(&job).ok_or_else(|| unknown(job))?;
        let before = entry.job.version;
        let changed = change(entry);
        if entry.job.version != before {
            entry.news.notify_waiters();
        }
        Ok(changed)
    }

    /// The next attempt of a job that may be made. Those for whose results there is no room end at once.
    fn next(&self, shared: &Shared, job: Uid) -> Option<Run> {
        if shared.drains() {
            return None;
        }
        let mut entries = lock(&self.entries);
        let mut left = shared.config.items_kept_bytes_max.saturating_sub(bytes(&entries));
        let entry = entries.get_mut(&job)?;
        while let Some(attempt) = entry.job.next() {
            entry.news.notify_waiters();
            if left > 0 {
                let cancel = entry.cancel.subscribe();
                return Some(Run { attempt, order: entry.job.order.clone(), cancel });
            }
            let full = Ended::without_answer(State::Failed, Code::JOBS_FULL, None);
            entry.job.ended(attempt.index, attempt.number, full, shared.now_ms());
            left = 0;
        }
        None
    }

    /// How many attempts of all jobs are under way.
    pub(crate) fn running(&self) -> usize {
        lock(&self.entries).values().map(|entry| entry.job.count(State::Running)).sum()
    }

    /// Lets everybody who waits for news look again.
    pub(crate) fn wake(&self) {
        lock(&self.entries).values().for_each(|entry| entry.news.notify_waiters());
    }

    /// Forgets what was kept long enough.
    pub(crate) fn expire(&self, now_ms: u64) {
        let kept = |entry: &Entry| entry.job.expires_ms().is_none_or(|expires| expires > now_ms);
        let mut entries = lock(&self.entries);
        entries.retain(|_, entry| {
            let kept = kept(entry);
            if !kept {
                entry.news.notify_waiters();
            }
            kept
        });
    }

    /// Cancels every attempt that is under way.
    pub(crate) fn stop(&self, now_ms: u64) {
        for entry in lock(&self.entries).values_mut() {
            entry.job.cancel(now_ms);
            entry.cancel.send_replace(true);
            entry.news.notify_waiters();
        }
    }
}

fn bytes(entries: &HashMap<Uid, Entry>) -> usize {
    entries.values().map(|entry| entry.job.bytes()).sum()
}

fn unknown(job: Uid) -> Error {
    Error::new(Code::JOB_UNKNOWN, format!("no job {job} is known, or it was kept as long as it had to be"))
}

/// Answers a verb of the family.
pub(crate) async fn invoke(shared: &Arc<Shared>, verb: &str, request: &Payload) -> Result<Value, Error> {
    shared.jobs.expire(shared.now_ms());
    match verb {
        "jobs.create" => create(shared, read(request)?),
        "jobs.list" => list(shared, &read(request)?),
        "jobs.get" => get(shared, &read(request)?).await,
        "jobs.results" => results(shared, &read(request)?).await,
        "jobs.cancel" => cancel(shared, &read(request)?),
        "jobs.resume" => resume(shared, &read(request)?),
        "jobs.delete" => delete(shared, &read(request)?),
        other => Err(Error::unknown_verb(other)),
    }
}

fn create(shared: &Arc<Shared>, request: Create) -> Result<Value, Error> {
    shared.open()?;
    let job = request.id.as_deref().map_or_else(|| Ok(shared.host.mint()), id)?;
    let (order, tasks) = request.order(shared)?;
    let made = Job::new(job, order, tasks, shared.now_ms());
    let mut entries = lock(&shared.jobs.entries);
    if let Some(known) = entries.get(&job) {
        if known.job.order.digest == made.order.digest {
            return Ok(document::job(&known.job));
        }
        let message = format!("another job with the id {job} was created before; its contents differ");
        return Err(Error::new(Code::ID_CONFLICT, message));
    }
    room(shared, &entries, &made)?;
    let document = document::job(&made);
    entries.insert(job, Entry::new(made));
    drop(entries);
    tokio::spawn(drive(shared.clone(), job));
    Ok(document)
}

/// # Errors
/// [`Code::JOBS_FULL`] with the bound that is met.
fn room(shared: &Shared, entries: &HashMap<Uid, Entry>, job: &Job) -> Result<(), Error> {
    let items: usize = entries.values().map(|entry| entry.job.total()).sum();
    let config = &shared.config;
    let bounds = [
        ("jobs_max", entries.len() + 1, config.jobs_max),
        ("items_kept_max", items + job.total(), config.items_kept_max),
        ("items_kept_bytes_max", bytes(entries) + job.bytes(), config.items_kept_bytes_max),
    ];
    match bounds.into_iter().find(|(_, would, max)| would > max) {
        Some((key, would, max)) => {
            let message = format!(
                "with this job it would be {would}, and {key} is {max}; delete jobs that are over, or send a smaller one"
            );
            Err(Error::new(Code::JOBS_FULL, message))
        }
        None => Ok(()),
    }
}

fn list(shared: &Shared, request: &List) -> Result<Value, Error> {
    let limit = limit(request.limit)?;
    let entries = lock(&shared.jobs.entries);
    let mut jobs: Vec<&Job> = entries.values().map(|entry| &entry.job).collect();
    jobs.sort_by_key(|job| std::cmp::Reverse((job.created_ms, job.id.to_u128())));
    let items: Vec<Value> = jobs.into_iter().take(limit).map(document::job).collect();
    Ok(json!({"kind": "caxton.job.list/v1", "items": items}))
}

async fn get(shared: &Shared, request: &Get) -> Result<Value, Error> {
    let (job, wait_ms) = (id(&request.id)?, wait_ms(&shared.config, request.wait_ms)?);
    let news = shared.jobs.with(job, |entry| entry.news.clone())?;
    let look = || {
        shared.jobs.with(job, |entry| {
            let found = document::job(&entry.job);
            if request.version == Some(entry.job.version) { Look::Nothing(found) } else { Look::News(found) }
        })
    };
    news::until(shared, &news, wait_ms, look).await
}

async fn results(shared: &Shared, request: &Results) -> Result<Value, Error> {
    let (job, wait_ms) = (id(&request.id)?, wait_ms(&shared.config, request.wait_ms)?);
    let (limit, state) = (limit(request.limit)?, request.state()?);
    let news = shared.jobs.with(job, |entry| entry.news.clone())?;
    let look = || {
        shared.jobs.with(job, |entry| match document::results(&entry.job, request.after, limit, state) {
            (found, true) => Look::News(found),
            (found, false) => Look::Nothing(found),
        })
    };
    news::until(shared, &news, wait_ms, look).await
}

fn cancel(shared: &Shared, request: &Named) -> Result<Value, Error> {
    let job = id(&request.id)?;
    shared.jobs.with(job, |entry| {
        if !entry.job.cancel(shared.now_ms()) {
            return Err(Error::new(
                Code::JOB_OVER,
                format!("the job {job} has ended; there is nothing to cancel"),
            ));
        }
        entry.cancel.send_replace(true);
        Ok(document::job(&entry.job))
    })?
}

fn resume(shared: &Arc<Shared>, request: &Named) -> Result<Value, Error> {
    shared.open()?;
    let job = id(&request.id)?;
    let document = shared.jobs.with(job, |entry| {
        if !entry.job.resume() {
            let message =
                format!("the job {job} is being cancelled; resume it when its state is `cancelled`");
            return Err(Error::new(Code::CANCELLED, message));
        }
        entry.cancel.send_replace(false);
        Ok(document::job(&entry.job))
    })??;
    tokio::spawn(drive(shared.clone(), job));
    Ok(document)
}

fn delete(shared: &Shared, request: &Named) -> Result<Value, Error> {
    let job = id(&request.id)?;
    let mut entries = lock(&shared.jobs.entries);
    let entry = entries.get(&job).ok_or_else(|| unknown(job))?;
    if !entry.job.is_over() {
        return Err(invalid(format!("the job {job} is not over; cancel it first")));
    }
    let document = document::job(&entry.job);
    if let Some(entry) = entries.remove(&job) {
        entry.news.notify_waiters();
    }
    Ok(document)
}
