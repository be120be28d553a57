//! `attachments.*`: clients that are agents.
//!
//! ```text
//!   attachments.open ──▶ Host::attach          Endpoint::deliver ──▶ queue ──▶ attachments.receive
//!   attachments.send ──▶ Host::submit in the agent's name, its own words kept for the answers
//!   no receive within the lease ──▶ Host::detach(ATTACHMENT_LOST); what it did not acknowledge goes back to its senders
//! ```
//!
//! A message that the queue took counts as delivered. When the agent is gone, the sender of each one that was not
//! acknowledged is told by a refuse (of a call) or a failure with the code; what belongs to a protocol beyond that is the
//! protocol's business, which learns that the agent is lost (ruling F7).

mod attached;
mod document;
mod request;
mod secret;
mod words;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use attached::{Attached, Bounds, Profile};
use caxton_acl::{Performative, from_json_with};
use caxton_plugin::{
    Code, Envelope, Error, Payload, Uid,
    asking::{Delivery, MESSAGES_MAX, Outgoing, Sender, delivery, full_name},
    flags, reply,
};
use request::{Named, Nothing, Open, Receive, Send};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    document::{PAGE_BYTES_MAX, id, invalid, limit, read, wait_ms, within},
    news::{self, Look},
    shared::{Shared, lock},
};

/// The lease when nobody says.
const LEASE_MS: u64 = 30_000;
/// Messages that may wait when nobody says.
const QUEUE_MESSAGES_MAX: usize = 1024;

/// All attached agents.
#[derive(Default)]
pub(crate) struct Attachments {
    entries: Mutex<HashMap<Uid, Entry>>,
    /// From address to id.
    addresses: Mutex<HashMap<u32, Uid>>,
    /// Held while a name is taken or given back, so that who learns that an agent left can attach under its name.
    names: Mutex<()>,
}

struct Entry {
    agent: Attached,
    news: Arc<Notify>,
}

impl Attachments {
    /// Who is attached.
    pub(crate) fn list(&self) -> Vec<Profile> {
        lock(&self.entries).values().map(|entry| entry.agent.profile.clone()).collect()
    }

    /// Takes a message for an attached agent; [`Code::UNKNOWN_RECEIVER`] when its receiver is none.
    pub(crate) fn deliver(&self, shared: &Shared, message: Envelope) -> Code {
        let Some(id) = lock(&self.addresses).get(&message.head.receiver).copied() else {
            return Code::UNKNOWN_RECEIVER;
        };
        let mut entries = lock(&self.entries);
        let waiting: usize = entries.values().map(|entry| entry.agent.bytes()).sum();
        if waiting.saturating_add(message.content.len()) > shared.config.queues_bytes_max && waiting > 0 {
            return Code::MAILBOX_FULL;
        }
        let Some(entry) = entries.get_mut(&id) else { return Code::UNKNOWN_RECEIVER };
        let code = entry.agent.take(message);
        entry.news.notify_waiters();
        code
    }

    fn with<T>(&self, id: Uid, change: impl FnOnce(&mut Entry) -> T) -> Result<T, Error> {
        lock(&self.entries).get_mut(&id).map(change).ok_or_else(unknown)
    }

    fn insert(&self, agent: Attached) {
        lock(&self.addresses).insert(agent.address, agent.id);
        lock(&self.entries).insert(agent.id, Entry { agent, news: Arc::default() });
    }

    fn remove(&self, id: Uid) -> Option<Attached> {
        let entry = lock(&self.entries).remove(&id)?;
        lock(&self.addresses).remove(&entry.agent.address);
        entry.news.notify_waiters();
        Some(entry.agent)
    }

    /// Lets everybody who waits for messages look again.
    pub(crate) fn wake(&self) {
        lock(&self.entries).values().for_each(|entry| entry.news.notify_waiters());
    }

