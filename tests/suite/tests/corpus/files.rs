//! Reads the case files of a folder; a file that does not parse fails the test by its name.

use std::{collections::BTreeSet, fs, path::PathBuf};

use caxton_kit::artifacts;
use serde::{Deserialize, de::DeserializeOwned};

/// What each file says, whatever it is about.
#[derive(Debug, Deserialize)]
struct Rim {
    title: String,
    since: Option<String>,
    expect: Expected,
}

#[derive(Debug, Deserialize)]
struct Expected {
    code: Option<String>,
}

/// A case with the name of its file.
#[derive(Debug)]
pub struct Named<T> {
    pub name: String,
    pub case: T,
}

fn folder(name: &str) -> PathBuf {
    artifacts::root().join("tests/corpus").join(name)
}

fn texts(kind: &str) -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let name = format!("{kind}/{}", path.file_name().unwrap().to_string_lossy());
        (name, fs::read_to_string(&path).unwrap())
    };
    files.into_iter().map(read).collect()
}

fn parse<T: DeserializeOwned>(name: &str, text: &str) -> T {
    toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The cases of a folder that are to be run.
pub fn cases<T: DeserializeOwned>(kind: &str) -> Vec<Named<T>> {
    let texts = texts(kind).into_iter();
    let wanted = texts.filter(|(name, text)| {
        let rim: Rim = parse(name, text);
        assert!(!rim.title.is_empty(), "{name}");
        super::WITH_PENDING || rim.since.is_none()
    });
    wanted
        .map(|(name, text)| {
            let mut table: toml::Table = parse(&name, &text);
            for key in ["title", "number", "since"] {
                table.remove(key);
            }
            let case = table.try_into().unwrap_or_else(|error| panic!("{name}: {error}"));
            Named { name, case }
        })
        .collect()
}

/// Every code that any case expects.
pub fn codes() -> BTreeSet<String> {
    let kinds = fs::read_dir(artifacts::root().join("tests/corpus")).unwrap();
    let kinds = kinds.map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir());
    let all = kinds.flat_map(|kind| texts(&kind.file_name().to_string_lossy()));
    all.filter_map(|(name, text)| parse::<Rim>(&name, &text).expect.code).collect()
}
