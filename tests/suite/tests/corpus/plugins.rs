//! Plugin files that must not be loaded, and plugins that must not bring the server down.

use std::{fs, path::Path};

use caxton_kit::{artifacts, server::Server};
use serde::Deserialize;

use super::{files, missing, wire};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    plugin: Made,
    expect: Expect,
}

/// How the file is made, and what the plugin's table says beside it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Made {
    /// Its bytes, one character each; absent: the library that misbehaves on request.
    bytes: Option<String>,
    /// Bytes replaced: at an offset, or behind a mark.
    patch: Vec<Patch>,
    /// Bytes that stay.
    cut: Option<usize>,
    /// Lines of the plugin's table.
    keys: String,
    /// Tables beside it.
    beside: String,
}

#[derive(Debug, Deserialize)]
struct Patch {
    mark: Option<String>,
    offset: usize,
    bytes: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    code: String,
    #[serde(default)]
    hint: Vec<String>,
}

fn make(made: &Made, file: &Path) {
    let unruly = artifacts::bad_plugins().unwrap().join("libcaxton_unruly.so");
    let mut bytes = made.bytes.as_deref().map_or_else(|| fs::read(unruly).unwrap(), wire::latin_1);
    for patch in &made.patch {
        let mark = patch.mark.as_deref().map(wire::latin_1).unwrap_or_default();
        let start = match mark.len() {
            0 => 0,
            length => bytes.windows(length).position(|window| window == mark).expect("the mark is not there"),
        };
        let new = wire::latin_1(&patch.bytes);
        bytes[start + patch.offset..][..new.len()].copy_from_slice(&new);
    }
    bytes.truncate(made.cut.unwrap_or(usize::MAX));
    fs::write(file, bytes).unwrap();
}

/// Starts a server with the plugin as an optional one; what it then says of the plugin.
fn shown(made: &Made) -> (Server, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("libcaxton_bad.so");
    make(made, &file);
    let config = format!(
        "{}\n[plugins.bad]\nlibrary = {file:?}\nrequired = false\n{}\n{}\n",
        super::CONFIG,
        made.keys,
        made.beside
    );
    let server = Server::start(&config).unwrap();
    let document = server.json(&["describe", "plugin", "bad"]).unwrap();
    let code = document["code"].as_str().unwrap_or_default().to_owned();
    (server, code, document.to_string().replace("\\\"", "\""))
}

#[test]
fn bad_plugins_are_refused_and_the_server_lives() {
    let cases: Vec<files::Named<Case>> = files::cases("plugins");
    assert!(cases.len() > 8, "{}", cases.len());
    let mut failed = Vec::new();
    for files::Named { name, case } in &cases {
        let (server, code, text) = shown(&case.plugin);
        let missing = missing(&case.expect.hint, &text);
        if code != case.expect.code || !missing.is_empty() {
            failed.push(format!(
                "{name}: expected {:?}, found {code}, without {missing:?}\n{text}\n",
                case.expect
            ));
        }
        let status = server.json(&["status"]).unwrap();
        assert_eq!(
            (&status["ready"], &status["accounting"]["holds"]),
            (&true.into(), &true.into()),
            "{status}"
        );
    }
    assert!(failed.is_empty(), "{} of {}\n{}", failed.len(), cases.len(), failed.join("\n"));
}
