//! Protocol ports: what they see, what their verdicts do, and what happens when they are gone.

use std::sync::{Arc, Mutex};

use caxton_abi::{
    Code, Envelope, EventName, Header, Payload, Uid, flags,
    port::{Action, Observation, action, observed},
};
use caxton_acl::Performative::{Cfp, Failure, Inform};
use caxton_core::{ConversationLog, Entry, EntryKind, Fate, Protocol, names::symbols};

use crate::rig::*;

pub type Rule = dyn Fn(usize, &Observation) -> Vec<Action> + Send + Sync;

pub struct Monitor {
    seen: Mutex<Vec<(u8, Code, Uid, usize)>>,
    fired: Mutex<Vec<u64>>,
    rule: Box<Rule>,
    errs: bool,
}

impl Protocol for Monitor {
    fn protocols(&self) -> Vec<String> {
        vec!["fipa-contract-net".to_owned()]
    }
    fn observe(&self, batch: &[Observation], _: u64, out: &mut Vec<Action>) -> Result<(), Code> {
        for (index, entry) in batch.iter().enumerate() {
            let id = entry.envelope.head.id;
            self.seen.lock().unwrap().push((entry.kind, entry.code, id, entry.spared.len()));
            out.extend((self.rule)(index, entry));
        }
        if self.errs { Err(Code::PLUGIN_PANICKED) } else { Ok(()) }
    }
    fn timers(&self, tokens: &[u64], _: u64, _: &mut Vec<Action>) -> Result<(), Code> {
        self.fired.lock().unwrap().extend(tokens);
        Ok(())
    }
    fn describe(&self, _: Uid) -> Option<String> {
        Some("{}".to_owned())
    }
}

pub fn watch(
    rig: &Rig,
    rule: impl Fn(usize, &Observation) -> Vec<Action> + Send + Sync + 'static,
) -> Arc<Monitor> {
    set(rig, Box::new(rule), false)
}

fn set(rig: &Rig, rule: Box<Rule>, errs: bool) -> Arc<Monitor> {
    let (seen, fired) = Default::default();
    let monitor = Arc::new(Monitor { seen, fired, rule, errs });
    rig.bus.set_protocol(1, Some(monitor.clone()));
    monitor
}

fn bare(kind: u8) -> Action {
    Action {
        kind,
        flags: 0,
        code: Code::NONE,
        index: 0,
        token: 0,
        time_ms: 0,
        envelope: Envelope::new(Header::default(), Payload::EMPTY),
        text: Default::default(),
    }
}

fn cfp(rig: &Rig, to: u32) -> Envelope {
    let mut cfp = message(rig.client, to, Cfp, "task");
    cfp.head.protocol = symbols::CONTRACT_NET;
    cfp
}

#[test]
fn an_amended_message_is_delivered_with_flags_and_reply_by() {
    let rig = Rig::new();
    let by = rig.now.plus_millis(30_000).millis();
    watch(&rig, move |index, _| {
        let (flags, index) = (flags::LATE, index as u32);
        vec![Action { flags, index, time_ms: by, ..bare(action::AMEND) }]
    });
    rig.submit(cfp(&rig, rig.client));
    let got = rig.got();
    assert_eq!((got[0].head.flags, got[0].head.reply_by_ms), (flags::LATE, by));
    assert_eq!(rig.named(EventName::PROTOCOL_VERDICT).len(), 1);
}

#[test]
fn a_withheld_message_is_a_dead_letter_and_the_protocol_speaks_for_itself() {
    let rig = Rig::new();
    let client = rig.client;
    watch(&rig, move |_, entry| {
        let mut answer = message(client, client, Inform, "rejected for you");
        answer.head.flags = flags::ON_BEHALF;
        answer.head.protocol = entry.envelope.head.protocol;
        let send = Action { envelope: answer, ..bare(action::SEND) };
        vec![Action { code: Code::BID_LATE, ..bare(action::WITHHOLD) }, send]
    });
    rig.submit(cfp(&rig, client));
    assert_eq!(rig.dead(), [Code::BID_LATE]);
    let got = rig.got();
    assert_eq!(texts(&got), ["rejected for you"]);
    assert_eq!(got[0].head.flags, flags::ON_BEHALF);
    assert_ne!(got[0].head.id, NO_ID);
}

#[test]
fn a_watched_request_that_is_late_at_the_door_is_the_protocols_to_judge() {
    let rig = Rig::new();
    let monitor = watch(&rig, |_, _| Vec::new());
    let bob = rig.agent("bob", |_, _| Ok(()));
    let mut late = cfp(&rig, bob);
    late.head.reply_by_ms = 1;
    rig.submit(late);
    assert_eq!(monitor.seen.lock().unwrap()[0].0, observed::MESSAGE);
}

