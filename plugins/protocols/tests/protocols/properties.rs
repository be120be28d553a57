//! Arbitrary sequences of events: nothing panics, everything ends, nobody is left waiting, and a successor does the
//! same. What must hold for every single call is checked by the kit.

use caxton_acl::Performative as Act;
use caxton_plugin::{Code, Observation, Uid};
use proptest::prelude::*;

use crate::kit::{I, Msg, NUMBERS, Net, P, Q, Seen, agent_lost, say};

const ACTS: &[Act] = &[
    Act::Cfp,
    Act::Propose,
    Act::Refuse,
    Act::AcceptProposal,
    Act::RejectProposal,
    Act::Inform,
    Act::Failure,
    Act::NotUnderstood,
    Act::Cancel,
    Act::Request,
    Act::Agree,
    Act::Subscribe,
];
const CODES: &[Code] = &[Code::MAILBOX_FULL, Code::TRAP_MEMORY, Code::EXPIRED];

#[derive(Clone, Debug)]
enum Step {
    Send(Draft),
    Undeliver(Draft, usize),
    Lose(usize, bool),
    Wait(u64),
    HandOver,
}

/// A message by choices; numbers are small so that they often fit together.
#[derive(Clone, Debug)]
struct Draft {
    from: usize,
    to: usize,
    act: usize,
    conversation: u128,
    with: u32,
    re: u32,
    by: Option<i64>,
    protocol: u32,
}

impl Draft {
    fn message(&self, now: u64) -> Msg {
        let agents = [I, P, Q];
        let message = say(agents[self.from], agents[self.to], ACTS[self.act].as_str())
            .with(self.with)
            .re(self.re)
            .conversation(self.conversation)
            .protocol(self.protocol);
        self.by.map_or(message, |by| message.by(now.saturating_add_signed(by)))
    }
}

fn draft() -> impl Strategy<Value = Draft> {
    let by = prop::option::weighted(0.4, prop_oneof![-10_i64..5_000, Just(i64::MAX)]);
    let protocol = prop_oneof![6 => Just(NUMBERS.contract_net), 3 => Just(NUMBERS.request), 1 => Just(NUMBERS.cancel_meta)];
    let tos = (0_usize..3, 0_usize..3, 0..ACTS.len());
    (tos, 7_u128..9, 0_u32..4, 0_u32..4, by, protocol).prop_map(
        |((from, to, act), conversation, with, re, by, protocol)| Draft {
            from,
            to,
            act,
            conversation,
            with,
            re,
            by,
            protocol,
        },
    )
}

/// A message that plays its role: initiators call, accept, reject and cancel, participants answer.
fn fitting() -> impl Strategy<Value = Draft> {
    (draft(), 0_usize..9).prop_map(|(draft, act)| {
        let initiates =
            matches!(ACTS[act], Act::Cfp | Act::AcceptProposal | Act::RejectProposal | Act::Cancel);
        let other = 1 + draft.to % 2;
        let (from, to) = if initiates { (0, other) } else { (other, 0) };
        Draft { from, to, act, conversation: 7, protocol: NUMBERS.contract_net, ..draft }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => fitting().prop_map(Step::Send),
        4 => draft().prop_map(Step::Send),
        1 => (fitting(), 0..CODES.len()).prop_map(|(draft, code)| Step::Undeliver(draft, code)),
        1 => (0_usize..3, any::<bool>()).prop_map(|(agent, spared)| Step::Lose(agent, spared)),
        1 => prop_oneof![Just(1_u64), 1_u64..40_000, Just(400_000)].prop_map(Step::Wait),
        1 => Just(Step::HandOver),
    ]
}

/// The order of timers that go off at the same time is nobody's business.
fn carry_out(net: &mut Net, step: &Step) -> Seen {
    let mut seen = do_it(net, step);
    if matches!(step, Step::Wait(_)) {
        seen.moves.sort_unstable();
        seen.closed.sort_unstable();
        seen.sent
            .sort_unstable_by_key(|sent| (sent.head.conversation, sent.to, sent.re, sent.reason.clone()));
    }
    seen
}

fn do_it(net: &mut Net, step: &Step) -> Seen {
    let observed: Observation = match step {
        Step::Send(draft) => draft.message(net.now).observed(),
        Step::Undeliver(draft, code) => draft.message(net.now).undeliverable(CODES[*code]),
        Step::Lose(agent, true) => agent_lost([I, P, Q][*agent], &[Uid::from_u128(7)]),
        Step::Lose(agent, false) => agent_lost([I, P, Q][*agent], &[]),
        Step::Wait(time) => return net.at(net.now + time),
        Step::HandOver => return Seen::default(),
    };
    net.observe(&[observed])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_048) })]

    #[test]
    fn every_conversation_ends_and_a_successor_does_the_same(steps in prop::collection::vec(step(), 1..60)) {
        let mut net = Net::new();
        let mut twin = net.successor();
        for step in &steps {
            if matches!(step, Step::HandOver) {
                // The successor sets its timers at its first call, whatever that is.
                twin = twin.successor();
                twin.observe(&[]);
            }
            let (one, other) = (carry_out(&mut net, step), carry_out(&mut twin, step));
            prop_assert_eq!(one.verdicts, other.verdicts);
            prop_assert_eq!(one.sent, other.sent);
            prop_assert_eq!(one.moves, other.moves);
            prop_assert_eq!(one.closed, other.closed);
        }
        net.run_out();
        prop_assert_eq!(net.engine.open_conversations(), 0);
        prop_assert!(net.timers.is_empty());
    }
}
