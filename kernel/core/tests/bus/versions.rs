//! Versions of an agent beside each other: who gets which conversation, what a switch moves, and the ways back.

use std::sync::{Arc, Mutex};

use caxton_abi::{Code, Envelope, EventName, Uid, port::Outcome as Sent};
use caxton_acl::Performative::Inform;
use caxton_core::{
    AgentSpec, Applied, Limits, Outcome,
    agent::{Fault, Turn},
};

use crate::rig::*;

/// What each version handled: its number, the conversation, the text.
pub type Log = Arc<Mutex<Vec<(u8, u128, String)>>>;

pub fn version(number: u8, log: &Log) -> Hooks {
    let log = log.clone();
    let handle = move |batch: &[Envelope], _: &mut Turn| {
        for message in batch {
            let conversation = message.head.conversation.to_string();
            let conversation = u128::from_str_radix(&conversation.replace('-', ""), 16).unwrap();
            log.lock().unwrap().push((number, conversation, text(message)));
        }
        Ok(())
    };
    Hooks { handle: Box::new(handle), ..Hooks::default() }
}

pub fn say(rig: &Rig, to: u32, conversation: u128, text: &str) -> Sent {
    let mut message = message(rig.client, to, Inform, text);
    message.head.conversation = Uid::from_u128(conversation);
    rig.submit(message)
}

fn say_all(rig: &Rig, to: u32, conversations: impl IntoIterator<Item = u128>, text: &str) {
    for conversation in conversations {
        say(rig, to, conversation, text);
    }
}

pub fn apply(rig: &Rig, hooks: Hooks, canary: Option<u8>) -> Applied {
    rig.bus.apply(spec("bob"), factory(hooks), canary, rig.now).unwrap()
}

fn handled(log: &Log) -> Vec<(u8, u128, String)> {
    std::mem::take(&mut *log.lock().unwrap())
}

fn entry(number: u8, conversation: u128, text: &str) -> (u8, u128, String) {
    (number, conversation, text.to_owned())
}

/// The live versions as `1 draining`.
fn revisions(rig: &Rig) -> Vec<String> {
    let view = rig.bus.agent("bob").unwrap();
    view.revisions.iter().map(|revision| format!("{} {}", revision.number, revision.state)).collect()
}

fn outcome(rig: &Rig, revision: u32) -> Arc<Mutex<Option<Outcome>>> {
    let seen: Arc<Mutex<Option<Outcome>>> = Arc::default();
    let slot = seen.clone();
    let told = Box::new(move |outcome| *slot.lock().unwrap() = Some(outcome));
    rig.bus.await_revision("bob", revision, told).unwrap();
    seen
}

/// Version 1 serves and has handled a message of conversation 1.
fn begun() -> (Rig, u32, Log) {
    let (rig, log) = (Rig::new(), Log::default());
    let bob = apply(&rig, version(1, &log), None).address;
    rig.run();
    say(&rig, bob, 1, "a");
    rig.run();
    (rig, bob, log)
}

#[test]
fn a_conversation_stays_where_it_began_and_new_ones_go_to_the_new_version() {
    let (mut rig, bob, log) = begun();
    apply(&rig, version(2, &log), None);
    rig.run();
    say(&rig, bob, 1, "b");
    say(&rig, bob, 2, "c");
    rig.run();
    assert_eq!(handled(&log), [entry(1, 1, "a"), entry(1, 1, "b"), entry(2, 2, "c")]);
    assert_eq!(revisions(&rig), ["1 draining", "2 active"]);
    rig.later(5_000);
    assert_eq!(revisions(&rig), ["2 active"], "nobody spoke for the time to settle");
    say(&rig, bob, 1, "d");
    rig.run();
    assert_eq!(handled(&log), [entry(2, 1, "d")]);
    assert_eq!(rig.bus.agent("bob").unwrap().received, 4, "counters go on over versions");
}

#[test]
fn the_old_version_serves_until_the_first_turn_of_the_new_one_is_over() {
    let (rig, bob, log) = begun();
    apply(&rig, version(2, &log), None);
    let init = rig.bus.next(0, rig.now).unwrap();
    say(&rig, bob, 2, "b");
    assert!(rig.turn());
    rig.bus.finish(init.run(), rig.now);
    say(&rig, bob, 3, "c");
    rig.run();
    assert_eq!(handled(&log), [entry(1, 1, "a"), entry(1, 2, "b"), entry(2, 3, "c")]);
}