#[test]
fn the_protocol_is_told_of_what_came_to_nothing_instead_of_the_sender() {
    let mut rig = Rig::new();
    let monitor = watch(&rig, |_, _| Vec::new());
    let nobody = rig.address("nobody");
    let id = rig.submit(cfp(&rig, nobody)).id;
    rig.later(10_000);
    let seen = monitor.seen.lock().unwrap().clone();
    let undeliverable = (observed::UNDELIVERABLE, Code::UNKNOWN_RECEIVER, id, 0);
    assert_eq!(seen, [(observed::MESSAGE, Code::NONE, id, 0), undeliverable]);
    assert!(rig.got().is_empty());
}

#[test]
fn a_trap_tells_the_loss_first_spares_what_is_tried_again_and_then_the_poison() {
    let rig = Rig::new();
    let monitor = watch(&rig, |_, _| Vec::new());
    let bob = rig.agent("bob", |_, _| Err(trap()));
    rig.run();
    rig.submit(cfp(&rig, bob));
    rig.run();
    let kinds: Vec<_> = monitor.seen.lock().unwrap().iter().map(|seen| (seen.0, seen.1, seen.3)).collect();
    assert_eq!(
        kinds,
        [
            (observed::MESSAGE, Code::NONE, 0),
            (observed::AGENT_LOST, Code::TRAP_UNREACHABLE, 1),
            (observed::AGENT_LOST, Code::TRAP_UNREACHABLE, 0),
            (observed::UNDELIVERABLE, Code::POISON, 0),
        ]
    );
}

#[test]
fn while_a_protocol_is_gone_its_messages_fail_and_others_pass() {
    let rig = Rig::new();
    watch(&rig, |_, _| Vec::new());
    rig.bus.set_protocol(1, None);
    rig.submit(cfp(&rig, rig.client));
    rig.tell(rig.client, "plain");
    let got = rig.got();
    assert_eq!(failure_code(&got[0]), "CX0214");
    assert_eq!(text(&got[1]), "plain");
    watch(&rig, |_, _| Vec::new());
    rig.submit(cfp(&rig, rig.client));
    assert_eq!(texts(&rig.got()), ["task"]);
}

#[test]
fn what_a_protocol_said_before_it_erred_does_not_count() {
    let rig = Rig::new();
    let client = rig.client;
    let rule = move |_: usize, _: &Observation| {
        let envelope = message(client, client, Failure, "half said");
        vec![Action { envelope, ..bare(action::SEND) }]
    };
    set(&rig, Box::new(rule), true);
    rig.submit(cfp(&rig, client));
    assert_eq!(rig.dead(), [Code::PLUGIN_UNAVAILABLE]);
    assert_eq!(failure_code(&rig.got()[0]), "CX0214");
}

#[test]
fn the_conversation_log_shows_the_message_the_transition_and_the_traps() {
    let rig = Rig::new();
    watch(&rig, |_, entry| match entry.kind {
        observed::MESSAGE => {
            let (envelope, text) = (entry.envelope.clone(), "- > AWAIT_BID".into());
            vec![Action { envelope, text, ..bare(action::TRANSITION) }]
        }
        _ => Vec::new(),
    });
    let bob = rig.agent("bob", |_, _| Err(trap()));
    rig.submit(cfp(&rig, bob));
    rig.run();
    let mut log = ConversationLog::new(rig.bus.limits().clone());
    log.fold(&rig.signals());
    let kept = log.list(1);
    let conversation = log.get(kept[0].id).unwrap();
    let count = |kind, fate| {
        let same = |entry: &&Entry| (entry.kind, entry.fate) == (kind, fate);
        conversation.entries.iter().filter(same).count()
    };
    assert_eq!(conversation.entries.len(), 4);
    assert_eq!(count(EntryKind::Message, Fate::DeadLettered), 1);
    assert_eq!(count(EntryKind::Trap, Fate::InFlight), 2);
    assert_eq!(count(EntryKind::Transition, Fate::InFlight), 1);
    assert_eq!(conversation.participants, [rig.client, bob]);
}

#[test]
fn timers_of_a_protocol_wait_until_it_comes_back() {
    let mut rig = Rig::new();
    let at = rig.now.plus_millis(5).millis();
    watch(&rig, move |_, _| vec![Action { token: 8, time_ms: at, ..bare(action::SET_TIMER) }]);
    rig.submit(cfp(&rig, rig.client));
    rig.bus.set_protocol(1, None);
    rig.later(10);
    assert_eq!(rig.bus.next_deadline(), None);
    let monitor = watch(&rig, |_, _| Vec::new());
    rig.later(0);
    assert_eq!(*monitor.fired.lock().unwrap(), [8]);
}

#[test]
fn a_protocol_that_was_removed_watches_nothing_and_its_timers_are_forgotten() {
    let mut rig = Rig::new();
    let monitor =
        watch(&rig, |_, _| vec![Action { token: 7, time_ms: 1_000_500, ..bare(action::SET_TIMER) }]);
    let client = rig.client;
    rig.submit(cfp(&rig, client));
    rig.bus.remove_protocol(1);
    rig.submit(cfp(&rig, client));
    rig.later(1_000);
    assert_eq!(rig.got().len(), 2, "the second one passes as if nobody had ever watched");
    assert_eq!(monitor.seen.lock().unwrap().len(), 1);
    assert!(monitor.fired.lock().unwrap().is_empty());
}
