//! Holds the import table of docs/architecture.md against what the manifests really say.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which of our crates may name which crates in its normal and build dependencies.
const TABLE: &[(&str, &[&str])] = &[
    ("caxton-acl", &["serde", "serde_json", "thiserror", "base64"]),
    ("caxton-abi", &["abi_stable", "async-ffi"]),
    ("caxton-core", CORE),
    // The same sources with a model checker's locks.
    ("caxton-model", CORE),
    ("caxton-runtime", RUNTIME),
    ("caxton-host", HOST),
    ("caxton-plugin", SDK),
    ("caxton-router", PLUGIN),
    ("caxton-protocols", PLUGIN),
    ("caxton-jsonl", PLUGIN),
    ("caxton-echo", PLUGIN),
    ("caxton-store-sqlite", &["caxton-plugin", "rusqlite", "serde", "tracing"]),
    ("caxton-store-redb", &["caxton-plugin", "redb", "serde", "tracing"]),
    ("caxton-rest", REST),
    ("caxton-grpc", GRPC),
    ("caxton-proto", PROTO),
    ("caxton-gateway", GATEWAY),
    ("caxton", CLI),
    ("caxton-agent", &["wit-bindgen", "serde", "serde_json", "thiserror"]),
    ("caxton-conformance", &["caxton-plugin", "proptest", "rustix", "tempfile"]),
    ("caxton-sim", &["caxton-core", "caxton-acl", "caxton-abi"]),
];

/// The model checker is named for `caxton-model` and never part of the server.
const CORE: &[&str] = &["caxton-acl", "caxton-abi", "foldhash", "thiserror", "shuttle"];

#[rustfmt::skip]
const RUNTIME: &[&str] = &[
    "caxton-core", "caxton-acl", "caxton-abi", "wasmtime", "wasmparser", "hmac", "sha2", "rustix", "serde", "serde_json",
    "thiserror", "tracing",
];

#[rustfmt::skip]
const HOST: &[&str] = &[
    "caxton-core", "caxton-runtime", "caxton-acl", "caxton-abi", "libloading", "object", "tokio", "clap", "miette", "toml",
    "base64", "postcard", "serde", "serde_json", "sha2", "strsim", "thiserror", "tracing", "tracing-subscriber",
    "rustix",
    // What `plugin test` holds plugins to.
    "caxton-conformance", "caxton-plugin", "tempfile",
];

#[rustfmt::skip]
const SDK: &[&str] = &[
    "caxton-abi", "caxton-acl", "tokio", "tracing", "tracing-subscriber", "serde", "serde_json", "serde_path_to_error",
    "strsim", "rustix",
];

const PLUGIN: &[&str] = &["caxton-plugin", "caxton-acl", "foldhash", "serde", "serde_json", "tracing"];

const GATEWAY: &[&str] =
    &["caxton-plugin", "caxton-acl", "serde", "serde_json", "tracing", "tokio", "base64"];

#[rustfmt::skip]
const REST: &[&str] = &[
    "caxton-plugin", "caxton-acl", "serde", "serde_json", "tracing", "axum", "tokio", "http-body-util", "hyper",
    "hyper-util", "bytes", "base64", "caxton-proto", "utoipa",
];

#[rustfmt::skip]
const GRPC: &[&str] = &[
    "caxton-plugin", "caxton-acl", "caxton-proto", "serde", "serde_json", "tracing", "tokio", "tokio-stream", "bytes",
    "http-body", "prost", "prost-reflect", "prost-types", "tonic", "tonic-health", "tonic-reflection", "tonic-types", "tower",
];

#[rustfmt::skip]
const PROTO: &[&str] = &[
    "base64", "prost", "prost-reflect", "prost-types", "serde_json", "tonic", "tonic-prost",
];

#[rustfmt::skip]
const CLI: &[&str] = &[
    "caxton-acl", "clap", "clap_complete", "anstream", "anstyle", "serde", "serde_json", "strsim", "thiserror", "toml",
    "ureq", "rustix", "base64", "unicode-width", "terminal_size", "clap_mangen", "flate2", "minijinja", "notify", "ratatui",
    "sha2", "signal-hook", "tar", "toml_edit", "wasm-encoder", "wasmparser",
];