#[test]
fn what_waits_moves_with_the_switch_unless_its_conversation_began() {
    let (rig, bob, log) = begun();
    say(&rig, bob, 2, "b");
    let running = rig.bus.next(0, rig.now).unwrap();
    for (conversation, text) in [(3, "c"), (2, "d"), (3, "e")] {
        say(&rig, bob, conversation, text);
    }
    apply(&rig, version(2, &log), None);
    assert!(rig.turn(), "the new version's first turn");
    assert!(rig.turn(), "and what was waiting");
    rig.bus.finish(running.run(), rig.now);
    rig.run();
    let expected = [entry(1, 1, "a"), entry(2, 3, "c"), entry(2, 3, "e"), entry(1, 2, "b"), entry(1, 2, "d")];
    assert_eq!(handled(&log), expected);
}

#[test]
fn a_place_that_was_reserved_before_the_switch_leads_to_the_new_version() {
    use caxton_abi::port::observed;
    let (rig, bob, log) = begun();
    apply(&rig, version(2, &log), None);
    // The protocol looks at the message between its place and its mailbox, and the new version starts just then.
    let (bus, now) = (Arc::downgrade(&rig.bus), rig.now);
    crate::monitoring::watch(&rig, move |_, seen| {
        let bus = bus.upgrade().unwrap();
        if let (observed::MESSAGE, Some(init)) = (seen.kind, bus.next(0, now)) {
            bus.finish(init.run(), now);
        }
        Vec::new()
    });
    let mut early = message(rig.client, bob, Inform, "b");
    early.head.conversation = Uid::from_u128(2);
    early.head.protocol = caxton_core::names::symbols::CONTRACT_NET;
    rig.submit(early);
    rig.run();
    assert_eq!(handled(&log), [entry(1, 1, "a"), entry(2, 2, "b")]);
}

#[test]
fn a_failed_init_keeps_the_old_version_and_says_why() {
    let (rig, bob, log) = begun();
    let bad = Hooks { init: Box::new(|_, _| Err(fault())), ..Hooks::default() };
    let applied = apply(&rig, bad, None);
    let told = outcome(&rig, applied.revision);
    assert_eq!(*told.lock().unwrap(), None, "not known yet");
    rig.run();
    let failed = Outcome::Failed { code: Code::AGENT_INIT_FAILED, reason: "test.fault: told to".to_owned() };
    assert_eq!(*told.lock().unwrap(), Some(failed));
    say(&rig, bob, 2, "b");
    rig.run();
    assert_eq!(handled(&log), [entry(1, 1, "a"), entry(1, 2, "b")]);
    assert_eq!(revisions(&rig), ["1 active", "2 failed"]);
    let view = rig.bus.agent("bob").unwrap();
    assert_eq!((view.state, view.revision), ("active", 1));
    assert_eq!(view.revisions[1].reason, "test.fault: told to");
}

#[test]
fn the_outcome_of_a_version_is_told_when_it_serves() {
    let (rig, _, log) = begun();
    let first = outcome(&rig, 1);
    let second = outcome(&rig, apply(&rig, version(2, &log), None).revision);
    rig.run();
    let third = outcome(&rig, apply(&rig, version(3, &log), Some(20)).revision);
    rig.run();
    let seen = [first, second, third].map(|seen| seen.lock().unwrap().clone().unwrap());
    assert_eq!(seen, [Outcome::Active, Outcome::Active, Outcome::Canary(20)]);
}

