//! The contract of the store port: what a server may build on, whichever engine keeps the bytes.
//!
//! Checks write to a folder of their own under the system's temporary folder. Two of them start their own program again,
//! to kill it or to limit it; two mount a small file system and are skipped, with a line that says so, where that is not
//! allowed.

mod crash;
mod damage;
mod entries;
mod errors;
mod full;
mod model;
mod random;

use std::{collections::BTreeMap, env, io, path::Path, process::Command, sync::Arc};

use caxton_plugin::{Error, Payload, Store, StoreOp, store_op};

use crate::{Failure, Held};

/// What is checked: a way to open a store.
pub trait Subject: Sync {
    /// Opens the store in a folder, or makes it when there is none. It is closed when the last reference is dropped.
    ///
    /// # Errors
    /// Those of the store.
    fn open(&self, folder: &Path, reserve_bytes: u64) -> Result<Arc<dyn Store>, Error>;

    /// A command that runs one check again, in a process of its own. By default this program with the arguments of a test
    /// at the root of its file, where [`store_contract!`](crate::store_contract) stands.
    ///
    /// # Errors
    /// When the program does not know its file.
    fn again(&self, check: &str) -> io::Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--exact", check, "--nocapture"]);
        Ok(command)
    }
}

/// One line of the contract.
pub struct Check {
    /// Its name, which says the behaviour.
    pub name: &'static str,
    /// What it holds, as a sentence.
    pub holds: &'static str,
    /// Runs it.
    pub run: fn(&dyn Subject) -> Held,
}

/// Gives the list of checks to a macro: module, function and sentence of each.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_store_check {
    ($callback:path $(, $extra:tt)*) => {
        $callback! { $($extra)*
            entries written_is_there_after_opening_again "What write reported as done is there after the store was closed and opened.";
            entries reads_in_the_order_of_keys_as_bytes "Keys are ordered as bytes, a shorter one before a longer one that begins with it.";
            entries reads_at_most_as_many_entries_as_asked "read gives at most entries_max, and none for zero.";
            entries reads_no_further_entry_once_the_bytes_are_reached "read always gives one entry, and no further one once their values have bytes_max bytes.";
            entries reads_up_to_and_not_including_the_end "from is included, until is not, an empty until is the end, an empty range gives nothing.";
            entries truncates_from_the_key_up_to_and_not_including_the_end "TRUNCATE removes key and not value; an empty range removes nothing.";
            entries a_put_replaces_what_is_there "PUT over a value replaces it.";
            entries removing_what_is_not_there_is_no_error "REMOVE and TRUNCATE of nothing are done.";
            entries changes_apply_in_order "Later changes of a transaction see earlier ones.";
            entries a_transaction_with_a_wrong_change_is_refused_whole "A key over 512 bytes or an unknown kind refuses the transaction with a code; nothing of it is applied and the store goes on.";
            entries applying_twice_does_the_same_as_once "A transaction that is written again changes nothing.";
            entries keeps_a_value_of_16_mib "A value of 16 MiB comes back as it was.";
            entries keeps_ten_thousand_keys "10,000 keys are there, in order, read page by page.";
            entries transactions_of_two_writers_do_not_mix "Transactions are one after the other, and a read beside them sees whole ones.";
            entries opening_again_keeps_everything "reopen keeps everything, and the store takes changes afterwards.";
            entries a_second_opener_is_refused "A store in use is not opened a second time; it is when the first one closed it.";
            model behaves_as_an_ordered_map "Any sequence of changes, reads and openings gives what an ordered map in memory gives.";
            crash nothing_acknowledged_is_lost_when_the_process_is_killed "After SIGKILL at any moment every acknowledged transaction is there whole, and at most the next one, whole.";
            errors an_error_that_is_no_full_disk_refuses_until_opened_again "After a failed write STORE_FAILED answers every write until reopen; then what was acknowledged is there.";
            full a_full_disk_refuses_removes_and_goes_on_when_space_is_freed "STORE_FULL keeps what was acknowledged, lets removals pass, and ends by itself when the disk has room.";
            full a_full_disk_goes_on_when_entries_were_removed "STORE_FULL ends by itself when removing entries made room.";
            damage damaged_bytes_are_refused_or_do_no_harm "A file with damaged bytes is refused or gives what was written; only the last transaction may be missing, as after a crash.";
        }
    };
}

