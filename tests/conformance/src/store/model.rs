//! Any sequence of operations against an ordered map in memory, found and shortened by proptest.

use std::sync::Arc;

use caxton_plugin::{Store, StoreOp};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, prop_oneof},
    sample::select,
    test_runner::{Config, TestCaseError, TestRunner},
};

use super::{Content, Subject, apply, holds, put, remove, truncate};
use crate::{Failure, Held, same};

/// Sequences that are tried; each writes to a disk.
const CASES: u32 = 32;
/// Most operations of one.
const STEPS_MAX: usize = 24;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<StoreOp>),
    Get(Vec<u8>),
    Read { from: Vec<u8>, until: Vec<u8>, entries_max: u32, bytes_max: u64 },
    Reopen,
    Close,
}

pub(super) fn behaves_as_an_ordered_map(subject: &dyn Subject) -> Held {
    let config =
        Config { cases: CASES, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&vec(step(), 1..STEPS_MAX), |steps| {
            follow(subject, &steps).map_err(|failure| TestCaseError::fail(failure.to_string()))
        })
        .map_err(|error| Failure::new(error.to_string()))
}

/// Few keys, close to each other, so that operations meet.
fn key() -> impl Strategy<Value = Vec<u8>> + Clone {
    vec(select(vec![0, b'a', 0xff]), 0..3)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let lengths = prop_oneof![8 => 0..200_usize, 1 => 900..1100_usize, 1 => 4000..20_000_usize];
    (lengths, proptest::num::u8::ANY).prop_map(|(length, byte)| vec![byte; length])
}

fn change() -> impl Strategy<Value = StoreOp> {
    prop_oneof![
        4 => (key(), value()).prop_map(|(key, value)| put(key, value)),
        2 => key().prop_map(remove),
        1 => (key(), key()).prop_map(|(from, until)| truncate(from, until)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let range = (key(), key(), 0..6_u32, prop_oneof![0..400_u64, Just(u64::MAX)]);
    prop_oneof![
        6 => vec(change(), 0..8).prop_map(Step::Write),
        3 => key().prop_map(Step::Get),
        3 => range.prop_map(|(from, until, entries_max, bytes_max)| Step::Read { from, until, entries_max, bytes_max }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Close),
    ]
}

fn follow(subject: &dyn Subject, steps: &[Step]) -> Held {
    let folder = tempfile::tempdir()?;
    let mut store = Some(subject.open(folder.path(), 0)?);
    let mut expected = Content::new();
    for step in steps {
        let open = match store.take() {
            Some(open) => open,
            None => subject.open(folder.path(), 0)?,
        };
        match step {
            Step::Write(changes) => {
                open.write(changes)?;
                apply(&mut expected, changes);
            }
            Step::Get(key) => {
                let found = open.get(key)?.map(|value| value.as_slice().to_vec());
                same("a value", &found, &expected.get(key).cloned())?;
            }
            Step::Read { from, until, entries_max, bytes_max } => {
                let found = open.read(from, until, *entries_max, *bytes_max)?;
                let found =
                    found.iter().map(|entry| (entry.key.to_vec(), entry.value.as_slice().to_vec())).collect();
                same("a read", &found, &read(&expected, from, until, *entries_max, *bytes_max))?;
            }
            Step::Reopen => open.reopen()?,
            Step::Close => continue,
        }
        store = Some(open);
    }
    drop(store);
    let store: Arc<dyn Store> = subject.open(folder.path(), 0)?;
    holds(store.as_ref(), &expected)
}

/// What a read of the map gives.
fn read(
    content: &Content,
    from: &[u8],
    until: &[u8],
    entries_max: u32,
    bytes_max: u64,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Some(0);
    let within = |key: &[u8]| from <= key && (until.is_empty() || key < until);
    content
        .iter()
        .filter(|(key, _)| within(key))
        .take(entries_max as usize)
        .map_while(|(key, value)| {
            let sum = bytes? + value.len() as u64;
            bytes = (sum < bytes_max).then_some(sum);
            Some((key.clone(), value.clone()))
        })
        .collect()
}
