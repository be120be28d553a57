//! Names, routes, waiting addresses and endpoints.

use std::sync::Arc;

use caxton_abi::{
    Code, Extra,
    port::{AgentEntry, RouteUpdate, Unresolved, route},
    std_types::{RArc, ROption},
};
use caxton_acl::Performative::Inform;
use caxton_core::{AgentSpec, Limits, Router};

use crate::rig::*;

fn program(rig: &Rig, address: u32, mode: u8, targets: &[u32]) {
    rig.bus.program(vec![RouteUpdate { address, mode, targets: targets.to_vec().into() }], rig.now);
}

#[test]
fn messages_wait_for_an_address_and_arrive_in_order_when_it_is_resolved() {
    let rig = Rig::new();
    let label = rig.address("capability:x");
    for word in ["1", "2", "3"] {
        rig.tell(label, word);
    }
    assert_eq!(rig.bus.accounting().in_flight, 3);
    program(&rig, label, route::ONE, &[rig.client]);
    rig.tell(label, "4");
    assert_eq!(texts(&rig.got()), ["1", "2", "3", "4"]);
}

#[test]
fn messages_wait_for_an_agent_that_comes_later() {
    let rig = Rig::new();
    let bob = rig.address("bob");
    rig.tell(bob, "early");
    rig.agent("bob", |_, _| Ok(()));
    rig.run();
    assert_eq!(rig.bus.agent("bob").unwrap().received, 1);
}

#[test]
fn what_nobody_resolves_in_time_is_a_dead_letter() {
    let mut rig = Rig::with(Limits { pending_ms_max: 50, ..Limits::default() });
    rig.tell(rig.address("nobody"), "x");
    rig.later(49);
    assert!(rig.dead().is_empty());
    rig.later(1);
    assert_eq!(rig.dead(), [Code::UNKNOWN_RECEIVER]);
    assert_eq!(failure_code(&rig.got()[0]), "CX0302");
}

#[test]
fn an_address_without_a_name_is_refused() {
    let rig = Rig::new();
    assert_eq!(rig.tell(123_456, "x").code, Code::UNKNOWN_RECEIVER);
}

struct Nobody;

impl Router for Nobody {
    fn agents_changed(&self, _: &[AgentEntry]) -> Vec<RouteUpdate> {
        Vec::new()
    }
    fn resolve(&self, waiting: &[Unresolved]) -> Vec<RouteUpdate> {
        let none = |entry: &Unresolved| RouteUpdate {
            address: entry.address,
            mode: route::NONE,
            ..RouteUpdate::default()
        };
        waiting.iter().map(none).collect()
    }
}

#[test]
fn what_the_router_does_not_know_fails_at_once() {
    let rig = Rig::new();
    rig.bus.set_router(Some(Arc::new(Nobody)), rig.now);
    rig.tell(rig.address("nobody"), "x");
    assert_eq!(rig.dead(), [Code::UNKNOWN_RECEIVER]);
}

#[test]
fn a_router_that_comes_late_is_asked_for_what_waits() {
    let rig = Rig::new();
    rig.tell(rig.address("nobody"), "x");
    rig.bus.set_router(Some(Arc::new(Nobody)), rig.now);
    assert_eq!(rig.dead(), [Code::UNKNOWN_RECEIVER]);
}

#[test]
fn a_group_gets_a_copy_each_with_an_id_of_its_own() {
    let rig = Rig::new();
    let second = Arc::new(Inbox::default());
    let other = rig.bus.claim("other", 1, second.clone(), rig.now).unwrap();
    let group = rig.address("group:g");
    program(&rig, group, route::ALL, &[rig.client, other]);
    let outcome = rig.tell(group, "x");
    let (mine, theirs) = (rig.got(), second.got.lock().unwrap().clone());
    assert_eq!(mine[0].head.id, outcome.id);
    assert_ne!(theirs[0].head.id, outcome.id);
    assert_eq!((mine[0].head.receiver, theirs[0].head.receiver), (rig.client, other));
    assert_eq!(rig.bus.accounting().accepted, 2);
}

#[test]
fn a_capability_is_served_in_turn_by_those_that_have_room() {
    let rig = Rig::new();
    let small = |name| AgentSpec { mailbox_messages_max: Some(2), ..spec(name) };
    let (a, b) = (rig.deploy_as(small("a"), Hooks::default()), rig.deploy_as(small("b"), Hooks::default()));
    let label = rig.address("capability:x");
    program(&rig, label, route::ANY, &[a, b]);
    let codes: Vec<_> = (0..5).map(|_| rig.tell(label, "x").code).collect();
    assert_eq!(codes, [Code::NONE, Code::NONE, Code::NONE, Code::NONE, Code::MAILBOX_FULL]);
    let depth = |name| rig.bus.agent(name).unwrap().mailbox_messages;
    assert_eq!((depth("a"), depth("b")), (2, 2));
}

