//! Golden vectors: each `.acl` file and the `.json` file beside it say the same message.
//!
//! `golden/written` holds what the writers write, byte for byte; `golden/read` holds what others write.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fs, path::PathBuf};

use caxton_acl::{Message, from_json, from_string, to_json, to_string};

/// Relative times of the vectors count from 2026-11-20T12:00:00Z.
const NOW_MS: u64 = 1_795_176_000_000;

struct Vector {
    name: String,
    acl: Vec<u8>,
    json: String,
}

fn vectors(folder: &str) -> Vec<Vector> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "acl"));
    paths.sort();
    let read = |path: PathBuf| Vector {
        name: path.display().to_string(),
        acl: fs::read(&path).unwrap(),
        json: fs::read_to_string(path.with_extension("json")).unwrap(),
    };
    paths.into_iter().map(read).collect()
}

fn same_message(vector: &Vector) -> Message {
    let acl = from_string(&vector.acl, NOW_MS).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
    let json =
        from_json(&vector.json, NOW_MS).unwrap_or_else(|error| panic!("{} as JSON: {error}", vector.name));
    assert!(acl.same(&json), "{}:\n{acl:?}\n{json:?}", vector.name);
    acl
}

#[test]
fn written_vectors_are_what_both_writers_write() {
    let vectors = vectors("written");
    assert!(vectors.len() >= 8, "the folder of vectors is incomplete");
    for vector in vectors {
        let message = same_message(&vector);
        let acl = String::from_utf8(vector.acl).unwrap();
        assert_eq!(to_string(&message).unwrap(), acl.trim_end(), "{}", vector.name);
        assert_eq!(to_json(&message).unwrap(), vector.json.trim_end(), "{}", vector.name);
    }
}

#[test]
fn read_vectors_are_understood() {
    let vectors = vectors("read");
    assert!(vectors.len() >= 7, "the folder of vectors is incomplete");
    for vector in vectors {
        same_message(&vector);
    }
}

#[test]
fn no_start_of_a_vector_is_a_message() {
    for vector in vectors("written").into_iter().chain(vectors("read")) {
        let acl = vector.acl.trim_ascii_end();
        for end in 0..acl.len() {
            assert!(from_string(&acl[..end], NOW_MS).is_err(), "{} cut at {end}", vector.name);
        }
    }
}
