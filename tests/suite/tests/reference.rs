//! Pages of docs/reference that are produced from the code. `CAXTON_UPDATE=1 cargo test -p caxton-suite` writes them.

use std::{fmt::Write as _, fs, path::Path};

use caxton_abi::{EventName, code};

fn check(name: &str, expected: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    if std::env::var_os("CAXTON_UPDATE").is_some() {
        fs::write(&page, expected).unwrap();
    }
    let found = fs::read_to_string(&page).unwrap_or_default();
    assert!(found == expected, "docs/reference/{name} is not what the code says: run with CAXTON_UPDATE=1");
}

#[test]
fn the_page_of_error_codes_is_what_the_code_says() {
    let mut page = String::from(
        "# Error codes\n\nThe same code appears in a refusal, a failure's content, a problem document, a log field and the \
         command line.\nProduced from `plugins/abi/src/code.rs`.\n\n| code | name | meaning | what to do | HTTP |\n|---|---|---|---|---|\n",
    );
    for entry in code::ALL {
        let fix = entry.fix.replace('|', "\\|");
        writeln!(
            page,
            "| {} | {} | {} | {fix} | {} |",
            entry.code, entry.slug, entry.meaning, entry.http_status
        )
        .unwrap();
    }
    check("errors.md", &page);
}

#[test]
fn the_page_of_signals_is_what_the_code_says() {
    let mut page = String::from(
        "# Signals\n\nThe closed list of names that the server, its plugins and its agents record. Produced from\n\
         `plugins/abi/src/signal.rs`.\n\n| name | meaning |\n|---|---|\n",
    );
    for (_, name, meaning) in EventName::ALL {
        writeln!(page, "| `{name}` | {meaning} |").unwrap();
    }
    check("signals.md", &page);
}

#[test]
fn the_page_of_configuration_keys_is_what_the_schema_says() {
    let mut page = String::from(
        "# Configuration keys\n\nOne TOML file; an unknown key is an error. The keys of a plugin's own are in its manifest: \
         `caxton plugin inspect FILE`.\nProduced from the schemas in `kernel/host/src/config`.\n\n| key | meaning |\n|---|---|\n",
    );
    for (key, meaning) in caxton_host::config::described() {
        writeln!(page, "| `{key}` | {meaning} |").unwrap();
    }
    check("configuration.md", &page);
}
