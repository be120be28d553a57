//! Durable messages while threads send, work, write and balance at the same time.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use caxton_abi::{Code, class};

use crate::{rig::*, shelf::*};

#[test]
fn durable_messages_keep_their_order_and_the_books_while_threads_work() {
    const MESSAGES: usize = 400;
    let rig = Rig::new();
    let shelf = rig.shelf();
    let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let bob = rig.agent("bob", move |batch, _| {
        log.lock().unwrap().extend(batch.iter().map(|message| (message.head.sender, text(message))));
        Ok(())
    });
    let other = rig.bus.claim("other", 1, rig.inbox.clone(), rig.now).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..2 {
            let (rig, done) = (&rig, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    match rig.bus.next(worker, rig.now) {
                        Some(turn) => rig.bus.finish(turn.run(), rig.now),
                        None => thread::yield_now(),
                    }
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                rig.write(&shelf);
                assert!(rig.bus.accounting().holds());
            }
        });
        let senders = [rig.client, other].map(|sender| {
            let rig = &rig;
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let answer = rig.submit_and_wait(vec![durable(sender, bob, &format!("{number:04}"))]);
                    while answer.lock().unwrap().is_none() {
                        thread::yield_now();
                    }
                    assert_eq!(code(&answer), Code::NONE);
                }
            })
        });
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let durable = || rig.bus.accounting().by_class[usize::from(class::DURABLE)];
        while durable().delivered < 2 * MESSAGES as u64 {
            thread::yield_now();
        }
        done.store(true, Ordering::Release);
    });
    let seen = seen.lock().unwrap();
    for sender in [rig.client, other] {
        let texts: Vec<_> = seen.iter().filter(|(from, _)| *from == sender).map(|(_, text)| text).collect();
        assert!(texts.is_sorted() && texts.len() == MESSAGES);
    }
    assert!(shelf.kept.lock().unwrap().messages.is_empty());
}
