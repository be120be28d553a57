//! Events and log lines with a cursor, and waiting for what comes next.
//!
//! Who waits holds no thread: rings and conversations wake it. When the server stops, waiting ends with what there is,
//! or with the code that says so.

use std::time::Duration;

use caxton_abi::{Code, Uid};
use caxton_acl::conversation_uid;
use serde::Deserialize;
use tokio::sync::watch;

use super::{
    Admin, Refused,
    documents::{Conversation, EventItem, LogItem, Page},
};
use crate::{
    clock::rfc3339,
    news::{
        events::Event,
        logs::{Line, Source, level_name, level_of},
        ring::{self, Ring},
    },
};

/// Items that a page has at most.
const PAGE_MAX: usize = 1_000;
/// Items that a page has when nothing was asked for.
const PAGE_DEFAULT: usize = 100;
/// The longest that a caller waits.
const WAIT_MS_MAX: u64 = 30_000;
/// Callers that wait for news of the server at once.
pub(crate) const WAITING_MAX: usize = 4_096;
/// How long after the server began to stop its last news are waited for: longer than signals take to arrive.
const LAST_NEWS: Duration = Duration::from_millis(100);

/// The request of `events.list`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct EventsAsked {
    after: u64,
    tail: Option<usize>,
    limit: usize,
    wait_ms: u64,
}

impl Default for EventsAsked {
    fn default() -> Self {
        Self { after: 0, tail: None, limit: PAGE_DEFAULT, wait_ms: 0 }
    }
}

/// The request of `logs.list`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct LogsAsked {
    agent: Option<String>,
    plugin: Option<String>,
    conversation: Option<String>,
    level: Option<String>,
    after: u64,
    tail: Option<usize>,
    limit: usize,
    wait_ms: u64,
}

impl Default for LogsAsked {
    fn default() -> Self {
        Self {
            agent: None,
            plugin: None,
            conversation: None,
            level: None,
            after: 0,
            tail: None,
            limit: PAGE_DEFAULT,
            wait_ms: 0,
        }
    }
}

/// The request of `conversations.get`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ConversationAsked {
    id: String,
    #[serde(default)]
    version: Option<u64>,
    #[serde(default)]
    wait_ms: u64,
}

/// Where a reader begins, how much it takes and how long it waits.
struct Asked {
    after: u64,
    tail: Option<usize>,
    limit: usize,
    wait: Duration,
}

impl Asked {
    fn new(after: u64, tail: Option<usize>, limit: usize, wait_ms: u64) -> Result<Self, Refused> {
        let invalid = |message: String| Err(Refused::new(Code::CONTROL_REQUEST_INVALID, message));
        if limit == 0 {
            return invalid(format!("`limit` is 0, expected 1 to {PAGE_MAX}"));
        }
        if tail.is_some() && after != 0 {
            return invalid("`tail` says where to begin, so `after` must be left out".to_owned());
        }
        let wait = Duration::from_millis(wait_ms.min(WAIT_MS_MAX));
        Ok(Self { after, tail, limit: limit.min(PAGE_MAX), wait })
    }
}

/// Which log lines are wanted.
struct Filter {
    agent: Option<String>,
    plugin: Option<String>,
    conversation: Option<Uid>,
    level: u8,
}

impl Filter {
    fn wants(&self, line: &Line) -> bool {
        let (agent, plugin, conversation) = match &line.source {
            Source::Agent(agent, conversation) => (Some(agent), None, Some(*conversation)),
            Source::Plugin(plugin) => (None, Some(plugin), None),
            Source::Server => (None, None, None),
        };
        line.level >= self.level
            && (self.agent.is_none() || self.agent.as_ref() == agent)
            && (self.plugin.is_none() || self.plugin.as_ref() == plugin)
            && (self.conversation.is_none() || self.conversation == conversation)
    }
}

impl Admin {
    pub(super) async fn list_events(&self, asked: EventsAsked) -> Result<Page<EventItem>, Refused> {
        let EventsAsked { after, tail, limit, wait_ms } = asked;
        let asked = Asked::new(after, tail, limit, wait_ms)?;
        let page = self.page(&self.pump.news().events, &asked, |_| true).await?;
        Ok(document("caxton.event.list/v1", page, event_item))
    }

    pub(super) async fn list_logs(&self, asked: LogsAsked) -> Result<Page<LogItem>, Refused> {
        let LogsAsked { agent, plugin, conversation, level, after, tail, limit, wait_ms } = asked;
        let asked = Asked::new(after, tail, limit, wait_ms)?;
        let unknown = |name: &String| {
            let message = format!("`level` is {name:?}, expected trace, debug, info, warn or error");
            Refused::new(Code::CONTROL_REQUEST_INVALID, message)
        };
        let level = level.map(|name| level_of(&name).ok_or_else(|| unknown(&name))).transpose()?;
        let filter = Filter {
            agent: agent.map(|name| self.full_name(&name)).transpose()?,
            plugin,
            conversation: conversation.map(|id| Uid::from_u128(conversation_uid(&id))),
            level: level.unwrap_or_default(),
        };
        let page = self.page(&self.pump.news().lines, &asked, |line| filter.wants(line)).await?;
        Ok(document("caxton.log.list/v1", page, log_item))
    }