#[test]
fn a_route_that_leads_to_itself_ends() {
    let rig = Rig::new();
    let ring = rig.address("route:ring");
    program(&rig, ring, route::ALL, &[ring, ring]);
    rig.tell(ring, "x");
    assert!(rig.dead().iter().all(|code| *code == Code::HOP_LIMIT));
}

#[test]
fn copies_beyond_the_bound_are_one_dead_letter_and_the_sender_is_told() {
    let rig = Rig::with(Limits { route_copies_max: 2, ..Limits::default() });
    let group = rig.address("group:g");
    let nobody = rig.address("nobody");
    program(&rig, group, route::ALL, &[rig.client, rig.client, nobody, nobody]);
    rig.tell(group, "x");
    assert_eq!(rig.dead(), [Code::TOO_MANY_RECEIVERS]);
    assert_eq!(failure_code(&rig.got()[2]), "CX0304");
}

#[test]
fn a_message_of_an_edge_goes_to_every_receiver() {
    let rig = Rig::new();
    let second = Arc::new(Inbox::default());
    let other = rig.bus.claim("other", 1, second.clone(), rig.now).unwrap();
    let mut both = message(rig.client, 0, Inform, "x");
    let receivers = vec![rig.client, other].into();
    both.extra = ROption::RSome(RArc::new(Extra { receivers, ..Extra::default() }));
    rig.submit(both);
    assert_eq!((rig.got().len(), second.got.lock().unwrap().len()), (1, 1));
}

#[test]
fn what_an_endpoint_refuses_is_a_dead_letter_with_its_code_when_the_code_is_known() {
    let rig = Rig::new();
    let picky = Arc::new(Inbox::default());
    let address = rig.bus.claim("picky", 9, picky.clone(), rig.now).unwrap();
    for code in [Code::MEDIA_TYPE, Code(9_999)] {
        *picky.answer.lock().unwrap() = code;
        rig.tell(address, "x");
    }
    assert_eq!(rig.dead(), [Code::MEDIA_TYPE, Code::REFUSED_BY_ENDPOINT]);
    assert_eq!(failure_code(&rig.got()[0]), "CX0606");
    assert_eq!(rig.bus.owner_of(address), Some(9));
}

#[test]
fn a_released_address_is_unknown_and_can_be_claimed_again() {
    let rig = Rig::new();
    rig.bus.release(rig.client, rig.now);
    assert_eq!(rig.bus.owner_of(rig.client), None);
    let again = rig.bus.claim("client", 2, rig.inbox.clone(), rig.now).unwrap();
    assert_eq!(again, rig.client);
}

#[test]
fn a_name_is_taken_once() {
    let rig = Rig::new();
    rig.agent("bob", |_, _| Ok(()));
    let claimed = rig.bus.claim("bob", 1, rig.inbox.clone(), rig.now);
    assert_eq!(claimed.unwrap_err().code, Code::AGENT_EXISTS);
}

#[test]
fn names_of_the_platform_and_of_the_router_are_nobodys() {
    let rig = Rig::new();
    let deploy = |name| rig.bus.deploy(spec(name), factory(Hooks::default()), rig.now).unwrap_err().code;
    let claim = |name| rig.bus.claim(name, 1, rig.inbox.clone(), rig.now).unwrap_err().code;
    for name in ["ams", "ams@here"] {
        assert_eq!((deploy(name), claim(name)), (Code::AGENT_EXISTS, Code::AGENT_EXISTS), "{name}");
    }
    for name in ["group:x", "capability:x", "group:x@here"] {
        assert_eq!((deploy(name), claim(name)), (Code::NAME_INVALID, Code::NAME_INVALID), "{name}");
    }
}

#[test]
fn the_directory_finds_members_in_the_order_in_which_they_came() {
    let rig = Rig::new();
    rig.address("b");
    let deploy = |name| {
        let groups = vec!["g".to_owned()];
        rig.deploy_as(AgentSpec { groups, ..spec(name) }, Hooks::default())
    };
    let (a, b) = (deploy("a"), deploy("b"));
    let directory = rig.bus.directory();
    assert_eq!(directory.find("group:g"), [a, b]);
    assert_eq!(directory.find("a"), [a]);
    assert_eq!(directory.resolve("a@here"), Some(a));
    assert_eq!(directory.resolve("nobody"), None);
    assert_eq!(directory.name_of(a).unwrap(), "a@here");
}

#[test]
fn nobody_sends_without_a_sender() {
    let rig = Rig::new();
    let forged = message(0, rig.client, Inform, "x");
    assert_eq!(rig.submit(forged).code, Code::SENDER_FORGED);
}
