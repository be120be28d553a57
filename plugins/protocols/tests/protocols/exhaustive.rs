//! Every state × every event, generated from the same tables that the engine reads: exactly the table's rows fire, and
//! everything else is row 19.
//!
//! Situations (a state with what the guards look at) are found by breadth-first search with every stimulus from every
//! situation. What must happen is worked out here from the row and from the session's own fields.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use caxton_acl::Performative as Act;
use caxton_plugin::{Code, Protocol, flags};
use caxton_protocols::table::{Effect, Event, Guard, Next, Role, Row, State, Table};
use caxton_protocols::tables::{CONTRACT_NET, REQUEST};
use serde_json::Value;

use crate::kit::{I, Msg, NUMBERS, Net, P, Seen, say};

/// When a message's reply-by is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    None,
    Ahead,
    Past,
}

/// What can be done to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stimulus {
    Says(Role, Act, u32, By),
    Undelivered(Role, Act),
    ParticipantLost,
    ParticipantGone,
    InitiatorLost,
    /// Time passes until the session's deadline, or until the decision times out.
    Time,
}

/// The `reply-with` that each act carries.
fn reply_with(table: &Table, act: Act) -> u32 {
    match act {
        act if act == table.opening => 100,
        Act::Propose => 200,
        Act::AcceptProposal => 300,
        Act::Cancel => 400,
        _ => 500,
    }
}

fn stimuli() -> Vec<Stimulus> {
    let mut all =
        vec![Stimulus::ParticipantLost, Stimulus::ParticipantGone, Stimulus::InitiatorLost, Stimulus::Time];
    for role in [Role::Initiator, Role::Participant] {
        for act in Act::ALL {
            all.push(Stimulus::Undelivered(role, act));
            for in_reply_to in [0, 100, 200, 300, 400, 999] {
                all.extend(
                    [By::None, By::Ahead, By::Past].map(|by| Stimulus::Says(role, act, in_reply_to, by)),
                );
            }
        }
    }
    all
}

fn message(table: &Table, role: Role, act: Act, in_reply_to: u32, by: By, now: u64) -> Msg {
    let (from, to) = if role == Role::Initiator { (I, P) } else { (P, I) };
    let protocol = if table.opening == Act::Cfp { NUMBERS.contract_net } else { NUMBERS.request };
    let message = say(from, to, act.as_str()).with(reply_with(table, act)).re(in_reply_to).protocol(protocol);
    match by {
        By::None => message,
        By::Ahead => message.by(now + 1_000),
        By::Past => message.by(now - 1),
    }
}

/// The only session, as it is in a snapshot; null before the first message.
fn session(net: &Net) -> Value {
    conversation(net)["sessions"][0].clone()
}

fn conversation(net: &Net) -> Value {
    let document: Value = serde_json::from_slice(&net.engine.snapshot()).unwrap();
    document["conversations"][0].clone()
}

fn state_of(session: &Value) -> State {
    let name = session["state"].as_str().unwrap_or("-");
    *State::ALL.iter().find(|state| state.name() == name).unwrap()
}

fn back_of(session: &Value) -> State {
    let name = session["back"].as_str().unwrap_or("-");
    *State::ALL.iter().find(|state| state.name() == name).unwrap()
}

/// What distinguishes situations, without times.
fn key(net: &Net) -> String {
    let session = session(net);
    let bounded = session["deadline_ms"].as_u64().is_some_and(|until| until != u64::MAX);
    let back_bounded = session["back_deadline_ms"].as_u64().is_some_and(|until| until != u64::MAX);
    let back = if state_of(&session) == State::Cancelling { back_of(&session) } else { State::Start };
    let fields = [&session["cancel"], &session["asked"], &session["offered"], &session["void"]];
    format!("{} {} {bounded} {back_bounded} {fields:?}", state_of(&session).name(), back.name())
}

fn act_on(net: &mut Net, table: &Table, stimulus: Stimulus) -> Seen {
    match stimulus {
        Stimulus::Says(role, act, to, by) => net.send(message(table, role, act, to, by, net.now)),
        Stimulus::Undelivered(role, act) => {
            let to = if role == Role::Participant { 100 } else { 0 };
            net.undeliver(message(table, role, act, to, By::None, net.now), Code::MAILBOX_FULL)
        }
        Stimulus::ParticipantLost => net.lose(P),
        Stimulus::ParticipantGone => net.remove(P),
        Stimulus::InitiatorLost => net.lose(I),
        Stimulus::Time => {
            let due = [&session(net)["deadline_ms"], &conversation(net)["decide_by_ms"]];
            let due = due.into_iter().filter_map(Value::as_u64).min().filter(|due| *due != u64::MAX);
            net.at(due.unwrap_or(net.now) + 1)
        }
    }
}

