//! Agents outside of the server: the router finds them, protocols are told when they are lost, names are theirs.

use std::sync::{Arc, Mutex};

use caxton_abi::{
    Code, EventName, Uid,
    port::{Action, AgentEntry, Observation, RouteUpdate, Unresolved, observed},
};
use caxton_acl::Performative::Cfp;
use caxton_core::{AgentSpec, Protocol, Router, UnderWay, names::symbols};

use crate::rig::*;

fn entry(name: &str, capability: &str) -> AgentEntry {
    AgentEntry {
        name: name.into(),
        capabilities: vec![capability.into()].into(),
        groups: vec!["outside".into()].into(),
        ..AgentEntry::default()
    }
}

fn attach(rig: &Rig, name: &str) -> (u32, Arc<Inbox>) {
    let inbox = Arc::new(Inbox::default());
    (rig.bus.attach(entry(name, "x"), 2, inbox.clone(), rig.now).unwrap(), inbox)
}

/// Writes down who comes and goes.
#[derive(Default)]
struct Register(Mutex<Vec<String>>);

impl Register {
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Router for Register {
    fn agents_changed(&self, changes: &[AgentEntry]) -> Vec<RouteUpdate> {
        let line = |entry: &AgentEntry| {
            let sign = if entry.present { '+' } else { '-' };
            format!("{sign}{} {}", entry.name, entry.capabilities.join(","))
        };
        self.0.lock().unwrap().extend(changes.iter().map(line));
        Vec::new()
    }
    fn resolve(&self, _: &[Unresolved]) -> Vec<RouteUpdate> {
        Vec::new()
    }
}

/// Writes down which losses it is told of.
#[derive(Default)]
struct Losses(Mutex<Vec<(u32, Code)>>);

impl Protocol for Losses {
    fn protocols(&self) -> Vec<String> {
        vec!["fipa-contract-net".to_owned()]
    }
    fn observe(&self, batch: &[Observation], _: u64, _: &mut Vec<Action>) -> Result<(), Code> {
        let lost = batch.iter().filter(|seen| seen.kind == observed::AGENT_LOST);
        self.0.lock().unwrap().extend(lost.map(|seen| (seen.envelope.head.sender, seen.code)));
        Ok(())
    }
    fn timers(&self, _: &[u64], _: u64, _: &mut Vec<Action>) -> Result<(), Code> {
        Ok(())
    }
    fn describe(&self, _: Uid) -> Option<String> {
        None
    }
}

fn losses(rig: &Rig) -> Arc<Losses> {
    let losses = Arc::new(Losses::default());
    rig.bus.set_protocol(1, Some(losses.clone()));
    losses
}

#[test]
fn the_router_is_told_who_is_attached_and_who_left() {
    let rig = Rig::new();
    let (early, _) = attach(&rig, "early");
    let register = Arc::new(Register::default());
    rig.bus.set_router(Some(register.clone()), rig.now);
    let (late, _) = attach(&rig, "late");
    rig.bus.release(early, rig.now);
    rig.bus.detach(late, Code::ATTACHMENT_LOST, rig.now);
    assert_eq!(register.lines(), ["+early@here x", "+late@here x", "-early@here x", "-late@here x"]);
}

#[test]
fn guests_find_an_attached_agent_by_what_it_can_do() {
    let rig = Rig::new();
    let (buyer, _) = attach(&rig, "buyer");
    let find = |name: &str| rig.bus.directory().find(name);
    assert_eq!((find("capability:x"), find("group:outside")), (vec![buyer], vec![buyer]));
    rig.bus.release(buyer, rig.now);
    assert!(find("capability:x").is_empty());
}

#[test]
fn a_name_is_one_agents_inside_or_outside() {
    let rig = Rig::new();
    attach(&rig, "buyer");
    let inside = AgentSpec { name: "buyer".to_owned(), ..AgentSpec::default() };
    let refused = rig.bus.deploy(inside, factory(Hooks::default()), rig.now).unwrap_err();
    assert_eq!(refused.code, Code::AGENT_EXISTS);
    rig.agent("bob", |_, _| Ok(()));
    for taken in ["bob", "buyer", "ams"] {
        let refused = rig.bus.attach(entry(taken, "x"), 2, rig.inbox.clone(), rig.now).unwrap_err();
        assert_eq!(refused.code, Code::AGENT_EXISTS, "{taken}");
    }
}

#[test]
fn a_lost_agent_is_told_to_protocols_once_and_what_waits_for_it_is_dead() {
    let rig = Rig::new();
    let losses = losses(&rig);
    let (buyer, inbox) = attach(&rig, "buyer");
    // The endpoint is busy, so that what follows waits.
    rig.bus.transfer(buyer, Arc::new(Hangs(rig.bus.clone(), buyer, rig.now)), UnderWay::Ends, rig.now);
    let mut cfp = message(rig.client, buyer, Cfp, "first");
    cfp.head.protocol = symbols::CONTRACT_NET;
    rig.submit(cfp);
    assert_eq!(*losses.0.lock().unwrap(), [(buyer, Code::ATTACHMENT_LOST)]);
    assert_eq!(rig.dead(), [Code::ATTACHMENT_LOST]);
    assert!(inbox.got.lock().unwrap().is_empty());
    rig.bus.detach(buyer, Code::ATTACHMENT_LOST, rig.now);
    assert_eq!(losses.0.lock().unwrap().len(), 1);
    let gone = rig.named(EventName::AGENT_DETACHED);
    assert_eq!((gone.len(), gone[0].code), (1, Code::ATTACHMENT_LOST));
}

/// Gets a message, and another one comes and the agent is lost before it is done with it.
struct Hangs(Arc<caxton_core::Bus>, u32, caxton_core::Time);

impl caxton_core::Endpoint for Hangs {
    fn deliver(&self, batch: Vec<caxton_abi::Envelope>) -> Vec<Code> {
        let Self(bus, own, now) = self;
        bus.submit(vec![message(batch[0].head.sender, *own, Cfp, "second")], *now);
        bus.detach(*own, Code::ATTACHMENT_LOST, *now);
        vec![Code::NONE; batch.len()]
    }
}

#[test]
fn an_agent_that_leaves_by_itself_is_not_lost() {
    let rig = Rig::new();
    let losses = losses(&rig);
    let (left, _) = attach(&rig, "left");
    rig.bus.detach(left, Code::NONE, rig.now);
    rig.bus.detach(rig.client, Code::ATTACHMENT_LOST, rig.now);
    assert!(losses.0.lock().unwrap().is_empty(), "an endpoint of its own is no agent");
}

#[test]
fn agents_of_a_server_that_ends_are_not_lost() {
    let rig = Rig::new();
    let losses = losses(&rig);
    let (buyer, _) = attach(&rig, "buyer");
    rig.bus.close(rig.now);
    rig.bus.detach(buyer, Code::PLUGIN_UNAVAILABLE, rig.now);
    assert!(losses.0.lock().unwrap().is_empty());
}

#[test]
fn an_address_that_goes_over_stays_attached_and_may_change_its_labels() {
    let rig = Rig::new();
    let losses = losses(&rig);
    let register = Arc::new(Register::default());
    rig.bus.set_router(Some(register.clone()), rig.now);
    let (buyer, _) = attach(&rig, "buyer");
    let next = Arc::new(Inbox::default());
    assert!(rig.bus.transfer(buyer, next.clone(), UnderWay::Ends, rig.now));
    assert!(rig.bus.relabel(buyer, entry("buyer", "x"), rig.now));
    assert_eq!(register.lines(), ["+buyer@here x"]);
    assert!(rig.bus.relabel(buyer, entry("buyer", "y"), rig.now));
    assert_eq!(register.lines(), ["+buyer@here y"]);
    rig.tell(buyer, "hello");
    assert_eq!(texts(&next.got.lock().unwrap()), ["hello"]);
    assert!(losses.0.lock().unwrap().is_empty());
    assert!(!rig.bus.relabel(rig.address("nobody"), entry("nobody", "x"), rig.now));
}
