use super::*;

fn signal(name: EventName, message: u128, millis: u64) -> Signal {
    Signal {
        time_ns: Time::from_millis(millis).nanos(),
        name,
        message: Uid::from_u128(message),
        conversation: Uid::from_u128(77),
        sender: 1,
        receiver: 2,
        ..Signal::default()
    }
}

fn log(limits: Limits) -> ConversationLog {
    ConversationLog::new(Arc::new(limits))
}

#[test]
fn entries_of_one_instant_stand_in_the_order_in_which_they_were_accepted() {
    let mut log = log(Limits::default());
    let answer = Signal { sender: 2, receiver: 1, ..signal(EventName::MESSAGE_DELIVERED, 2, 6) };
    log.fold(&[answer, signal(EventName::MESSAGE_ACCEPTED, 1, 5)]);
    log.fold(&[Signal { sender: 2, receiver: 1, ..signal(EventName::MESSAGE_ACCEPTED, 2, 5) }]);
    let found = log.get(Uid::from_u128(77)).unwrap();
    let ids: Vec<_> = found.entries.iter().map(|entry| entry.message.to_u128()).collect();
    assert_eq!((ids, found.participants), (vec![1, 2], vec![1, 2]));
    assert_eq!(log.list(1)[0].participants, [1, 2]);
}

#[test]
fn a_fate_that_comes_before_its_message_is_one_entry_with_the_earlier_time() {
    let mut log = log(Limits::default());
    log.fold(&[signal(EventName::MESSAGE_DELIVERED, 1, 9), signal(EventName::MESSAGE_ACCEPTED, 1, 5)]);
    let conversation = log.get(Uid::from_u128(77)).unwrap();
    assert_eq!(conversation.entries.len(), 1);
    let entry = &conversation.entries[0];
    assert_eq!((entry.time.millis(), entry.fate), (5, Fate::Delivered));
    assert_eq!(entry.settled, Some(Time::from_millis(9)));
}

#[test]
fn traps_transitions_and_the_end_stay_visible_in_order_of_time() {
    let mut log = log(Limits::default());
    log.fold(&[
        signal(EventName::CONVERSATION_CLOSED, 0, 9),
        signal(EventName::AGENT_TRAP, 1, 6),
        signal(EventName::MESSAGE_ACCEPTED, 1, 5),
        signal(EventName::CONVERSATION_TRANSITION, 0, 7),
    ]);
    let conversation = log.get(Uid::from_u128(77)).unwrap();
    let kinds: Vec<_> = conversation.entries.iter().map(|entry| entry.kind).collect();
    use EntryKind as K;
    assert_eq!(kinds, [K::Message, K::Trap, K::Transition, K::Closed]);
    assert_eq!(conversation.ended, Some(Time::from_millis(9)));
    assert_eq!(conversation.participants, [1, 2]);
}

#[test]
fn a_list_tells_the_number_of_messages_without_their_entries() {
    let mut log = log(Limits::default());
    log.fold(&[signal(EventName::MESSAGE_ACCEPTED, 1, 5), signal(EventName::AGENT_TRAP, 1, 6)]);
    log.fold(&[signal(EventName::MESSAGE_DELIVERED, 1, 7), signal(EventName::MESSAGE_REFUSED, 2, 7)]);
    let listed = log.list(1).remove(0);
    assert_eq!((listed.messages, listed.entries.len()), (2, 0));
    assert_eq!(log.get(listed.id).unwrap().messages, 2);
}

#[test]
fn the_oldest_conversation_is_forgotten_when_there_are_too_many() {
    let mut log = log(Limits { conversations_max: 2, ..Limits::default() });
    for id in 1..=3 {
        let conversation = Uid::from_u128(id);
        log.fold(&[Signal { conversation, ..signal(EventName::MESSAGE_ACCEPTED, id, 1) }]);
    }
    let ids: Vec<_> = log.list(9).iter().map(|kept| kept.id.lo).collect();
    assert_eq!(ids, [3, 2]);
}

#[test]
fn entries_beyond_the_bound_are_counted() {
    let mut log = log(Limits { conversation_events_max: 1, ..Limits::default() });
    log.fold(&[signal(EventName::MESSAGE_ACCEPTED, 1, 1), signal(EventName::MESSAGE_ACCEPTED, 2, 2)]);
    assert_eq!(log.get(Uid::from_u128(77)).unwrap().entries_dropped, 1);
}