#[test]
fn a_canary_gets_its_share_of_a_thousand_conversations_and_keeps_each() {
    let (rig, bob, log) = begun();
    apply(&rig, version(2, &log), Some(10));
    rig.run();
    handled(&log);
    let mut owners = Vec::new();
    for round in ["a", "b"] {
        for conversation in 1_000..2_000 {
            let id = u128::from(rig.bus.mint(rig.now).lo) << 64 | conversation;
            let id = if round == "a" { id } else { owners[usize::try_from(conversation - 1_000).unwrap()] };
            if round == "a" {
                owners.push(id);
            }
            say(&rig, bob, id, round);
        }
        rig.run();
    }
    let seen = handled(&log);
    let share = seen.iter().filter(|(number, _, round)| *number == 2 && round == "a").count();
    assert!((60..=140).contains(&share), "{share} of 1000");
    let (mut first, mut second): (Vec<_>, Vec<_>) = seen.into_iter().partition(|seen| seen.2 == "a");
    first.iter_mut().chain(&mut second).for_each(|seen| seen.2.clear());
    first.sort();
    second.sort();
    assert_eq!(first, second, "a conversation never changes its version");
}

#[test]
fn a_promoted_canary_gets_all_new_conversations() {
    let (mut rig, bob, log) = begun();
    apply(&rig, version(2, &log), Some(1));
    rig.run();
    assert_eq!(revisions(&rig), ["1 active", "2 canary"]);
    let view = rig.bus.agent("bob").unwrap();
    assert_eq!(view.revisions.iter().map(|revision| revision.share).collect::<Vec<_>>(), [99, 1]);
    rig.bus.promote("bob", rig.now).unwrap();
    say_all(&rig, bob, 10..20, "b");
    rig.run();
    assert!(handled(&log)[1..].iter().all(|seen| seen.0 == 2));
    rig.later(5_000);
    assert_eq!(revisions(&rig), ["2 active"]);
}

#[test]
fn a_canary_that_is_rolled_back_finishes_its_conversations_and_gets_no_more() {
    let (mut rig, bob, log) = begun();
    apply(&rig, version(2, &log), Some(99));
    rig.run();
    say_all(&rig, bob, 10..30, "b");
    rig.run();
    let canarys: Vec<u128> = handled(&log).iter().filter(|seen| seen.0 == 2).map(|seen| seen.1).collect();
    let applied = rig.bus.rollback("bob", rig.now).unwrap();
    assert_eq!(applied.revision, 1);
    say_all(&rig, bob, canarys, "c");
    say_all(&rig, bob, 30..50, "d");
    rig.run();
    let seen = handled(&log);
    assert!(seen.iter().all(|(number, _, text)| (*number == 2) == (text == "c")), "{seen:?}");
    rig.later(5_000);
    assert_eq!(revisions(&rig), ["1 active"]);
}

#[test]
fn rollback_of_a_bad_version_restores_service() {
    let (mut rig, bob, log) = begun();
    let bad = Hooks { handle: Box::new(|_, _| Err(trap())), ..Hooks::default() };
    rig.bus.apply(fragile("bob", 0), factory(bad), None, rig.now).unwrap();
    rig.run();
    say(&rig, bob, 2, "b");
    rig.run();
    assert_eq!(rig.bus.agent("bob").unwrap().state, "failed");
    assert_eq!(say(&rig, bob, 3, "c").code, Code::AGENT_FAILED);
    say(&rig, bob, 1, "d");
    let applied = rig.bus.rollback("bob", rig.now).unwrap();
    assert_eq!(applied.revision, 3);
    assert_eq!(say(&rig, bob, 4, "e").code, Code::NONE, "buffered while it starts");
    rig.run();
    let expected = [entry(1, 1, "a"), entry(1, 1, "d"), entry(1, 4, "e")];
    assert_eq!(handled(&log), expected, "the first version's code, in a new instance as well");
    rig.later(5_000);
    assert_eq!(revisions(&rig), ["3 active"]);
    assert_eq!(rig.bus.agent("bob").unwrap().revision, 3);
}

#[test]
fn a_canary_that_fails_gives_its_share_back() {
    let (rig, bob, log) = begun();
    let bad = Hooks { handle: Box::new(|_, _| Err(trap())), ..Hooks::default() };
    rig.bus.apply(fragile("bob", 0), factory(bad), Some(99), rig.now).unwrap();
    rig.run();
    while revisions(&rig)[1] == "2 canary" {
        let conversation = u128::from(rig.bus.mint(rig.now).lo);
        say(&rig, bob, conversation, "x");
        rig.run();
    }
    handled(&log);
    (10..30).for_each(|conversation| assert_eq!(say(&rig, bob, conversation, "b").code, Code::NONE));
    rig.run();
    assert_eq!(handled(&log).len(), 20);
    assert_eq!(revisions(&rig), ["1 active", "2 failed"]);
    let signals = rig.named(EventName::AGENT_REVISION);
    let words: Vec<_> = signals.iter().map(|signal| (signal.value, text_of(signal))).collect();
    assert!(words.iter().any(|(number, text)| *number == 2 && text.starts_with("failed ")), "{words:?}");
}