    /// What there is after the cursor, or what comes within the time.
    async fn page<T: Clone>(
        &self,
        ring: &Ring<T>,
        asked: &Asked,
        wanted: impl Fn(&T) -> bool + Send + Sync,
    ) -> Result<ring::Page<T>, Refused> {
        let mut newest = ring.watch();
        let mut after = asked.tail.map_or(asked.after, |count| ring.tail(count, &wanted));
        let page = ring.after(after, asked.limit, &wanted);
        if !page.items.is_empty() || page.lost > 0 || asked.wait.is_zero() {
            return Ok(page);
        }
        let waiting = self.waits(asked.wait)?;
        tokio::pin!(waiting);
        let mut page = page;
        loop {
            after = page.next;
            let over = tokio::select! {
                _ = newest.changed() => None,
                over = &mut waiting => Some(over),
            };
            page = ring.after(after, asked.limit, &wanted);
            match over {
                None if page.items.is_empty() && page.lost == 0 => {}
                Some(Err(stops)) if page.items.is_empty() => return Err(stops),
                _ => return Ok(page),
            }
        }
    }

    /// A conversation, at once or when it differs from the version that the caller has.
    pub(super) async fn watch_conversation(
        self: &std::sync::Arc<Self>,
        asked: ConversationAsked,
    ) -> Result<Conversation, Refused> {
        let ConversationAsked { id, version, wait_ms } = asked;
        let wait = Duration::from_millis(wait_ms.min(WAIT_MS_MAX));
        let uid = Uid::from_u128(conversation_uid(&id));
        let mut changed = self.pump.watch(uid);
        let read = || {
            let id = id.clone();
            self.off_thread(move |admin| admin.get_conversation(&id))
        };
        let found = read().await?;
        if wait.is_zero() || version != Some(found.version) {
            return Ok(found);
        }
        let waiting = self.waits(wait)?;
        let over = tokio::select! {
            _ = changed.changed() => Ok(()),
            over = waiting => over,
        };
        let found = read().await?;
        match over {
            Err(stops) if version == Some(found.version) => Err(stops),
            _ => Ok(found),
        }
    }

    /// Waits until the time is over, or the server stops.
    fn waits(&self, wait: Duration) -> Result<impl Future<Output = Result<(), Refused>> + use<>, Refused> {
        let full = |_| {
            let text = format!("{WAITING_MAX} callers wait for news: ask again later, or without `wait-ms`");
            Refused { retryable: true, ..Refused::new(Code::TOO_MANY_WAITING, text) }
        };
        let place = std::sync::Arc::clone(&self.waiters).try_acquire_owned().map_err(full)?;
        let mut stops: watch::Receiver<bool> = self.readiness.stops();
        Ok(async move {
            let _held = place;
            let stopped = async {
                let _readiness_lives_longer = stops.wait_for(|stops| *stops).await;
            };
            if tokio::time::timeout(wait, stopped).await.is_err() {
                return Ok(());
            }
            tokio::time::sleep(LAST_NEWS).await;
            Err(Refused::new(Code::SHUTTING_DOWN, "the server stops: ask again when it runs"))
        })
    }
}

fn document<T, I>(kind: &'static str, page: ring::Page<T>, item: impl Fn((u64, T)) -> I) -> Page<I> {
    Page { kind, items: page.items.into_iter().map(item).collect(), next: page.next, lost: page.lost }
}

fn event_item((sequence, event): (u64, Event)) -> EventItem {
    EventItem {
        sequence,
        time: rfc3339(event.time),
        event: event.name.as_str(),
        subject: event.subject,
        state: event.state,
        from: event.from,
        revision: event.revision,
        code: (!event.code.is_none()).then(|| event.code.to_string()),
        reason: event.reason,
    }
}

fn log_item((sequence, line): (u64, Line)) -> LogItem {
    let (agent, plugin, conversation) = match line.source {
        Source::Agent(agent, conversation) => (Some(agent), None, Some(conversation)),
        Source::Plugin(plugin) => (None, Some(plugin), None),
        Source::Server => (None, None, None),
    };
    LogItem {
        sequence,
        time: rfc3339(line.time),
        level: level_name(line.level),
        agent,
        plugin,
        conversation: conversation.filter(|id| !id.is_none()).map(|id| id.to_string()),
        line: line.text,
        fields: line.fields,
    }
}

#[cfg(test)]
mod tests;
