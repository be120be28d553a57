//! Writes the folder of a new agent or plugin. Nothing is fetched: all files are in this program.

use std::{
    fs,
    path::{Path, PathBuf},
};

use minijinja::{Environment, UndefinedBehavior, Value, context};
use toml_edit::{DocumentMut, InlineTable, Item, Table};

use super::{Language, embedded};
use crate::failure::{Exit, Failure};

/// Names longer than this are refused: they become file names, crate names and host names.
const NAME_CHARS_MAX: usize = 63;
/// The ending of template files.
const ENDING: &str = ".j2";

/// A file to write: its path in the folder, and its text.
pub type File = (String, String);

/// Checks a name of an agent or a plugin.
///
/// # Errors
/// Says which names can be taken.
pub fn name(text: &str) -> Result<String, String> {
    let known = |found: char| matches!(found, 'a'..='z' | '0'..='9' | '-');
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
    if begins && !text.ends_with('-') && text.len() <= NAME_CHARS_MAX && text.chars().all(known) {
        return Ok(text.to_owned());
    }
    Err(format!("expected 1 to {NAME_CHARS_MAX} lower case letters, digits and `-`, a letter first"))
}

/// The files of a new agent.
///
/// # Errors
/// A template that does not render, which a test rules out.
pub fn agent(name: &str, language: Language) -> Result<Vec<File>, Failure> {
    let words = context! { name, lang => language.key(), language => language.name() };
    let mut files = rendered("agent/any/", &words)?;
    files.extend(rendered(&format!("agent/{}/", language.key()), &words)?);
    files.extend(copied(embedded::WIT, "wit"));
    match language {
        Language::Rust => {
            files.extend(rust_sdk()?);
            files.push(("Cargo.lock".to_owned(), embedded::LOCK.to_owned()));
            files.push(("rust-toolchain.toml".to_owned(), embedded::TOOLCHAIN.to_owned()));
        }
        Language::JavaScript => files.extend(copied(embedded::SDK_JS, "sdk")),
        Language::Python => files.extend(copied(embedded::SDK_PYTHON, "sdk")),
    }
    Ok(files)
}

/// The files of a new plugin that depends on the SDK's crate at `sdk`.
///
/// # Errors
/// A template that does not render, which a test rules out.
pub fn plugin(name: &str, sdk: &Path) -> Result<Vec<File>, Failure> {
    let library = format!("lib{}.so", name.replace('-', "_"));
    let mut files = rendered("plugin/", &context! { name, library, sdk => sdk.display().to_string() })?;
    files.push(("rust-toolchain.toml".to_owned(), embedded::TOOLCHAIN.to_owned()));
    Ok(files)
}

/// Where the SDK for plugins lies: at `given`, which may also be a clone of the repository, else in the clone that this
/// program was built from.
///
/// # Errors
/// There is none; with exit code 5.
pub fn plugin_sdk(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = given.unwrap_or(&clone);
    let places = [root.join("plugins/sdk"), root.to_path_buf()];
    let found = places.into_iter().find(|place| {
        let manifest = fs::read_to_string(place.join("Cargo.toml")).unwrap_or_default();
        manifest.lines().any(|line| line.trim() == "name = \"caxton-plugin\"")
    });
    found.and_then(|place| place.canonicalize().ok()).ok_or_else(|| {
        let why = match given {
            Some(given) => {
                format!("{} is neither the crate caxton-plugin nor a clone of Caxton", given.display())
            }
            None => "the SDK is not on a registry, and the clone that this program was built from is gone"
                .to_owned(),
        };
        let fix = "clone Caxton and pass `--sdk PATH` with the clone's folder";
        Failure::new(Exit::NotFound, "cannot find the SDK for plugins", why, fix)
    })
}

/// Writes files into a folder, which is made.
///
/// # Errors
/// The folder is there and not empty (exit code 6), or cannot be written.
pub fn write(folder: &Path, files: &[File]) -> Result<(), Failure> {
    let what = format!("cannot make {}", folder.display());
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let fix = "choose another name, or another folder with `--dir`";
        return Err(Failure::new(Exit::Conflict, what, "the folder is not empty", fix));
    }
    let failed = |why: std::io::Error| {
        Failure::new(Exit::Failure, what.clone(), why.to_string(), "check the path and its permissions")
    };
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
        fs::write(path, text).map_err(failed)?;
    }
    Ok(())
}

/// The templates below a folder, filled in.
fn rendered(folder: &str, words: &Value) -> Result<Vec<File>, Failure> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    let within = embedded::TEMPLATES
        .iter()
        .filter_map(|(path, text)| Some((path.strip_prefix(folder)?.strip_suffix(ENDING)?, *text)));
    within
        .map(|(path, text)| {
            let text = templates.render_str(text, words).map_err(|why| internal(path, &why.to_string()))?;
            // The line break at the end of a template is not part of what it renders to.
            Ok((path.to_owned(), text + "\n"))
        })
        .collect()
}

fn copied(files: &[(&str, &str)], to: &str) -> Vec<File> {
    files.iter().map(|(path, text)| (format!("{to}/{path}"), (*text).to_owned())).collect()
}

