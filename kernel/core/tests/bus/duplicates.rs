//! Messages that a sender sends twice under an id of its own.

use caxton_abi::Code;
use caxton_acl::Performative::{Inform, Request};
use caxton_core::Limits;

use crate::{rig::*, shelf::*};

#[test]
fn a_message_that_is_sent_twice_is_delivered_once_and_the_sender_is_told() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| Ok(()));
    let hello = || with_id(message(rig.client, bob, Inform, "hello"), 7);
    assert_eq!(rig.submit(hello()).code, Code::NONE);
    let again = rig.submit(hello());
    assert_eq!((again.code, again.id), (Code::DUPLICATE, hello().head.id));
    rig.run();
    assert_eq!(rig.bus.agent("bob").unwrap().received, 1);
    assert_eq!((rig.bus.accounting().accepted, rig.bus.accounting().refused), (1, 1));
}

#[test]
fn the_same_id_for_another_message_is_a_conflict() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| Ok(()));
    let first = with_id(message(rig.client, bob, Inform, "hello"), 7);
    rig.submit(first);
    let others = [
        with_id(message(rig.client, bob, Inform, "another content"), 7),
        with_id(message(rig.client, bob, Request, "hello"), 7),
        with_id(message(rig.client, rig.client, Inform, "hello"), 7),
    ];
    for other in others {
        assert_eq!(rig.submit(other).code, Code::ID_CONFLICT);
    }
}

#[test]
fn an_id_belongs_to_its_sender() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| Ok(()));
    let other = rig.bus.claim("other", 1, rig.inbox.clone(), rig.now).unwrap();
    for sender in [rig.client, other] {
        assert_eq!(rig.submit(with_id(message(sender, bob, Inform, "x"), 7)).code, Code::NONE);
    }
}

#[test]
fn an_id_that_was_refused_is_free() {
    let rig = Rig::new();
    let small = caxton_core::AgentSpec { mailbox_messages_max: Some(1), ..spec("bob") };
    let bob = rig.deploy_as(small, Hooks::default());
    rig.tell(bob, "fills it");
    let hello = || with_id(message(rig.client, bob, Inform, "hello"), 7);
    assert_eq!(rig.submit(hello()).code, Code::MAILBOX_FULL);
    rig.run();
    assert_eq!(rig.submit(hello()).code, Code::NONE);
}

#[test]
fn the_window_is_bounded_and_the_oldest_id_falls_out() {
    let rig = Rig::with(Limits { duplicates_max: 2, ..Limits::default() });
    let bob = rig.agent("bob", |_, _| Ok(()));
    let send = |id| rig.submit(with_id(message(rig.client, bob, Inform, "x"), id)).code;
    assert_eq!([1, 2, 3].map(send), [Code::NONE; 3]);
    assert_eq!([3, 2, 1].map(send), [Code::DUPLICATE, Code::DUPLICATE, Code::NONE]);
}

#[test]
fn a_repetition_while_the_first_is_being_written_is_told_so() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let bob = rig.agent("bob", |_, _| Ok(()));
    let hello = || vec![with_id(durable(rig.client, bob, "hello"), 7)];
    let first = rig.submit_and_wait(hello());
    assert_eq!(code(&rig.submit_and_wait(hello())), Code::STORING);
    rig.write(&shelf);
    assert_eq!(code(&first), Code::NONE);
    assert_eq!(code(&rig.submit_and_wait(hello())), Code::DUPLICATE);
}

#[test]
fn an_id_whose_message_could_not_be_written_is_free() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let bob = rig.agent("bob", |_, _| Ok(()));
    let hello = || vec![with_id(durable(rig.client, bob, "hello"), 7)];
    let first = rig.submit_and_wait(hello());
    rig.fail_one(&shelf, Code::STORE_FULL);
    let second = rig.submit_and_wait(hello());
    rig.write(&shelf);
    assert_eq!((code(&first), code(&second)), (Code::STORE_FULL, Code::NONE));
}

#[test]
fn the_ids_of_durable_messages_are_known_after_a_crash() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let send = |rig: &Rig, shelf: &Shelf, text: &str| {
        let promise = rig.submit_and_wait(vec![with_id(durable(rig.client, rig.address("bob"), text), 7)]);
        rig.write(shelf);
        code(&promise)
    };
    assert_eq!(send(&rig, &shelf, "hello"), Code::NONE);
    let (again, shelf) = rig.begin_again(&shelf, Limits::default());
    again.address("somebody-else");
    again.agent("bob", |_, _| Ok(()));
    assert_eq!(send(&again, &shelf, "hello"), Code::DUPLICATE);
    assert_eq!(send(&again, &shelf, "other"), Code::ID_CONFLICT);
}

#[test]
fn a_stored_id_that_falls_out_of_the_window_leaves_the_store() {
    let rig = Rig::with(Limits { duplicates_max: 1, ..Limits::default() });
    let shelf = rig.shelf();
    let bob = rig.agent("bob", |_, _| Ok(()));
    for id in [1, 2] {
        rig.submit_and_wait(vec![with_id(durable(rig.client, bob, "x"), id)]);
        rig.write(&shelf);
    }
    let kept = shelf.kept.lock().unwrap();
    let ids: Vec<_> = kept.sightings.values().map(|seen| seen.id).collect();
    assert_eq!(ids, [caxton_abi::Uid::from_u128(2)]);
}
