//! Examples: one line of the contract each.

use std::{sync::Arc, thread};

use caxton_plugin::{Code, Store, StoreEntry, StoreOp};

use super::{Content, Subject, apply, change, everything, holds, put, remove, truncate};
use crate::{Failure, Held, same};

const MIB: usize = 1024 * 1024;

/// Runs a check on an empty store.
fn on_empty(subject: &dyn Subject, check: impl FnOnce(&dyn Store) -> Held) -> Held {
    let folder = tempfile::tempdir()?;
    check(subject.open(folder.path(), 0)?.as_ref())
}

fn keys(entries: &[StoreEntry]) -> Vec<String> {
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.key).into_owned()).collect()
}

fn abcd(store: &dyn Store) -> Held {
    Ok(store.write(&[put("a", "1"), put("b", "22"), put("c", "333"), put("d", "4444")])?)
}

pub(super) fn written_is_there_after_opening_again(subject: &dyn Subject) -> Held {
    let folder = tempfile::tempdir()?;
    let mut expected = Content::new();
    for round in 0..3_u8 {
        let store = subject.open(folder.path(), 0)?;
        holds(store.as_ref(), &expected)?;
        let changes = [put([round], vec![round; 100]), put("same", [round])];
        store.write(&changes)?;
        apply(&mut expected, &changes);
    }
    holds(subject.open(folder.path(), 0)?.as_ref(), &expected)
}

pub(super) fn reads_in_the_order_of_keys_as_bytes(subject: &dyn Subject) -> Held {
    on_empty(subject, |store| {
        let ordered: [&[u8]; 7] = [b"", b"\0", b"\0\xff", b"A", b"a", b"a\0", b"\xff"];
        let mixed: Vec<StoreOp> = [3, 0, 6, 1, 5, 2, 4]
            .into_iter()
            .filter_map(|at| ordered.get(at).map(|key| put(key, "x")))
            .collect();
        store.write(&mixed)?;
        let found = store.read(b"", b"", 100, u64::MAX)?;
        let found: Vec<&[u8]> = found.iter().map(|entry| entry.key.as_slice()).collect();
        same("the order", &found.as_slice(), &ordered.as_slice())
    })
}

pub(super) fn reads_at_most_as_many_entries_as_asked(subject: &dyn Subject) -> Held {
    on_empty(subject, |store| {
        abcd(store)?;
        for (entries_max, expected) in [(0, 0), (1, 1), (3, 3), (4, 4), (9, 4)] {
            let found = store.read(b"", b"", entries_max, u64::MAX)?.len();
            same(&format!("entries for entries_max {entries_max}"), &found, &expected)?;
        }
        Ok(())
    })
}

pub(super) fn reads_no_further_entry_once_the_bytes_are_reached(subject: &dyn Subject) -> Held {
    on_empty(subject, |store| {
        abcd(store)?;
        for (bytes_max, expected) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (6, 3), (7, 4)] {
            let found = store.read(b"", b"", 9, bytes_max)?.len();
            same(&format!("entries for bytes_max {bytes_max}"), &found, &expected)?;
        }
        Ok(())
    })
}

pub(super) fn reads_up_to_and_not_including_the_end(subject: &dyn Subject) -> Held {
    on_empty(subject, |store| {
        abcd(store)?;
        let cases: [(&str, &str, &[&str]); 7] = [
            ("b", "d", &["b", "c"]),
            ("b", "", &["b", "c", "d"]),
            ("", "b", &["a"]),
            ("bb", "c\0", &["c"]),
            ("c", "c", &[]),
            ("d", "a", &[]),
            ("e", "", &[]),
        ];
        for (from, until, expected) in cases {
            let found = keys(&store.read(from.as_bytes(), until.as_bytes(), 9, u64::MAX)?);
            same(
                &format!("from {from:?} until {until:?}"),
                &found,
                &expected.iter().map(ToString::to_string).collect(),
            )?;
        }
        Ok(())
    })
}

pub(super) fn truncates_from_the_key_up_to_and_not_including_the_end(subject: &dyn Subject) -> Held {
    on_empty(subject, |store| {
        abcd(store)?;
        store.write(&[truncate("d", "a"), truncate("c", "c"), truncate("a", "")])?;
        same("after empty ranges", &keys(&store.read(b"", b"", 9, u64::MAX)?).concat(), &"abcd".to_owned())?;
        store.write(&[truncate("b", "d")])?;
        same("after b to d", &keys(&store.read(b"", b"", 9, u64::MAX)?).concat(), &"ad".to_owned())
    })
}

pub(super) fn a_put_replaces_what_is_there(subject: &dyn Subject) -> Held {
    on_empty(subject, |store| {
        for value in ["", "a longer value than before", "short"] {
            store.write(&[put("key", value)])?;
            let found = store.get(b"key")?.map(|value| value.as_slice().to_vec());
            same("the value", &found, &Some(value.as_bytes().to_vec()))?;
        }
        same("the entries", &everything(store)?.len(), &1)
    })
}

pub(super) fn removing_what_is_not_there_is_no_error(subject: &dyn Subject) -> Held {
    on_empty(subject, |store| {
        store.write(&[remove("key"), truncate("a", "z")])?;
        store.write(&[put("key", "x")])?;
        store.write(&[remove("key"), remove("key")])?;
        store.write(&[])?;
        same("the value", &store.get(b"key")?.is_none(), &true)?;
        holds(store, &Content::new())
    })
}