    /// The next moment at which somebody may be lost.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        lock(&self.entries).values().filter_map(|entry| entry.agent.until_ms()).min()
    }

    /// Loses those who did not ask in time.
    pub(crate) fn expire(&self, shared: &Shared, now_ms: u64) {
        let late = |entry: &&Entry| entry.agent.until_ms().is_some_and(|until| until <= now_ms);
        let late: Vec<Uid> = lock(&self.entries).values().filter(late).map(|entry| entry.agent.id).collect();
        for id in late {
            self.end(shared, id, Code::ATTACHMENT_LOST);
        }
    }

    /// Detaches everybody.
    pub(crate) fn stop(&self, shared: &Shared) {
        let all: Vec<Uid> = lock(&self.entries).keys().copied().collect();
        for id in all {
            self.end(shared, id, Code::AGENT_STOPPED);
        }
    }

    /// Ends an attachment: what was not acknowledged goes back, then the name, and what it promised is void.
    fn end(&self, shared: &Shared, id: Uid, code: Code) -> Option<Value> {
        let _names = lock(&self.names);
        let agent = self.remove(id)?;
        let (address, last) = (agent.address, document::own(&agent));
        if code == Code::ATTACHMENT_LOST {
            tracing::warn!(
                agent = agent.profile.name,
                queued = agent.queued(),
                "lost, it did not ask in time"
            );
        }
        // A refused notice is recorded by the server; there is nobody else to tell.
        shared.host.submit(agent.left().flat_map(|message| returned(&message, code)).collect());
        shared.host.detach(address, code);
        Some(last)
    }
}

/// What the sender of a message is told that the agent did not read.
fn returned(message: &Envelope, code: Code) -> Vec<Envelope> {
    use Performative::{AcceptProposal, Cfp, Failure, NotUnderstood, Refuse, RejectProposal};
    let Some(act) = Performative::from_code(message.head.performative) else { return Vec::new() };
    let ends = matches!(act, Failure | NotUnderstood | Refuse | RejectProposal);
    let asks = act.expects_reply() || act == AcceptProposal;
    let protocols_business = message.head.protocol != 0 && !asks;
    if ends || protocols_business || message.head.flags & flags::PLATFORM != 0 {
        return Vec::new();
    }
    let content = json!({"code": code.to_string(), "reason": code.slug()}).to_string();
    reply(message, if act == Cfp { Refuse } else { Failure }, Payload::from(content))
}

fn unknown() -> Error {
    Error::new(
        Code::ATTACHMENT_UNKNOWN,
        "no agent is attached under that id: it left, or did not ask in time; attach it again",
    )
}

/// Answers a verb of the family.
pub(crate) async fn invoke(shared: &Arc<Shared>, verb: &str, request: &Payload) -> Result<Value, Error> {
    match verb {
        "attachments.open" => open(shared, read(request)?),
        "attachments.list" => read(request).map(|Nothing {}| list(shared)),
        "attachments.receive" => receive(shared, &read(request)?).await,
        "attachments.send" => send(shared, read(request)?).await,
        "attachments.close" => {
            let named: Named = read(request)?;
            let id = id(&named.id)?;
            shared.attachments.with(id, |entry| entry.agent.acknowledge_given())?;
            shared.attachments.end(shared, id, Code::AGENT_STOPPED).ok_or_else(unknown)
        }
        other => Err(Error::unknown_verb(other)),
    }
}

fn open(shared: &Shared, request: Open) -> Result<Value, Error> {
    shared.open()?;
    let (host, config, agents) = (&shared.host, &shared.config, &shared.attachments);
    let lease_ms = request.lease_ms.unwrap_or(LEASE_MS.clamp(config.lease_ms_min, config.lease_ms_max));
    let lease_ms = within("lease-ms", lease_ms, config.lease_ms_min, config.lease_ms_max)?;
    let messages_max = config.queue_messages_max;
    let asked = request.queue_messages_max.unwrap_or(QUEUE_MESSAGES_MAX.min(messages_max));
    within("queue-messages-max", asked as u64, 1, messages_max as u64)?;
    if request.name.contains(':') {
        return Err(Error::new(
            Code::NAME_INVALID,
            format!("`{}` names many; attach under one name", request.name),
        ));
    }
    let name = full_name(host, &request.name);
    let Some(address) = host.address(&name) else {
        return Err(Error::from(Code::NAME_INVALID));
    };
    let _names = lock(&agents.names);
    if agents.list().len() >= config.attachments_max {
        let message =
            format!("{} agents are attached, which is the limit (attachments_max)", config.attachments_max);
        return Err(Error::new(Code::AGENT_LIMIT, message));
    }
    if lock(&agents.addresses).contains_key(&address) {
        return Err(Error::new(Code::AGENT_EXISTS, format!("an agent is attached as `{name}` already")));
    }
    let Open { capabilities, groups, .. } = request;
    let profile = Profile { name, capabilities, groups, lease_ms, since_ms: shared.now_ms() };
    let agent = Attached::new(
        secret::id()?,
        address,
        profile.clone(),
        Bounds { messages_max: asked, bytes_max: config.queue_bytes_max },
    );
    let (id, document) = (agent.id, document::own(&agent));
    // Known before the server knows it, because messages may wait for the name.
    agents.insert(agent);
    match host.attach(&profile.name, &profile.capabilities, &profile.groups) {
        Ok(_) => Ok(document),
        Err(error) => {
            agents.remove(id);
            Err(error)
        }
    }
}