fn text_of(signal: &caxton_abi::Signal) -> String {
    String::from_utf8(signal.text.as_slice().to_vec()).unwrap()
}

#[test]
fn each_step_of_a_rollout_is_signalled_with_the_versions_number() {
    let (mut rig, _, log) = begun();
    rig.signals();
    let mut steps = Vec::new();
    let mut note = |rig: &Rig| {
        let signals = rig.named(EventName::AGENT_REVISION);
        steps.extend(signals.iter().map(|signal| format!("{} {}", signal.value, text_of(signal))));
    };
    apply(&rig, version(2, &log), Some(10));
    note(&rig);
    rig.run();
    note(&rig);
    rig.bus.promote("bob", rig.now).unwrap();
    rig.later(5_000);
    note(&rig);
    assert_eq!(steps, ["2 candidate", "2 canary 10", "1 draining", "2 active", "1 stopped"]);
}

#[test]
fn one_version_comes_in_at_a_time() {
    let (rig, _, log) = begun();
    assert_eq!(rig.bus.promote("bob", rig.now).unwrap_err().code, Code::NO_CANARY);
    assert_eq!(rig.bus.rollback("bob", rig.now).unwrap_err().code, Code::NO_PREVIOUS_VERSION);
    apply(&rig, version(2, &log), None);
    let again = || rig.bus.apply(spec("bob"), factory(version(3, &log)), None, rig.now);
    assert_eq!(again().unwrap_err().code, Code::UPGRADE_RUNNING);
    assert_eq!(rig.bus.promote("bob", rig.now).unwrap_err().code, Code::NO_CANARY);
    rig.run();
    assert!(again().is_ok(), "the one before may still drain");
    assert_eq!(rig.bus.promote("nobody", rig.now).unwrap_err().code, Code::AGENT_NOT_FOUND);
}

#[test]
fn refuses_a_further_version_while_too_many_drain() {
    let (rig, log) = (Rig::with(Limits { versions_per_agent_max: 2, ..Limits::default() }), Log::default());
    let bob = apply(&rig, version(1, &log), None).address;
    rig.run();
    say(&rig, bob, 1, "a");
    rig.run();
    apply(&rig, version(2, &log), None);
    rig.run();
    let third = rig.bus.apply(spec("bob"), factory(version(3, &log)), None, rig.now);
    assert_eq!(third.unwrap_err().code, Code::UPGRADE_RUNNING);
}

#[test]
fn a_version_that_is_taken_back_before_it_started_never_serves() {
    let (rig, bob, log) = begun();
    let applied = apply(&rig, version(2, &log), None);
    let told = outcome(&rig, applied.revision);
    let init = rig.bus.next(0, rig.now).unwrap();
    rig.bus.rollback("bob", rig.now).unwrap();
    assert!(matches!(&*told.lock().unwrap(), Some(Outcome::Failed { .. })));
    rig.bus.finish(init.run(), rig.now);
    say(&rig, bob, 2, "b");
    rig.run();
    assert_eq!(handled(&log), [entry(1, 1, "a"), entry(1, 2, "b")]);
    assert_eq!(revisions(&rig), ["1 active"]);
}

/// Writes the text under its own key and notes what it found.
fn keeper(log: &Arc<Mutex<Vec<Vec<String>>>>) -> Hooks {
    let log = log.clone();
    let handle = move |batch: &[Envelope], turn: &mut Turn| -> Result<(), Fault> {
        log.lock().unwrap().push(turn.state.keys().cloned().collect());
        for message in batch {
            turn.puts.insert(text(message), Some([1_u8].as_slice().into()));
        }
        Ok(())
    };
    Hooks { handle: Box::new(handle), ..Hooks::default() }
}