/// The table's event, when the stimulus is one in this situation.
fn event(table: &Table, session: &Value, stimulus: Stimulus) -> Option<Event> {
    let sent = |act: Act| match act {
        act if act == table.opening => true,
        Act::AcceptProposal => session["asked"] == 300,
        Act::Cancel => session["cancel"] == 400,
        Act::Propose => session["offered"] == 200,
        _ => false,
    };
    match stimulus {
        Stimulus::Says(role, act, ..) => Some(Event::Says(role, act)),
        Stimulus::Undelivered(role, act) => {
            let own = (act == Act::Propose) == (role == Role::Participant);
            (own && sent(act)).then_some(Event::Undelivered(act))
        }
        Stimulus::ParticipantLost | Stimulus::ParticipantGone => Some(Event::ParticipantLost),
        Stimulus::InitiatorLost => Some(Event::InitiatorLost),
        Stimulus::Time if session["deadline_ms"].as_u64() == Some(u64::MAX) => Some(Event::Dismissed),
        Stimulus::Time => Some(Event::Deadline),
    }
}

fn holds(guard: Guard, session: &Value, stimulus: Stimulus) -> bool {
    let (in_reply_to, by) = match stimulus {
        Stimulus::Says(_, _, in_reply_to, by) => (Some(in_reply_to), by),
        _ => (None, By::None),
    };
    let answers_cancel = in_reply_to.is_some() && session["cancel"].as_u64() == in_reply_to.map(u64::from);
    let back = back_of(session);
    match guard {
        Guard::Always => true,
        Guard::Timely => by != By::Past,
        Guard::Stale => by == By::Past,
        Guard::AnswersCall => in_reply_to == Some(100),
        Guard::AnswersCancel => answers_cancel,
        Guard::CrossesCancel => {
            !answers_cancel && [State::Accepted, State::Requested, State::Agreed].contains(&back)
        }
        // A cancel's time and its call's end together here, so the call of a pending cancel is open.
        Guard::CrossesCall => in_reply_to == Some(100) && [State::AwaitBid, State::Requested].contains(&back),
        Guard::Gone => stimulus == Stimulus::ParticipantGone,
        Guard::Void => session["void"] != 0 && !answers_cancel,
        Guard::HadBound => [State::Bid, State::Accepted, State::Agreed].contains(&back),
    }
}

/// The numbers, within the table, of the rows that fit; more than one would make the protocol ambiguous.
fn fitting(table: &Table, session: &Value, stimulus: Stimulus) -> Vec<usize> {
    let Some(event) = event(table, session, stimulus) else { return Vec::new() };
    let fits = |row: &Row| {
        row.state == state_of(session) && row.event == event && holds(row.guard, session, stimulus)
    };
    table.rows.iter().enumerate().filter(|(_, row)| fits(row)).map(|(index, _)| index).collect()
}

fn or_void(code: Code, before: &Value) -> Code {
    let void = before["void"].as_u64().and_then(|void| u16::try_from(void).ok());
    if code.is_none() { Code(void.unwrap()) } else { code }
}

fn check_row(row: &Row, before: &Value, after: &Value, seen: &Seen, what: &str) {
    let expected = match row.next {
        Next::To(state) => state,
        Next::Back => back_of(before),
        Next::Same | Next::Behind(_) => state_of(before),
    };
    if let Next::Behind(state) = row.next {
        assert_eq!(back_of(after), state, "{what}");
    }
    assert_eq!(state_of(after), expected, "{what}");
    let (withheld, act) = match row.effect {
        Effect::Withhold(code) => (Some(or_void(code, before)), None),
        Effect::WithholdAndFail(code) => (Some(or_void(code, before)), Some("failure")),
        Effect::WithholdAndReject(code) => (Some(code), Some("reject-proposal")),
        Effect::FailInitiator(_) | Effect::FailSender | Effect::FailCancel(_) => (None, Some("failure")),
        Effect::Reject => (None, Some("reject-proposal")),
        Effect::Cancel => (None, Some("cancel")),
        Effect::Nothing | Effect::Start(_) | Effect::DeliverLate => (None, None),
    };
    assert_eq!(seen.withheld(), withheld, "{what}");
    assert_eq!(seen.sent.iter().map(|sent| sent.act).collect::<Vec<_>>(), Vec::from_iter(act), "{what}");
    assert_eq!(seen.flags() == flags::LATE, row.effect == Effect::DeliverLate, "{what}");
}