/// The SDK in Rust as a crate that stands alone: its manifest names the versions itself, its WIT lies in `wit/`.
fn rust_sdk() -> Result<Vec<File>, Failure> {
    let sources = embedded::SDK_RUST.iter().filter(|(path, _)| path.starts_with("src/"));
    let mut files: Vec<File> = sources
        .map(|(path, text)| {
            (format!("sdk/{path}"), text.replace("path: \"../../caxton\"", "path: \"../wit\""))
        })
        .collect();
    let manifest = embedded::SDK_RUST.iter().find(|(path, _)| *path == "Cargo.toml").map(|(_, text)| *text);
    let manifest = standalone(manifest.unwrap_or_default(), embedded::WORKSPACE);
    files.push((
        "sdk/Cargo.toml".to_owned(),
        manifest.map_err(|why| internal("sdk/Cargo.toml", &why.to_string()))?,
    ));
    Ok(files)
}

/// A member's manifest with what it inherits written out.
fn standalone(member: &str, workspace: &str) -> Result<String, toml_edit::TomlError> {
    let mut member: DocumentMut = member.parse()?;
    let workspace: DocumentMut = workspace.parse()?;
    let root = |table: &str| workspace.get("workspace").and_then(|root| root.get(table));
    member.remove("lints");
    member.remove("dev-dependencies");
    for table in ["package", "dependencies"] {
        let Some(inherited) = root(table).and_then(Item::as_table_like) else { continue };
        let Some(own) = member.get_mut(table).and_then(Item::as_table_mut) else { continue };
        own.set_dotted(false);
        write_out(own, inherited);
    }
    Ok(member.to_string())
}

fn write_out(own: &mut Table, inherited: &dyn toml_edit::TableLike) {
    let names: Vec<String> = own.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let inherits = |item: &Item| item.get("workspace").is_some();
        if let (Some(true), Some(value)) = (own.get(&name).map(inherits), inherited.get(&name)) {
            own.remove(&name);
            own.insert(&name, plain(value));
        }
    }
}

/// A value without the comments around it.
fn plain(value: &Item) -> Item {
    let mut value = value.clone();
    if let Some(table) = value.as_inline_table_mut() {
        InlineTable::fmt(table);
    }
    if let Some(value) = value.as_value_mut() {
        value.decor_mut().clear();
    }
    value
}

fn internal(file: &str, why: &str) -> Failure {
    Failure::new(Exit::Failure, format!("cannot make {file}"), why, "report it with this message")
        .coded("CX0902")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file<'a>(files: &'a [File], path: &str) -> &'a str {
        &files.iter().find(|(name, _)| name == path).unwrap_or_else(|| panic!("{path} is not written")).1
    }

    #[test]
    fn an_agent_of_every_language_brings_its_sources_tests_sdk_and_wit() {
        for (language, own) in [
            (Language::Rust, ["src/lib.rs", "sdk/src/lib.rs"]),
            (Language::JavaScript, ["src/agent.js", "sdk/caxton.js"]),
            (Language::Python, ["src/agent.py", "sdk/caxton.py"]),
        ] {
            let files = agent("greeter", language).unwrap();
            for path in own {
                assert!(!file(&files, path).is_empty());
            }
            for path in ["wit/worlds.wit", "tests/greets.toml", "README.md", "AGENTS.md", ".gitignore"] {
                assert!(!file(&files, path).contains("{{"), "{path}");
            }
            let manifest = file(&files, "agent.toml");
            assert!(manifest.contains(&format!("lang = \"{}\"", language.key())), "{manifest}");
            assert!(manifest.parse::<DocumentMut>().is_ok());
        }
    }

    #[test]
    fn the_sdk_in_rust_stands_alone() {
        let files = agent("greeter", Language::Rust).unwrap();
        let manifest = file(&files, "sdk/Cargo.toml");
        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(manifest.contains("wit-bindgen = { version = \"="), "{manifest}");
        assert!(file(&files, "sdk/src/bindings.rs").contains("path: \"../wit\""));
        assert!(!files.iter().any(|(_, text)| text.contains("../../caxton\"")));
    }

    #[test]
    fn a_plugin_names_its_library_and_the_sdk() {
        let sdk = plugin_sdk(None).unwrap();
        let files = plugin("my-greeter", &sdk).unwrap();
        assert!(file(&files, "README.md").contains("libmy_greeter.so"));
        assert!(file(&files, "Cargo.toml").contains(&format!("path = \"{}\"", sdk.display())));
        assert!(plugin_sdk(Some(Path::new("/nowhere"))).is_err());
    }

    #[test]
    fn names_that_cannot_be_a_crate_or_an_agent_are_refused() {
        for good in ["a", "greeter", "my-greeter2"] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", "2a", "-a", "a-", "A", "a b", "../a", "ä", &"a".repeat(64)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("new");
        write(&inner, &[("a/b".to_owned(), "c".to_owned())]).unwrap();
        assert_eq!(fs::read_to_string(inner.join("a/b")).unwrap(), "c");
        let Err(Failure::Report(report)) = write(&inner, &[]) else { panic!("written over") };
        assert_eq!(report.exit, Exit::Conflict);
    }
}
