//! What the router answers to a server that is scripted.

use caxton_plugin::testing::FakeHost;

use super::*;

struct Bench {
    host: Host,
    router: AgentRouter,
}

impl Bench {
    fn new(config: Config) -> Self {
        let host = FakeHost::new().host();
        Self { router: AgentRouter::create(host.clone(), config).unwrap(), host }
    }

    fn agent(&self, name: &str, capabilities: &[&str], groups: &[&str]) -> AgentEntry {
        AgentEntry {
            address: self.host.address(name).unwrap(),
            name: format!("{name}@test").into(),
            capabilities: capabilities.iter().map(|name| (*name).into()).collect(),
            groups: groups.iter().map(|name| (*name).into()).collect(),
            present: true,
        }
    }

    fn gone(&self, name: &str) -> AgentEntry {
        AgentEntry { present: false, ..self.agent(name, &[], &[]) }
    }

    /// The updates as `NAME MODE TARGETS`, sorted.
    fn changed(&self, changes: &[AgentEntry]) -> Vec<String> {
        let updates = self.router.agents_changed(changes);
        let mut lines: Vec<String> = updates.iter().map(|update| self.line(update)).collect();
        lines.sort();
        lines
    }

    fn resolved(&self, name: &str) -> String {
        let waiting = Unresolved { address: self.host.address(name).unwrap(), name: name.into() };
        self.router.resolve(&[waiting]).iter().map(|update| self.line(update)).collect()
    }

    fn line(&self, update: &RouteUpdate) -> String {
        let mode = ["none", "one", "all", "any"][usize::from(update.mode)];
        let targets: Vec<String> = update.targets.iter().map(|target| self.host.name(*target)).collect();
        format!("{} {mode} {}", self.host.name(update.address), targets.join(" ")).trim_end().to_owned()
    }
}

fn bench() -> Bench {
    Bench::new(Config::default())
}

#[test]
fn programs_capabilities_groups_and_everyone() {
    let bench = bench();
    let bidders = [bench.agent("a", &["count-words"], &["bidders"]), bench.agent("b", &["count-words"], &[])];
    assert_eq!(
        bench.changed(&bidders),
        [
            "capability:count-words any a@test b@test",
            "group:all all a@test b@test",
            "group:bidders all a@test"
        ]
    );
}

#[test]
fn programs_only_what_changed() {
    let bench = bench();
    bench.changed(&[bench.agent("a", &["count-words"], &["bidders"])]);
    assert_eq!(bench.changed(&[bench.agent("a", &["count-words"], &["bidders"])]), [""; 0]);
    assert_eq!(
        bench.changed(&[bench.agent("a", &["count-words"], &["judges"])]),
        ["group:bidders none", "group:judges all a@test"]
    );
}

#[test]
fn the_last_member_leaves_nobody_behind() {
    let bench = bench();
    bench.changed(&[bench.agent("a", &["count-words"], &[])]);
    assert_eq!(bench.changed(&[bench.gone("a")]), ["capability:count-words none", "group:all none"]);
    assert_eq!(bench.resolved("capability:count-words"), "capability:count-words none");
}

#[test]
fn coming_and_leaving_in_one_batch_changes_nothing() {
    let bench = bench();
    assert_eq!(bench.changed(&[bench.agent("a", &["x"], &["y"]), bench.gone("a")]), [""; 0]);
}

#[test]
fn an_agent_that_was_never_there_may_leave() {
    let bench = bench();
    assert_eq!(bench.changed(&[bench.gone("ghost")]), [""; 0]);
}

#[test]
fn resolves_with_and_without_the_platform() {
    let bench = bench();
    bench.changed(&[bench.agent("a", &["count-words"], &["bidders"])]);
    assert_eq!(bench.resolved("group:bidders"), "group:bidders all a@test");
    assert_eq!(bench.resolved("group:bidders@test"), "group:bidders@test all a@test");
    assert_eq!(bench.resolved("capability:count-words@test"), "capability:count-words@test any a@test");
}

