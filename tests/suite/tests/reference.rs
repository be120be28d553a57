//! Pages of docs/reference that are produced from the code. `CAXTON_UPDATE=1 cargo test -p caxton-suite` writes them.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use caxton_abi::{EventName, code};

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference")
}

fn check(name: &str, expected: &str) {
    let page = reference().join(name);
    if std::env::var_os("CAXTON_UPDATE").is_some() {
        fs::write(&page, expected).unwrap();
    }
    let found = fs::read_to_string(&page).unwrap_or_default();
    assert!(found == expected, "docs/reference/{name} is not what the code says: run with CAXTON_UPDATE=1");
}

/// The part of a code's page that the code says; what follows is written by hand.
fn head(entry: &code::Entry) -> String {
    format!(
        "# {} {}\n\n{}.\n\n| code | name | HTTP status | in short |\n|---|---|---|---|\n| {} | {} | {} | {} |\n\n",
        entry.code,
        entry.slug,
        capital(entry.meaning),
        entry.code,
        entry.slug,
        entry.http_status,
        entry.fix.replace('|', "\\|"),
    )
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What a page must say by hand: when it happens, and what to do.
fn by_hand(page: &str) -> &str {
    page.find("## When\n").and_then(|at| page.get(at..)).unwrap_or_default()
}

#[test]
fn every_code_has_a_page_that_says_when_and_what_to_do() {
    for entry in code::ALL {
        let name = format!("errors/{}.md", entry.code);
        let text = fs::read_to_string(reference().join(&name)).unwrap_or_default();
        let own = by_hand(&text);
        check(&name, &format!("{}{own}", head(entry)));
        let said = |title: &str| {
            let section = own.split("## ").find_map(|section| section.strip_prefix(title));
            section.map_or(0, |section| section.trim().len())
        };
        assert!(said("When") > 25 && said("What to do") > 10, "docs/reference/{name} says too little");
    }
}

#[test]
fn no_page_is_about_a_code_that_there_is_not() {
    let known: Vec<String> = code::ALL.iter().map(|entry| format!("{}.md", entry.code)).collect();
    let pages = fs::read_dir(reference().join("errors")).unwrap();
    let names = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let unknown: Vec<String> = names.filter(|name| name != "README.md" && !known.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_list_of_error_codes_is_what_the_code_says() {
    let mut page = String::from(
        "# Error codes\n\nThe same code appears in a refusal, a failure's content, a problem document, a log field and \
         the command line.\nNumbers are never reused: 01 configuration, 02 plugins, 03 messages, 04 components and agents, \
         05 interaction\nprotocols, 06 control and HTTP, 09 the server itself. Produced from `plugins/abi/src/code.rs`, as is \
         the head of each\npage; `CAXTON_UPDATE=1 cargo test -p caxton-suite reference` writes both.\n\n\
         | code | name | meaning | what to do | HTTP |\n|---|---|---|---|---|\n",
    );
    for entry in code::ALL {
        let (code, fix) = (entry.code, entry.fix.replace('|', "\\|"));
        writeln!(
            page,
            "| [{code}]({code}.md) | {} | {} | {fix} | {} |",
            entry.slug, entry.meaning, entry.http_status
        )
        .unwrap();
    }
    check("errors/README.md", &page);
}

#[test]
fn the_codes_of_the_command_line_are_what_the_code_says() {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let line = |entry: &code::Entry| {
        let [slug, meaning, fix] = [entry.slug, entry.meaning, entry.fix].map(text);
        let (code, status) = (entry.code, entry.http_status);
        format!(
            "  {{\"code\": \"{code}\", \"slug\": {slug}, \"status\": {status}, \"meaning\": {meaning}, \"fix\": {fix}}}"
        )
    };
    let lines: Vec<String> = code::ALL.iter().map(line).collect();
    check("../../cli/caxton/src/codes.json", &format!("[\n{}\n]\n", lines.join(",\n")));
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