#[test]
fn the_state_is_one_for_all_versions_also_when_two_write_at_once() {
    let (rig, seen) = (Rig::new(), Arc::default());
    let bob = apply(&rig, keeper(&seen), None).address;
    rig.run();
    say(&rig, bob, 1, "first");
    rig.run();
    apply(&rig, keeper(&seen), None);
    rig.run();
    say(&rig, bob, 1, "old");
    say(&rig, bob, 2, "new");
    let (one, two) = (rig.bus.next(0, rig.now).unwrap(), rig.bus.next(1, rig.now).unwrap());
    let (one, two) = (one.run(), two.run());
    rig.bus.finish(one, rig.now);
    rig.bus.finish(two, rig.now);
    say(&rig, bob, 3, "look");
    rig.run();
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen[1..3], [["first"], ["first"]], "both began with the same");
    assert_eq!(seen[3], ["first", "new", "old"]);
}

#[test]
fn a_timer_belongs_to_the_version_that_set_it() {
    use caxton_core::agent::TimerChange;
    let (mut rig, log) = (Rig::new(), Log::default());
    let fired: Arc<Mutex<Vec<u8>>> = Arc::default();
    let timed = |number: u8| {
        let fired = fired.clone();
        Hooks {
            init: Box::new(|_, turn| {
                turn.timers.push(TimerChange::Set { token: 1, at: turn.now.plus_millis(10) });
                Ok(())
            }),
            timer: Box::new(move |_, _| {
                fired.lock().unwrap().push(number);
                Ok(())
            }),
            ..version(number, &log)
        }
    };
    let bob = apply(&rig, timed(1), None).address;
    rig.run();
    say(&rig, bob, 1, "a");
    rig.run();
    apply(&rig, timed(2), None);
    rig.run();
    rig.later(10);
    assert_eq!(*fired.lock().unwrap(), [1, 2]);
}

#[test]
fn capabilities_become_those_of_the_version_that_serves() {
    let rig = Rig::new();
    let with = |word: &str| AgentSpec { capabilities: vec![word.to_owned()], ..spec("bob") };
    let bob = rig.bus.apply(with("old"), factory(Hooks::default()), None, rig.now).unwrap().address;
    rig.run();
    rig.bus.apply(with("new"), factory(Hooks::default()), None, rig.now).unwrap();
    assert_eq!(rig.bus.directory().find("capability:old"), [bob]);
    rig.run();
    assert!(rig.bus.directory().find("capability:old").is_empty());
    assert_eq!(rig.bus.directory().find("capability:new"), [bob]);
}

#[test]
fn an_agent_that_is_removed_during_a_rollout_leaves_nothing_behind() {
    for canary in [None, Some(50)] {
        for steps in 0..4 {
            let (rig, bob, log) = begun();
            apply(&rig, version(2, &log), canary);
            let running = rig.bus.next(0, rig.now).unwrap();
            say_all(&rig, bob, 10..20, "b");
            for _ in 0..steps {
                rig.turn();
            }
            rig.bus.remove("bob", rig.now).unwrap();
            assert_eq!(rig.bus.remove("bob", rig.now).unwrap_err().code, Code::AGENT_NOT_FOUND);
            rig.bus.finish(running.run(), rig.now);
            rig.run();
            assert!(rig.bus.agent("bob").is_none());
            assert_eq!(rig.bus.accounting().in_flight, 0);
            assert_eq!(rig.bus.deploy(spec("bob"), factory(Hooks::default()), rig.now), Ok(bob));
        }
    }
}

#[test]
fn what_still_waits_when_the_time_to_drain_is_over_goes_to_the_new_version() {
    let (rig, log) = (Rig::with(Limits { upgrade_drain_ms: 50, ..Limits::default() }), Log::default());
    let mut rig = rig;
    let bob = apply(&rig, version(1, &log), None).address;
    rig.run();
    say(&rig, bob, 1, "a");
    let running = rig.bus.next(0, rig.now).unwrap();
    apply(&rig, version(2, &log), None);
    rig.run();
    say(&rig, bob, 1, "b");
    rig.later(100);
    rig.bus.finish(running.run(), rig.now);
    rig.run();
    assert_eq!(handled(&log), [entry(2, 1, "b"), entry(1, 1, "a")]);
    assert_eq!(revisions(&rig), ["2 active"]);
    assert!(rig.dead().is_empty());
}