/// The act ends a session, its session is over, or a lost initiator's was called off: nobody waits for a word about it.
fn told_already(table: &Table, abandoned: bool, before: &Value, role: Role, act: Act) -> bool {
    let sent = event(table, before, Stimulus::Undelivered(role, act)).is_some();
    let over = state_of(before).is_final() && act != Act::Cancel;
    let ends = matches!(act, Act::Failure | Act::NotUnderstood | Act::Refuse | Act::RejectProposal);
    let called_off = [State::Cancelling, State::Cancelled, State::Rejected].contains(&state_of(before));
    ends || (sent && over) || (abandoned && called_off && role == Role::Participant)
}

/// Row 19: nothing moves; a message is withheld and answered, or delivered flagged when it is a not-understood itself.
fn check_nothing(table: &Table, net: &Net, stimulus: Stimulus, before: &Value, seen: &Seen, what: &str) {
    let after = &session(net);
    let abandoned = conversation(net)["past"]["abandoned"] == true;
    assert_eq!(state_of(after), state_of(before), "{what}");
    let acts: Vec<_> = seen.sent.iter().map(|sent| sent.act).collect();
    match stimulus {
        Stimulus::Says(_, Act::NotUnderstood, ..) => {
            assert_eq!(
                (seen.withheld(), seen.flags(), acts.len()),
                (None, flags::OUT_OF_SEQUENCE, 0),
                "{what}"
            );
        }
        Stimulus::Says(..) => {
            let codes = [Code::UNEXPECTED_ACT, Code::NOT_A_ROLE, Code::CONVERSATION_EXISTS];
            assert!(seen.withheld().is_some_and(|code| codes.contains(&code)), "{what}: {seen:?}");
            assert_eq!(acts, ["not-understood"], "{what}");
        }
        Stimulus::Undelivered(role, act) if told_already(table, abandoned, before, role, act) => {
            assert!(acts.is_empty(), "{what}: {acts:?}");
        }
        Stimulus::Undelivered(..) => assert_eq!(acts, ["failure"], "{what}"),
        _ => assert!(acts.is_empty(), "{what}: {acts:?}"),
    }
}

/// Explores the table and returns how many pairs of situation and stimulus were checked.
fn explore(table: &Table) -> (usize, BTreeSet<State>, BTreeMap<usize, usize>) {
    let (mut states, mut fired, mut checked) = (BTreeSet::new(), BTreeMap::new(), 0);
    let mut known = BTreeSet::from([key(&Net::new())]);
    let mut paths = VecDeque::from([Vec::<Stimulus>::new()]);
    while let Some(path) = paths.pop_front() {
        for stimulus in stimuli() {
            let mut net = Net::new();
            path.iter().for_each(|step| {
                act_on(&mut net, table, *step);
            });
            let before = session(&net);
            states.insert(state_of(&before));
            let opens = matches!(stimulus, Stimulus::Says(Role::Initiator, act, ..) if act == table.opening);
            if before.is_null() && !opens {
                continue;
            }
            let what = format!("{} {} after {path:?}: {stimulus:?}", table.token, state_of(&before).name());
            let rows = fitting(table, &before, stimulus);
            assert!(rows.len() <= 1, "{what}: several rows fit");
            let seen = act_on(&mut net, table, stimulus);
            let after = session(&net);
            match rows.first() {
                Some(row) => {
                    check_row(&table.rows[*row], &before, &after, &seen, &what);
                    *fired.entry(*row).or_default() += 1;
                }
                None => check_nothing(table, &net, stimulus, &before, &seen, &what),
            }
            checked += 1;
            if known.insert(key(&net)) {
                paths.push_back([path.as_slice(), &[stimulus]].concat());
            }
        }
    }
    (checked, states, fired)
}

fn check_table(table: &Table) {
    let (checked, states, fired) = explore(table);
    let named: BTreeSet<State> = table.rows.iter().map(|row| row.state).collect();
    assert!(named.is_subset(&states), "every state of the table is reached: {states:?}");
    let silent: Vec<_> = (0..table.rows.len()).filter(|row| !fired.contains_key(row)).collect();
    assert!(
        silent.is_empty(),
        "rows that never fire: {:?}",
        silent.iter().map(|row| table.rows[*row]).collect::<Vec<_>>()
    );
    println!("{}: {checked} pairs of situation and event", table.token);
}

#[test]
fn contract_net_does_what_its_table_says_and_nothing_else() {
    check_table(&CONTRACT_NET);
}

#[test]
fn request_does_what_its_table_says_and_nothing_else() {
    check_table(&REQUEST);
}

#[test]
fn the_contract_net_table_has_every_row_that_is_a_sessions_own() {
    let numbers: BTreeSet<u8> = CONTRACT_NET.rows.iter().map(|row| row.number).collect();
    let expected: BTreeSet<u8> = (1..=18).filter(|number| *number != 8).collect();
    assert_eq!(numbers, expected);
}