fn list(shared: &Shared) -> Value {
    let entries = lock(&shared.attachments.entries);
    let mut agents: Vec<&Attached> = entries.values().map(|entry| &entry.agent).collect();
    agents.sort_by(|one, other| one.profile.name.cmp(&other.profile.name));
    let items: Vec<Value> = agents.into_iter().map(document::listed).collect();
    json!({"kind": "caxton.attachment.list/v1", "items": items})
}

/// A caller who asks for messages; the lease runs again when it has its answer or leaves.
struct Asking<'a> {
    shared: &'a Shared,
    id: Uid,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        // One that is gone has no lease.
        let _ = self.shared.attachments.with(self.id, |entry| entry.agent.asked(self.shared.now_ms()));
    }
}

async fn receive(shared: &Shared, request: &Receive) -> Result<Value, Error> {
    let (id, wait_ms) = (id(&request.id)?, wait_ms(&shared.config, request.wait_ms)?);
    let limit = limit(request.limit)?;
    let agents = &shared.attachments;
    let (news, acknowledged) = agents.with(id, |entry| {
        entry.agent.ask();
        (entry.news.clone(), entry.agent.acknowledge(request.after))
    })?;
    let _asking = Asking { shared, id };
    if !acknowledged {
        let message = format!("`after` is {}, which was not handed out yet", request.after);
        return Err(invalid(message));
    }
    let look = || {
        let items = agents.with(id, |entry| {
            let agent = &mut entry.agent;
            let given = agent.give(request.after, limit, PAGE_BYTES_MAX).into_iter();
            let item =
                |(sequence, message)| document::message(&shared.host, &agent.words, sequence, &message);
            given.map(item).collect::<Result<Vec<Value>, Error>>()
        })??;
        let next =
            items.last().map_or(request.after, |item| item["sequence"].as_u64().unwrap_or(request.after));
        let none = items.is_empty();
        let found = json!({"kind": "caxton.message.list/v1", "items": items, "next": next});
        Ok(if none { Look::Nothing(found) } else { Look::News(found) })
    };
    news::until(shared, &news, wait_ms, look).await
}

async fn send(shared: &Shared, request: Send) -> Result<Value, Error> {
    let id = id(&request.id)?;
    let (address, name) =
        shared.attachments.with(id, |entry| (entry.agent.address, entry.agent.profile.name.clone()))?;
    if request.messages.is_empty() || request.messages.len() > MESSAGES_MAX {
        let found = request.messages.len();
        return Err(invalid(format!("`messages` has {found} messages, expected 1 to {MESSAGES_MAX}")));
    }
    let messages = request.messages.iter();
    let read: Vec<Result<Outgoing, Error>> =
        messages.map(|message| outgoing(shared, address, &name, message)).collect();
    // Before they go out, because an answer may come at once.
    shared.attachments.with(id, |entry| {
        read.iter().flatten().for_each(|outgoing| entry.agent.words.keep(outgoing));
    })?;
    let results = shared.asking.send_read(read).await?;
    let sent = results.iter().filter(|result| result.is_ok()).count() as u64;
    // One that is gone meanwhile has nobody who asks how much it sent.
    let _ = shared.attachments.with(id, |entry| entry.agent.sent += sent);
    Ok(document::accepted(&results))
}

/// A message in the agent's name; it may name itself as the sender.
fn outgoing(shared: &Shared, address: u32, name: &str, message: &Value) -> Result<Outgoing, Error> {
    let (mut message, beside) = from_json_with(message.to_string(), shared.host.now_ms(), delivery::KEYS)?;
    if message.sender.as_ref().is_some_and(|own| full_name(&shared.host, own.name()) == name) {
        message.sender = None;
    }
    let delivery = Delivery::of(&message, beside)?;
    let number = shared.asking.number();
    Sender { host: &shared.host, address, number, trace: None }.outgoing(message, delivery)
}
