//! The router port: one update for each address that waits, while agents come and go.

use caxton_abi::port::{AgentEntry, RouteUpdate, Unresolved, route};
use caxton_core::port::RouterRef;

use super::{Bench, Report, bench::calls};

const GROUP: &str = "router/1";

pub(super) async fn check(bench: &Bench, report: &mut Report) {
    let instance = match bench.start().await {
        Ok(instance) => instance,
        Err(why) => return report.failed(GROUP, "it starts", 47, why),
    };
    let Some(router) = instance.ports().router.clone() else { return };
    let agents: Vec<AgentEntry> = ["ada", "bob"].into_iter().map(|name| agent(bench, name, true)).collect();
    let left: Vec<AgentEntry> = ["ada", "bob"].into_iter().map(|name| agent(bench, name, false)).collect();
    let names =
        ["capability:count", "group:bidders", "ghost", "ghost@elsewhere", "capability:none", "group:none"];
    let known: Vec<Unresolved> = names.into_iter().map(|name| waiting(bench, name)).collect();
    let hostile = hostile();
    type Step = (&'static str, Box<dyn FnOnce(&RouterRef) -> Result<(), String> + Send>);
    let (after, before) = (known.clone(), known);
    let steps: [Step; 4] = [
        (
            "agents that come are taken, and each waiting address gets one update",
            Box::new(move |router| {
                valid(&router.agents_changed(&agents))?;
                one_each(router, &before)
            }),
        ),
        ("names of every form get one update each", Box::new(move |router| one_each(router, &hostile))),
        (
            "agents that leave are taken, and each waiting address gets one update",
            Box::new(move |router| {
                valid(&router.agents_changed(&left))?;
                one_each(router, &after)
            }),
        ),
        (
            "nothing that waits and nobody who changed gets nothing",
            Box::new(|router| {
                valid(&router.agents_changed(&[]))?;
                one_each(router, &[])
            }),
        ),
    ];
    for (name, step) in steps {
        let router = RouterRef::clone(&router);
        let held = calls(&instance, move |_| step(&router)).await;
        report.add(GROUP, name, 47, held);
    }
    let stopped = instance.stop().await.map_err(|failure| failure.to_string());
    report.add(GROUP, "it stops afterwards", 8, stopped);
}

fn agent(bench: &Bench, name: &str, present: bool) -> AgentEntry {
    AgentEntry {
        address: bench.bus.address(name).unwrap_or_default(),
        name: format!("{name}@test").into(),
        capabilities: vec!["count".into()].into(),
        groups: vec!["bidders".into()].into(),
        present,
    }
}

fn waiting(bench: &Bench, name: &str) -> Unresolved {
    Unresolved { address: bench.bus.address(name).unwrap_or_default(), name: name.into() }
}

/// Names that the bus would not let through, under numbers that nobody has.
fn hostile() -> Vec<Unresolved> {
    let long = "x".repeat(1 << 20);
    let names = [
        "",
        ":",
        "group:",
        "capability:",
        "group:\0",
        "nobody:at:all",
        "group:capability:group:",
        "@",
        &long,
    ];
    let numbers = u32::MAX - 100..;
    numbers.zip(names).map(|(address, name)| Unresolved { address, name: name.into() }).collect()
}

fn one_each(router: &RouterRef, waiting: &[Unresolved]) -> Result<(), String> {
    let updates = router.resolve(waiting);
    valid(&updates)?;
    for unresolved in waiting {
        let found = updates.iter().filter(|update| update.address == unresolved.address).count();
        if found != 1 {
            let shown: String = unresolved.name.chars().take(40).collect();
            return Err(format!("`{}` got {found} updates, expected 1", shown.escape_default()));
        }
    }
    Ok(())
}

fn valid(updates: &[RouteUpdate]) -> Result<(), String> {
    for update in updates {
        let targets = update.targets.len();
        let fits = match update.mode {
            route::NONE => true,
            route::ONE | route::ALL | route::ANY => targets > 0,
            _ => false,
        };
        if !fits {
            return Err(format!("an update has the mode {} with {targets} targets", update.mode));
        }
    }
    Ok(())
}
