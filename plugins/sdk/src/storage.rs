//! What stores on a disk share, so that each of them is only about its engine: which changes are refused before anything
//! is written, who may open the files, and room that is kept for a full disk.
//!
//! A file `PATH` has two companions: `PATH.lock` names the process that uses it, `PATH.reserve` holds the room. Neither
//! has contents that are ever needed again.

mod lock;
mod reserve;

use std::{
    ffi::OsString,
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use caxton_abi::{
    Code,
    port::{STORE_KEY_BYTES_MAX, StoreOp, store_op},
};
pub use lock::Lock;
pub use reserve::Reserve;

use crate::Error;

/// Refuses changes that no store may take: a key over [`STORE_KEY_BYTES_MAX`], or a kind that is not in
/// [`store_op`]. Called before anything is written, so the store goes on.
///
/// # Errors
/// [`Code::CONTROL_REQUEST_INVALID`], with the place of the change.
pub fn check(changes: &[StoreOp]) -> Result<(), Error> {
    for (at, change) in changes.iter().enumerate() {
        let wrong = if change.key.len() > STORE_KEY_BYTES_MAX {
            let found = change.key.len();
            format!("has a key of {found} bytes, expected at most {STORE_KEY_BYTES_MAX}: use a shorter key")
        } else if !matches!(change.kind, store_op::PUT | store_op::REMOVE | store_op::TRUNCATE) {
            let found = change.kind;
            format!("is of kind {found}, expected 1 to 3: install a version of the store that knows it")
        } else {
            continue;
        };
        let message = format!("nothing was written: change {at} of {} {wrong}", changes.len());
        return Err(Error::new(Code::CONTROL_REQUEST_INVALID, message));
    }
    Ok(())
}

/// True when the changes only take away, so that they may use the [`Reserve`].
pub fn only_removes(changes: &[StoreOp]) -> bool {
    changes.iter().all(|change| change.kind != store_op::PUT)
}

/// Makes the folder of a file, and those above it, for this user alone: what agents say to each other is not for
/// everybody.
///
/// # Errors
/// [`Code::PLUGIN_START_FAILED`] when it is not there and cannot be made.
pub fn make_folder_of(path: &Path) -> Result<(), Error> {
    let folder = folder_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| {
        let message = format!(
            "cannot make the folder `{}`: {error}; make it, or set `path` to a place that the server may write",
            folder.display()
        );
        Error::new(Code::PLUGIN_START_FAILED, message)
    })
}

/// Makes names in the folder of a file durable, after a file was made or renamed.
///
/// # Errors
/// Those of the folder.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// The file beside another: its name with more at the end.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn change(kind: u8, key_bytes: usize) -> StoreOp {
        StoreOp { kind, key: vec![b'k'; key_bytes].into(), ..StoreOp::default() }
    }

    #[test]
    fn a_key_of_the_greatest_length_is_taken() {
        assert_eq!(check(&[change(store_op::PUT, STORE_KEY_BYTES_MAX), change(store_op::REMOVE, 0)]), Ok(()));
    }

    #[test]
    fn refuses_an_over_long_key_and_says_which() {
        let error = check(&[change(store_op::PUT, 1), change(store_op::REMOVE, 513)]).unwrap_err();
        let expected = "nothing was written: change 1 of 2 has a key of 513 bytes, expected at most 512: \
                        use a shorter key";
        assert_eq!((error.code(), error.message()), (Code::CONTROL_REQUEST_INVALID, expected));
    }

    #[test]
    fn refuses_a_kind_that_it_does_not_know() {
        let error = check(&[change(9, 1)]).unwrap_err();
        assert!(error.message().contains("is of kind 9, expected 1 to 3"), "{error}");
    }

    #[test]
    fn a_transaction_with_one_put_may_not_use_the_reserve() {
        let removals = [change(store_op::REMOVE, 1), change(store_op::TRUNCATE, 1)];
        let mixed = [change(store_op::REMOVE, 1), change(store_op::PUT, 1)];
        assert_eq!([only_removes(&removals), only_removes(&mixed)], [true, false]);
    }

    #[test]
    fn folders_are_made_for_this_user_alone() {
        let top = tempfile::tempdir().unwrap();
        make_folder_of(&top.path().join("a/b/store")).unwrap();
        let mode = top.path().join("a/b").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_with_the_fix() {
        let error = make_folder_of(Path::new("/dev/null/data/store")).unwrap_err();
        assert_eq!(error.code(), Code::PLUGIN_START_FAILED);
        assert!(error.message().starts_with("cannot make the folder `/dev/null/data`:"), "{error}");
    }

    #[test]
    fn a_bare_name_lies_in_the_working_folder() {
        assert_eq!(folder_of(Path::new("store")), Path::new("."));
    }
}