macro_rules! list {
    ($($module:ident $name:ident $holds:literal;)*) => {
        /// Every line of the contract.
        pub const CHECKS: &[Check] =
            &[$(Check { name: stringify!($name), holds: $holds, run: $module::$name },)*];
    };
}
for_each_store_check!(list);

/// Makes a test of every line of the contract. Stands at the root of an integration test's file:
///
/// ```ignore
/// caxton_conformance::store_contract!(MyStore);
/// ```
#[macro_export]
macro_rules! store_contract {
    ($subject:expr) => {
        $crate::for_each_store_check!($crate::store_tests, [$subject]);
    };
}

/// Makes the tests of [`store_contract!`](crate::store_contract).
#[doc(hidden)]
#[macro_export]
macro_rules! store_tests {
    ([$subject:expr] $($module:ident $name:ident $holds:literal;)*) => {
        $(
            #[doc = $holds]
            #[test]
            fn $name() {
                $crate::store::run(&$subject, stringify!($name));
            }
        )*
    };
}

/// Runs one check as a test.
///
/// # Panics
/// When it does not hold, or there is none of that name.
#[allow(clippy::panic, reason = "this is how a test fails")]
pub fn run(subject: &dyn Subject, name: &str) {
    let Some(check) = CHECKS.iter().find(|check| check.name == name) else {
        panic!("no check is named {name}")
    };
    if let Err(failure) = (check.run)(subject) {
        panic!("this does not hold: {}\n{failure}", check.holds);
    }
}

/// What a store should hold.
type Content = BTreeMap<Vec<u8>, Vec<u8>>;

fn put(key: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) -> StoreOp {
    change(store_op::PUT, key, value)
}

fn remove(key: impl AsRef<[u8]>) -> StoreOp {
    change(store_op::REMOVE, key, Vec::new())
}

fn truncate(from: impl AsRef<[u8]>, until: impl Into<Vec<u8>>) -> StoreOp {
    change(store_op::TRUNCATE, from, until)
}

fn change(kind: u8, key: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) -> StoreOp {
    StoreOp { kind, key: key.as_ref().to_vec().into(), value: Payload::from(value.into()) }
}

/// Applies changes to what a store should hold.
fn apply(content: &mut Content, changes: &[StoreOp]) {
    for change in changes {
        let (key, value) = (change.key.to_vec(), change.value.as_slice().to_vec());
        match change.kind {
            store_op::PUT => drop(content.insert(key, value)),
            store_op::REMOVE => drop(content.remove(&key)),
            _ => content.retain(|kept, _| !(key <= *kept && *kept < value)),
        }
    }
}

/// Everything that a store holds, read page by page.
fn everything(store: &dyn Store) -> Result<Content, Failure> {
    let mut content = Content::new();
    let mut from = Vec::new();
    loop {
        let page = store.read(&from, &[], 1000, 1 << 20)?;
        let Some(last) = page.last() else { return Ok(content) };
        // The smallest key after the last one.
        from = last.key.to_vec();
        from.push(0);
        content.extend(page.into_iter().map(|entry| (entry.key.to_vec(), entry.value.as_slice().to_vec())));
    }
}

/// Fails when a store holds something else; says how many entries are missing, wrong and too many.
fn holds(store: &dyn Store, expected: &Content) -> Held {
    differs(&everything(store)?, expected).map_or(Ok(()), |how| Err(Failure::new(how)))
}

fn differs(found: &Content, expected: &Content) -> Option<String> {
    if found == expected {
        return None;
    }
    let missing = expected.keys().filter(|key| !found.contains_key(*key)).count();
    let added = found.keys().filter(|key| !expected.contains_key(*key)).count();
    let wrong =
        expected.iter().filter(|(key, value)| found.get(*key).is_some_and(|found| found != *value)).count();
    Some(format!(
        "of {} entries {missing} are missing and {wrong} have another value; {added} are there beside them",
        expected.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_counted_by_kind() {
        let content = |pairs: &[(&str, &str)]| -> Content {
            pairs.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
        };
        let expected = content(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let found = content(&[("b", "2"), ("c", "4"), ("d", "5"), ("e", "6")]);
        assert_eq!(
            differs(&found, &expected).unwrap(),
            "of 3 entries 1 are missing and 1 have another value; 2 are there beside them"
        );
        assert_eq!(differs(&expected, &expected), None);
    }
}
