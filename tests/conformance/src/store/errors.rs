//! A write that fails for another reason than a full disk, made by a limit on the size of files.

use std::{
    env, io,
    path::Path,
    process::{Command, Stdio},
};

use caxton_plugin::{Code, Store};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Content, Subject, apply, everything, holds, put, random::Random, remove};
use crate::{Failure, Held, same};

const FOLDER: &str = "CAXTON_CONFORMANCE_FOLDER";
const NAME: &str = "an_error_that_is_no_full_disk_refuses_until_opened_again";
/// What a file may grow to beyond what it is.
const ROOM_BYTES: u64 = 256 * 1024;
/// Batches of 64 KiB that must have met the limit, also where a store grows its file by doubling it.
const BATCHES_MAX: u64 = 400;

pub(super) fn an_error_that_is_no_full_disk_refuses_until_opened_again(subject: &dyn Subject) -> Held {
    if let Some(folder) = env::var_os(FOLDER) {
        return under_a_limit(subject, Path::new(&folder));
    }
    let folder = tempfile::tempdir()?;
    let again = subject.again(NAME)?;
    // The limit's signal would end the process; ignored, it becomes an error of the write. Only a shell can ignore it
    // for another program without unsafe code.
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#]).arg(again.get_program()).args(again.get_args());
    let output = shell.env(FOLDER, folder.path()).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Failure::new(format!("under a limit: {}", String::from_utf8_lossy(&said))))
}

fn under_a_limit(subject: &dyn Subject, folder: &Path) -> Held {
    let store = subject.open(folder, 0)?;
    let mut expected = Content::new();
    let first = [put("first", "1"), put("second", "2")];
    store.write(&first)?;
    apply(&mut expected, &first);
    limit(Some(largest_file(folder)? + ROOM_BYTES))?;
    let failed = write_until_refused(store.as_ref(), &mut expected)?;
    refuses(store.as_ref(), "with the limit")?;
    limit(None)?;
    refuses(store.as_ref(), "without the limit, not opened again")?;
    store.reopen()?;
    whole(store.as_ref(), &mut expected, &failed)?;
    store.write(&[remove("first")])?;
    expected.remove(b"first".as_slice());
    drop(store);
    holds(subject.open(folder, 0)?.as_ref(), &expected)
}

/// Writes until a batch is refused and answers that batch.
fn write_until_refused(
    store: &dyn Store,
    expected: &mut Content,
) -> Result<Vec<caxton_plugin::StoreOp>, Failure> {
    let mut random = Random::new(5);
    for batch in 0..BATCHES_MAX {
        let changes: Vec<_> =
            (0..16_u64).map(|at| put((batch * 16 + at).to_be_bytes(), random.bytes(4096))).collect();
        match store.write(&changes) {
            Ok(()) => apply(expected, &changes),
            Err(error) if error.code() == Code::STORE_FAILED => return Ok(changes),
            Err(error) => return Err(Failure::new(format!("expected STORE_FAILED, found {error}"))),
        }
    }
    Err(Failure::new("the limit was never met"))
}

fn refuses(store: &dyn Store, when: &str) -> Held {
    for changes in [vec![put("small", "x")], vec![remove("first")], vec![]] {
        let code = store.write(&changes).map_err(|error| error.code());
        same(&format!("a write {when}"), &code, &Err(Code::STORE_FAILED))?;
    }
    Ok(())
}

/// What was acknowledged is there, and of the failed transaction all or nothing.
fn whole(store: &dyn Store, expected: &mut Content, failed: &[caxton_plugin::StoreOp]) -> Held {
    let mut with = expected.clone();
    apply(&mut with, failed);
    if everything(store)? == with {
        *expected = with;
    }
    holds(store, expected)
}

fn largest_file(folder: &Path) -> Result<u64, Failure> {
    let mut largest = 0;
    for file in folder.read_dir()? {
        largest = largest.max(file?.metadata()?.len());
    }
    Ok(largest)
}

/// Sets how large this process may make a file; `None` for as large as it may be told.
fn limit(bytes: Option<u64>) -> io::Result<()> {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum })?;
    Ok(())
}