pub(super) fn changes_apply_in_order(subject: &dyn Subject) -> Held {
    on_empty(subject, |store| {
        let changes = [
            put("removed", "1"),
            remove("removed"),
            remove("kept"),
            put("kept", "1"),
            put("kept", "2"),
            put("t1", "old"),
            truncate("t", "u"),
            put("t2", "new"),
        ];
        store.write(&changes)?;
        let mut expected = Content::new();
        apply(&mut expected, &changes);
        holds(store, &expected)
    })
}

pub(super) fn a_transaction_with_a_wrong_change_is_refused_whole(subject: &dyn Subject) -> Held {
    on_empty(subject, |store| {
        store.write(&[put("kept", "1"), put([b'k'; 512], "the longest key")])?;
        let before = everything(store)?;
        let wrong = [put([b'k'; 513], "x"), remove([b'k'; 513]), change(0, "k", "x"), change(9, "k", "x")];
        for wrong in wrong {
            let changes = [put("new", "x"), remove("kept"), wrong, put("newer", "x")];
            match store.write(&changes) {
                Ok(()) => return Err(Failure::new(format!("it was taken: {:?}", changes[2].kind))),
                Err(error) if error.code().is_none() || error.code() == Code::STORE_FAILED => {
                    return Err(Failure::new(format!("expected a code of its own: {error}")));
                }
                Err(_) => holds(store, &before)?,
            }
        }
        store.write(&[put("new", "x")])?;
        same("the entries", &everything(store)?.len(), &3)
    })
}

pub(super) fn applying_twice_does_the_same_as_once(subject: &dyn Subject) -> Held {
    on_empty(subject, |store| {
        abcd(store)?;
        let changes = [put("a", "new"), remove("b"), truncate("c", "cc"), put("e", "5")];
        store.write(&changes)?;
        let once = everything(store)?;
        store.write(&changes)?;
        holds(store, &once)
    })
}

pub(super) fn keeps_a_value_of_16_mib(subject: &dyn Subject) -> Held {
    let folder = tempfile::tempdir()?;
    let value: Vec<u8> = (0..16 * MIB).map(|at| (at % 251).to_le_bytes()[0]).collect();
    let store = subject.open(folder.path(), 0)?;
    store.write(&[put("before", "x"), put("large", value.clone())])?;
    drop(store);
    let store = subject.open(folder.path(), 0)?;
    let found = store.get(b"large")?.is_some_and(|found| found.as_slice() == value);
    same("the value is as it was", &found, &true)?;
    same("keys of a read", &keys(&store.read(b"", b"", 9, 1)?).concat(), &"before".to_owned())?;
    store.write(&[remove("large")])?;
    same("the entries", &everything(store.as_ref())?.len(), &1)
}

pub(super) fn keeps_ten_thousand_keys(subject: &dyn Subject) -> Held {
    let folder = tempfile::tempdir()?;
    let store = subject.open(folder.path(), 0)?;
    let mut expected = Content::new();
    // 7919 is a prime, so every number below 10,000 comes once, not in order.
    let numbers: Vec<u32> = (0..10_000).map(|at: u32| at * 7919 % 10_000).collect();
    for part in numbers.chunks(1000) {
        let changes: Vec<StoreOp> =
            part.iter().map(|number| put(number.to_be_bytes(), number.to_string().repeat(10))).collect();
        store.write(&changes)?;
        apply(&mut expected, &changes);
    }
    holds(store.as_ref(), &expected)?;
    drop(store);
    holds(subject.open(folder.path(), 0)?.as_ref(), &expected)
}

pub(super) fn transactions_of_two_writers_do_not_mix(subject: &dyn Subject) -> Held {
    let folder = tempfile::tempdir()?;
    let store = subject.open(folder.path(), 0)?;
    let write = |writer: u8| {
        let store = Arc::clone(&store);
        move || (0..50_u8).try_for_each(|at| store.write(&[put("a", [writer, at]), put("b", [writer, at])]))
    };
    let done = thread::scope(|scope| {
        let writers = [scope.spawn(write(1)), scope.spawn(write(2))];
        while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
            let seen = store.read(b"", b"", 2, u64::MAX)?;
            let values: Vec<&[u8]> = seen.iter().map(|entry| entry.value.as_slice()).collect();
            if !matches!(values.as_slice(), [] | [_, _]) || values.first() != values.last() {
                return Err(Failure::new(format!("a read saw half a transaction: {values:?}")));
            }
        }
        for writer in writers {
            writer.join().map_err(|_| Failure::new("a writer panicked"))??;
        }
        Ok(())
    });
    done?;
    same("a is as b", &store.get(b"a")?, &store.get(b"b")?)
}

pub(super) fn opening_again_keeps_everything(subject: &dyn Subject) -> Held {
    on_empty(subject, |store| {
        abcd(store)?;
        let before = everything(store)?;
        store.reopen()?;
        holds(store, &before)?;
        store.write(&[put("e", "5")])?;
        store.reopen()?;
        same("the entries", &everything(store)?.len(), &5)
    })
}

pub(super) fn a_second_opener_is_refused(subject: &dyn Subject) -> Held {
    let folder = tempfile::tempdir()?;
    let store = subject.open(folder.path(), 0)?;
    abcd(store.as_ref())?;
    match subject.open(folder.path(), 0) {
        Ok(_) => return Err(Failure::new("a store in use was opened a second time")),
        Err(error) if !error.message().contains("is in use by") => {
            return Err(Failure::new(format!("the refusal does not say that it is in use: {error}")));
        }
        Err(_) => {}
    }
    store.write(&[put("e", "5")])?;
    drop(store);
    same("the entries", &everything(subject.open(folder.path(), 0)?.as_ref())?.len(), &5)
}