#[test]
fn a_name_with_the_platform_is_kept_up_to_date_once_it_was_used() {
    let bench = bench();
    assert_eq!(bench.resolved("group:bidders@test"), "group:bidders@test none");
    assert_eq!(
        bench.changed(&[bench.agent("a", &[], &["bidders"])]),
        ["group:all all a@test", "group:bidders all a@test", "group:bidders@test all a@test"]
    );
}

#[test]
fn names_with_the_platform_are_bounded() {
    let bench = Bench::new(Config { groups_max: 1, ..Config::default() });
    bench.changed(&[bench.agent("a", &[], &["one"])]);
    // The name of an agent takes no room.
    assert_eq!(bench.resolved("ecko"), "ecko@test none");
    assert_eq!(bench.resolved("group:two@test"), "group:two@test none");
    assert_eq!(
        bench.resolved("group:one@test"),
        "group:one@test none",
        "there is room for one, and two took it"
    );
    assert_eq!(bench.resolved("group:one"), "group:one all a@test");
}

#[test]
fn answers_nobody_for_what_it_does_not_know() {
    let bench = bench();
    bench.changed(&[bench.agent("a", &["count-words"], &["bidders"])]);
    for name in ["group:nobody", "capability:bidders", "group:bidders@elsewhere", "ecko", "group:", ""] {
        let update = &bench.router.resolve(&[Unresolved { address: 9, name: name.into() }])[0];
        assert_eq!((update.address, update.mode, update.targets.len()), (9, route::NONE, 0), "{name}");
    }
}

#[test]
fn answers_every_waiting_address_in_order() {
    let bench = bench();
    let waiting = [7, 8, 9].map(|address| Unresolved { address, name: "group:x".into() });
    let answered: Vec<u32> = bench.router.resolve(&waiting).iter().map(|update| update.address).collect();
    assert_eq!(answered, [7, 8, 9]);
}

#[test]
fn declaring_the_group_of_everyone_changes_nothing() {
    let bench = bench();
    assert_eq!(bench.changed(&[bench.agent("a", &[], &["all"])]), ["group:all all a@test"]);
    assert_eq!(bench.router.health(), Health::Running);
}

#[test]
fn keeps_known_groups_and_everyone_when_the_limit_is_reached() {
    let bench = Bench::new(Config { groups_max: 1, ..Config::default() });
    bench.changed(&[bench.agent("a", &[], &["one"])]);
    assert_eq!(
        bench.changed(&[bench.agent("b", &[], &["one", "two"])]),
        ["group:all all a@test b@test", "group:one all a@test b@test"]
    );
    assert!(
        matches!(bench.router.health(), Health::Degraded(text) if text.starts_with("1 memberships were left out"))
    );
}

#[test]
fn a_group_that_emptied_makes_room_for_another() {
    let bench = Bench::new(Config { groups_max: 1, ..Config::default() });
    bench.changed(&[bench.agent("a", &[], &["one"])]);
    bench.changed(&[bench.gone("a")]);
    assert_eq!(
        bench.changed(&[bench.agent("b", &[], &["two"])]),
        ["group:all all b@test", "group:two all b@test"]
    );
}

#[test]
fn one_agent_cannot_take_more_than_its_share() {
    let bench = Bench::new(Config { groups_per_agent_max: 2, ..Config::default() });
    let lines = bench.changed(&[bench.agent("a", &["a", "b", "c"], &[])]);
    assert_eq!(lines, ["capability:a any a@test", "capability:b any a@test", "group:all all a@test"]);
}

#[test]
fn refuses_a_limit_of_zero() {
    let config = Config { groups_max: 0, ..Config::default() };
    let error = AgentRouter::create(FakeHost::new().host(), config).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), Code::PLUGIN_CONFIG_INVALID);
}

#[test]
fn refuses_unknown_configuration_keys() {
    let error = serde_json::from_str::<Config>(r#"{"group_max": 3}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `group_max`"), "{error}");
}

#[test]
fn the_manifest_names_the_defaults() {
    let manifest = caxton_plugin::manifest::Manifest::parse(include_str!("../plugin.json")).unwrap();
    let properties = manifest.config.unwrap().properties;
    let defaults = properties.into_iter().map(|(key, schema)| (key, schema["default"].clone())).collect();
    let config: Config = serde_json::from_value(serde_json::Value::Object(defaults)).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}
