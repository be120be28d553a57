//! Calls through the plugin boundary in batches: the boundary's own types, the SDK's adapters and its guard, and a plugin
//! that does next to nothing.

use std::{hint::black_box, sync::Arc};

use caxton_abi::{
    Code, Envelope, Header, Payload, Uid,
    plugin::{CreateArgs, PResult, PluginBox},
    port::{Action, AgentEntry, Observation, RouteUpdate, Unresolved, action, observed, route},
    std_types::{ROption, RSlice, RString, RVec},
};
use caxton_acl::Performative;
use caxton_plugin::{
    Endpoint, Error, Host, NoConfig, Plugin, Ports, Protocol, Router, export, testing::FakeHost,
};

use crate::{
    Failure, Step,
    stage::{content, message},
};

const MANIFEST: &str = r#"{"name": "gate", "version": "0.1.0", "runtime": false}"#;
const BATCH: u32 = 64;

/// One message that is about to be delivered, seen by a protocol.
pub fn observe_one() -> Result<Step, Failure> {
    observe(1)
}

/// A batch of them.
pub fn observe_batch() -> Result<Step, Failure> {
    observe(BATCH)
}

/// A protocol that amends each message.
fn observe(count: u32) -> Result<Step, Failure> {
    let plugin = plugin()?;
    let ROption::RSome(port) = plugin.protocol() else { return Err("no protocol".to_owned()) };
    let content = content();
    let batch: Vec<_> = (0..count).map(|sender| observation(sender, &content)).collect();
    Ok(Box::new(move || {
        let mut actions = RVec::new();
        let answer = port.observe(RSlice::from_slice(&batch), 1, &mut actions);
        done(answer, actions.len(), batch.len())
    }))
}

/// A router that answers a batch of addresses with one target each.
pub fn route_batch() -> Result<Step, Failure> {
    let plugin = plugin()?;
    let ROption::RSome(port) = plugin.router() else { return Err("no router".to_owned()) };
    let name = |address| RString::from(format!("capability:{address}"));
    let waiting: Vec<_> = (1..=BATCH).map(|address| Unresolved { address, name: name(address) }).collect();
    Ok(Box::new(move || {
        let mut routes = RVec::new();
        let answer = port.resolve(RSlice::from_slice(&waiting), &mut routes);
        done(answer, routes.len(), waiting.len())
    }))
}

/// An endpoint that takes a batch of messages.
pub fn deliver_batch() -> Result<Step, Failure> {
    let plugin = plugin()?;
    let ROption::RSome(port) = plugin.endpoint() else { return Err("no endpoint".to_owned()) };
    let content = content();
    let batch: Vec<_> = (0..BATCH).map(|sender| message(sender, 1, Performative::Inform, &content)).collect();
    Ok(Box::new(move || {
        let mut codes = RVec::with_capacity(batch.len());
        let answer = port.deliver(batch.clone().into(), &mut codes);
        done(answer, codes.len(), batch.len())
    }))
}

fn observation(sender: u32, content: &Payload) -> Observation {
    let envelope = message(sender, 1, Performative::Inform, content);
    Observation { kind: observed::MESSAGE, code: Code::NONE, envelope, spared: RVec::new() }
}

fn done(answer: PResult<()>, found: usize, expected: usize) -> Result<(), Failure> {
    answer.into_result().map_err(|error| error.message.to_string())?;
    if found == expected { Ok(()) } else { Err(format!("{found} answers instead of {expected}")) }
}

/// Takes a plugin out of the answer of its creation.
///
/// # Errors
/// It could not be created.
pub fn created(answer: PResult<PluginBox>) -> Result<PluginBox, Failure> {
    answer.into_result().map_err(|error| error.message.to_string())
}

fn plugin() -> Result<PluginBox, Failure> {
    let host = FakeHost::new().boxed();
    let args = CreateArgs { instance: "gate".into(), config: "{}".into(), host, worker_threads: 0 };
    created(export::create::<Neighbour>(args, MANIFEST))
}

/// Has an answer for everything.
struct Neighbour;

/// The ports need an object of their own.
struct Answers;

impl Plugin for Neighbour {
    type Config = NoConfig;

    fn create(_host: Host, _config: NoConfig) -> Result<Self, Error> {
        Ok(Self)
    }

    fn ports(self: &Arc<Self>) -> Ports {
        let answers = Arc::new(Answers);
        Ports {
            endpoint: Some(answers.clone()),
            router: Some(answers.clone()),
            protocol: Some(answers),
            ..Ports::default()
        }
    }
}

impl Endpoint for Answers {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        vec![Code::NONE; black_box(batch).len()]
    }
}

impl Router for Answers {
    fn agents_changed(&self, _changes: &[AgentEntry]) -> Vec<RouteUpdate> {
        Vec::new()
    }

    fn resolve(&self, waiting: &[Unresolved]) -> Vec<RouteUpdate> {
        let update = |one: &Unresolved| RouteUpdate {
            address: one.address,
            mode: route::ONE,
            targets: vec![one.address].into(),
        };
        waiting.iter().map(update).collect()
    }
}

impl Protocol for Answers {
    fn protocols(&self) -> Vec<String> {
        Vec::new()
    }

    fn observe(&self, batch: &[Observation], _now_ms: u64, out: &mut Vec<Action>) {
        out.extend((0..).zip(batch).map(|(index, _)| amend(index)));
    }

    fn timers(&self, _tokens: &[u64], _now_ms: u64, _out: &mut Vec<Action>) {}

    fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }

    fn restore(&self, _snapshot: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn describe(&self, _conversation: Uid) -> Option<serde_json::Value> {
        None
    }
}

fn amend(index: u32) -> Action {
    Action {
        kind: action::AMEND,
        flags: 0,
        code: Code::NONE,
        index,
        token: 0,
        time_ms: 1,
        envelope: Envelope::new(Header::default(), Payload::EMPTY),
        text: RString::new(),
    }
}
