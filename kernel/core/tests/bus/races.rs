//! Agents and routes that change at the same moment: the interleavings that once lost an agent, and threads at chance.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use caxton_abi::{
    Code, Envelope,
    port::{AgentEntry, RouteUpdate, Unresolved, route},
};
use caxton_acl::Performative::Cfp;
use caxton_core::{
    Bus, Limits, Router, Time,
    agent::{AgentBody, BodyFactory, Fault, Start, Turn},
    names::symbols,
};

use crate::{monitoring::watch, rig::*};

fn nowhere(address: u32) -> Vec<RouteUpdate> {
    vec![RouteUpdate { address, mode: route::NONE, ..RouteUpdate::default() }]
}

#[test]
fn a_routers_answer_in_the_middle_of_a_deployment_leaves_the_agent_reachable() {
    let rig = Rig::new();
    let bob = rig.address("bob");
    let (bus, now) = (Arc::downgrade(&rig.bus), rig.now);
    watch(&rig, move |_, _| {
        bus.upgrade().unwrap().program(nowhere(bob), now);
        Vec::new()
    });
    let mut early = message(rig.client, bob, Cfp, "early");
    early.head.protocol = symbols::CONTRACT_NET;
    rig.submit(early);
    rig.agent("bob", |_, _| Ok(()));
    rig.run();
    assert_eq!(rig.tell(bob, "late").code, Code::NONE);
    rig.run();
    assert_eq!(rig.bus.agent("bob").unwrap().received, 2);
}

#[test]
fn a_router_cannot_take_the_address_of_an_agent_or_an_endpoint() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| Ok(()));
    rig.bus.program([nowhere(bob), nowhere(rig.client)].concat(), rig.now);
    assert_eq!(rig.tell(bob, "x").code, Code::NONE);
    rig.tell(rig.client, "y");
    assert_eq!(texts(&rig.got()), ["y"]);
}

/// One thread denies the names of agents that another deploys; whoever comes first, the agents are there.
#[test]
fn agents_that_are_deployed_while_a_router_denies_them_are_reachable() {
    const AGENTS: usize = 400;
    let rig = Rig::new();
    let names: Vec<_> = (0..AGENTS).map(|n| format!("bob{n}")).collect();
    let addresses: Vec<_> = names.iter().map(|name| rig.address(name)).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                rig.bus.program(addresses.iter().copied().flat_map(nowhere).collect(), rig.now);
            }
        });
        for name in &names {
            rig.agent(name, |_, _| Ok(()));
        }
        done.store(true, Ordering::Release);
    });
    let directory = rig.bus.directory();
    let found: Vec<_> = names.iter().filter_map(|name| directory.resolve(name)).collect();
    assert_eq!(found, addresses);
}

/// A body that is deployed again under the same name at the moment at which it is lost.
struct Phoenix {
    bus: Weak<Bus>,
    now: Time,
}

impl AgentBody for Phoenix {
    fn init(&mut self, _: &Start, _: &mut Turn) -> Result<(), Fault> {
        Err(trap())
    }
    fn handle(&mut self, _: &[Envelope], _: &mut Turn) -> Result<(), Fault> {
        Ok(())
    }
    fn timer(&mut self, _: u32, _: &mut Turn) -> Result<(), Fault> {
        Ok(())
    }
    fn memory_bytes(&self) -> u64 {
        1
    }
}

impl Drop for Phoenix {
    fn drop(&mut self) {
        let bus = self.bus.upgrade().unwrap();
        bus.deploy(spec("bob"), factory(Hooks::default()), self.now).unwrap();
    }
}

struct Ashes {
    bus: Weak<Bus>,
    now: Time,
}

impl BodyFactory for Ashes {
    fn instantiate(&self) -> Result<Box<dyn AgentBody>, Fault> {
        Ok(Box::new(Phoenix { bus: self.bus.clone(), now: self.now }))
    }
    fn digest(&self) -> &str {
        "sha256:phoenix"
    }
}

/// A router that keeps who was present last.
#[derive(Default)]
struct Census(Mutex<BTreeMap<u32, bool>>);

impl Router for Census {
    fn agents_changed(&self, changes: &[AgentEntry]) -> Vec<RouteUpdate> {
        self.0.lock().unwrap().extend(changes.iter().map(|entry| (entry.address, entry.present)));
        Vec::new()
    }
    fn resolve(&self, _: &[Unresolved]) -> Vec<RouteUpdate> {
        Vec::new()
    }
}

#[test]
fn a_router_is_not_told_that_an_agent_left_which_replaced_the_one_that_failed() {
    let rig = Rig::new();
    let census = Arc::new(Census::default());
    rig.bus.set_router(Some(census.clone()), rig.now);
    let ashes = Ashes { bus: Arc::downgrade(&rig.bus), now: rig.now };
    let bob = rig.bus.deploy(spec("bob"), Arc::new(ashes), rig.now).unwrap();
    rig.run();
    assert_eq!(rig.bus.agent("bob").unwrap().state, "active");
    assert!(census.0.lock().unwrap()[&bob]);
}

/// Two threads remove, deploy, release and claim the same name at the same moment, one name after another; afterwards
/// who runs is listed, and who is listed is reachable.
#[test]
fn agents_that_come_and_go_in_threads_are_listed_and_reachable() {
    const NAMES: usize = 2_000;
    let rig = Rig::with(Limits { agents_max: 2 * NAMES, ..Limits::default() });
    let names: Vec<_> = (0..NAMES).map(|n| (format!("bob{n}"), format!("desk{n}"))).collect();
    for (bob, desk) in &names {
        rig.bus.deploy(spec(bob), failing(), rig.now).unwrap();
        rig.bus.claim(desk, 1, rig.inbox.clone(), rig.now).unwrap();
    }
    rig.run();
    let (arrived, started) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let churn = || {
        for (n, (bob, desk)) in names.iter().enumerate() {
            arrived.fetch_add(1, Ordering::AcqRel);
            while arrived.load(Ordering::Acquire) < 2 * (n + 1) {
                std::thread::yield_now();
            }
            // Any of these may be refused, for the other thread was faster.
            let _gone = rig.bus.remove(bob, rig.now).is_ok();
            let _there = rig.bus.deploy(spec(bob), counting(&started), rig.now).is_ok();
            rig.bus.release(rig.address(desk), rig.now);
            let _claimed = rig.bus.claim(desk, 1, rig.inbox.clone(), rig.now).is_ok();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(churn);
        churn();
    });
    rig.run();
    assert_eq!(started.load(Ordering::Relaxed), rig.bus.agents().len(), "agents that run and are listed");
    let directory = rig.bus.directory();
    for (bob, desk) in &names {
        assert_eq!(directory.resolve(bob).is_some(), rig.bus.agent(bob).is_some(), "{bob}");
        let owner = rig.bus.owner_of(rig.address(desk));
        assert_eq!(directory.resolve(desk).is_some(), owner.is_some(), "{desk}");
    }
}

fn failing() -> Arc<dyn BodyFactory> {
    factory(Hooks { init: Box::new(|_, _| Err(fault())), ..Hooks::default() })
}

fn counting(started: &Arc<AtomicUsize>) -> Arc<dyn BodyFactory> {
    let started = started.clone();
    let init = move |_: &Start, _: &mut Turn| {
        started.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    factory(Hooks { init: Box::new(init), ..Hooks::default() })
}