/// Crates with one owner, and what the kernel must never name.
const OWNED: &[(&str, &[&str])] = &[
    ("wasmtime", &["caxton-runtime"]),
    ("wasmtime-wasi", &["caxton-runtime"]),
    ("abi_stable", &["caxton-abi"]),
    ("libloading", &["caxton-host"]),
    ("axum", &["caxton-rest"]),
    ("rusqlite", &["caxton-store-sqlite"]),
    ("redb", &["caxton-store-redb"]),
    ("hyper", &["caxton-rest"]),
    ("clap", &["caxton", "caxton-benches", "caxton-host", "caxton-tasks"]),
    ("tonic", &["caxton-grpc", "caxton-proto"]),
    ("prost", &["caxton-grpc", "caxton-proto"]),
    ("opentelemetry", &[]),
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap()
}

fn named(package: &Package) -> BTreeSet<&str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.as_str())
        .collect()
}

/// What a crate names that the table does not allow it.
fn breaches(package: &str, dependencies: &BTreeSet<&str>) -> Vec<String> {
    let Some((_, table)) = TABLE.iter().find(|(name, _)| *name == package) else { return Vec::new() };
    let wrong = dependencies.iter().filter(|name| !table.contains(name));
    wrong.map(|name| format!("{package} must not name {name}")).collect()
}

fn owners(dependency: &str, package: &str) -> Option<String> {
    let (_, owners) = OWNED.iter().find(|(name, _)| *name == dependency)?;
    (!owners.contains(&package)).then(|| format!("{dependency} belongs to {owners:?}, not to {package}"))
}

#[test]
fn no_crate_names_what_the_table_does_not_allow() {
    let metadata = metadata();
    let found: Vec<String> = metadata
        .packages
        .iter()
        .flat_map(|package| breaches(package.name.as_str(), &named(package)))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn heavy_dependencies_have_one_owner() {
    let metadata = metadata();
    let found: Vec<String> = metadata
        .packages
        .iter()
        .flat_map(|package| named(package).into_iter().filter_map(|name| owners(name, package.name.as_str())))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_table_has_a_row_for_every_crate_that_ships() {
    let metadata = metadata();
    let tests = [
        "caxton-benches",
        "caxton-fuzz-targets",
        "caxton-gate",
        "caxton-kit",
        "caxton-suite",
        "caxton-tasks",
    ];
    let missing: Vec<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .filter(|name| !tests.contains(name) && !TABLE.iter().any(|(row, _)| row == name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn an_added_arrow_is_found() {
    let cases: BTreeMap<&str, &str> = [
        ("caxton-core", "tonic"),
        ("caxton-runtime", "axum"),
        ("caxton-host", "prost"),
        ("caxton-core", "opentelemetry"),
        ("caxton-router", "caxton-core"),
        ("caxton-rest", "caxton-host"),
        ("caxton-echo", "caxton-router"),
    ]
    .into();
    for (package, dependency) in cases {
        assert_eq!(
            breaches(package, &[dependency].into()),
            [format!("{package} must not name {dependency}")]
        );
    }
}

#[test]
fn versions_live_in_the_root_manifest() {
    let metadata = metadata();
    for package in &metadata.packages {
        let text = std::fs::read_to_string(&package.manifest_path).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
            for (name, value) in dependencies {
                let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                assert!(inherited, "{}: {section}.{name} has a version of its own", package.name);
            }
        }
    }
}

/// Cargo benches every library and program that does not say otherwise, by running its tests.
#[test]
fn cargo_bench_builds_and_runs_the_parts_alone() {
    let benched = |target: &toml::Value| target.get("bench").and_then(toml::Value::as_bool) != Some(false);
    let (metadata, mut found) = (metadata(), Vec::new());
    for package in &metadata.packages {
        let text = std::fs::read_to_string(&package.manifest_path).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let named = |kind: &str| -> Vec<&toml::Value> {
            match manifest.get(kind) {
                Some(toml::Value::Array(targets)) => targets.iter().collect(),
                target => target.into_iter().collect(),
            }
        };
        let targets = [named("lib"), named("bin")].concat();
        let not_built = ["test", "bench", "example", "custom-build"];
        let built = package
            .targets
            .iter()
            .filter(|target| !target.kind.iter().any(|kind| not_built.contains(&kind.to_string().as_str())));
        if targets.len() < built.count() || targets.into_iter().any(benched) {
            found.push(package.name.as_str());
        }
    }
    assert!(found.is_empty(), "a target without `bench = false`: {found:?}");
}
