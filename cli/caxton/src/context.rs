//! Contexts: named servers in a file of the user, so that nobody writes an address twice.
//!
//! The file is `caxton/contexts.toml` in the XDG folder of configurations:
//!
//! ```toml
//! current = "staging"
//! [contexts.staging]
//! server = "http://10.0.0.5:8400"
//! output = "wide"                  # may be left out
//! ```
//!
//! What is used comes from the first of these that says it: the option, the environment (CAXTON_SERVER, CAXTON_CONTEXT),
//! the context, the default. A context that `--context` names goes before CAXTON_SERVER, since it is an option.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use clap::ValueEnum as _;
use serde::Deserialize;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::{
    arguments::Global,
    client::SERVER_DEFAULT,
    failure::{Exit, Failure},
    output::Format,
};

/// The variable that names a server.
pub const SERVER_VARIABLE: &str = "CAXTON_SERVER";
/// The variable that names a context.
pub const CONTEXT_VARIABLE: &str = "CAXTON_CONTEXT";

/// One named server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Its address.
    pub server: String,
    /// The form of the data on stdout when nothing else is said.
    #[serde(default)]
    pub output: Option<String>,
}

/// The file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contexts {
    /// The context that is used when none is named.
    pub current: Option<String>,
    /// All by name.
    pub contexts: BTreeMap<String, Context>,
}

/// The file and what stands in it.
#[derive(Debug)]
pub struct Book {
    path: PathBuf,
    text: String,
    /// What was read.
    pub contexts: Contexts,
}

/// A value that is used, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// As `option`, `environment`, `context staging`, `default`.
    pub origin: String,
}

/// What the options, the environment and the contexts come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The context that is used.
    pub context: Option<Setting<String>>,
    /// The server.
    pub server: Setting<String>,
    /// The form of the data on stdout.
    pub format: Setting<Format>,
}

impl Book {
    /// Reads the file; one that is not there has no contexts.
    ///
    /// # Errors
    /// With exit code 3 when the file is not valid.
    pub fn open() -> Result<Self, Failure> {
        let path = path()?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                let what = format!("cannot read the contexts in {}", path.display());
                return Err(Failure::new(Exit::Invalid, what, error.to_string(), "check its permissions")
                    .coded("CX0103"));
            }
        };
        let contexts =
            toml::from_str(&text).map_err(|error: toml::de::Error| invalid(&path, error.message()))?;
        Ok(Self { path, text, contexts })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The context of a name.
    ///
    /// # Errors
    /// With exit code 5 when there is none.
    pub fn get(&self, name: &str) -> Result<&Context, Failure> {
        self.contexts.contexts.get(name).ok_or_else(|| {
            let why = format!("{} has no context of that name", self.path.display());
            let fix = "list them with `caxton context ls`, or make one with `caxton context add NAME URL`";
            Failure::new(Exit::NotFound, format!("cannot use context `{name}`"), why, fix)
        })
    }

    /// Changes the file, keeping what else stands in it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn change(&self, change: impl FnOnce(&mut DocumentMut)) -> Result<(), Failure> {
        let mut document: DocumentMut =
            self.text.parse().map_err(|error: toml_edit::TomlError| invalid(&self.path, error.message()))?;
        change(&mut document);
        // Written beside and renamed, so that nobody ever reads half of it.
        let beside = self.path.with_extension(format!("{}.new", std::process::id()));
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&beside, document.to_string()))
            .and_then(|()| fs::rename(&beside, &self.path));
        written.map_err(|error| {
            let what = format!("cannot write the contexts to {}", self.path.display());
            Failure::new(Exit::Failure, what, error.to_string(), "check the folder and its permissions")
        })
    }
}

/// Sets a context in the document of the file.
pub fn put(document: &mut DocumentMut, name: &str, context: &Context) {
    let contexts = document.entry("contexts").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let Some(contexts) = contexts.as_table_like_mut() else { return };
    let mut table = Table::new();
    table.insert("server", value(&context.server));
    if let Some(output) = &context.output {
        table.insert("output", value(output));
    }
    contexts.insert(name, Item::Table(table));
}

fn invalid(path: &Path, why: &str) -> Failure {
    let what = format!("the contexts in {} are not valid", path.display());
    Failure::new(Exit::Invalid, what, why, "correct the file, or remove it").coded("CX0102")
}

/// The file: in XDG_CONFIG_HOME, else in `.config` of the home folder.
fn path() -> Result<PathBuf, Failure> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let folder = folder.or_else(|| set("HOME").map(|home| home.join(".config"))).ok_or_else(|| {
        let fix = "set HOME or XDG_CONFIG_HOME";
        Failure::new(Exit::Failure, "cannot find the folder of contexts", "HOME is not set", fix)
    })?;
    Ok(folder.join("caxton/contexts.toml"))
}

impl Settings {
    /// Brings the options, the environment and the contexts together.
    ///
    /// # Errors
    /// When the file is not valid, or a context that was named is not there.
    pub fn of(global: &Global) -> Result<Self, Failure> {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let from_option = |value: &String| Setting { value: value.clone(), origin: "option".to_owned() };
        let from_variable =
            |name| set(name).map(|value| Setting { value, origin: format!("environment {name}") });
        let named = global.context.as_ref().map(from_option).or_else(|| from_variable(CONTEXT_VARIABLE));
        let book = match (&named, Book::open()) {
            (_, Ok(book)) => Some(book),
            // Without a home there are no contexts, and nobody asked for one.
            (None, Err(Failure::Report(report))) if report.exit == Exit::Failure => None,
            (_, Err(failure)) => return Err(failure),
        };
        let current = || {
            let value = book.as_ref()?.contexts.current.clone()?;
            Some(Setting { value, origin: "current".to_owned() })
        };
        let context = named.or_else(current);
        let entry = match (&context, &book) {
            (Some(context), Some(book)) => Some((context, book.get(&context.value)?)),
            _ => None,
        };
        let origin = |context: &Setting<String>| format!("context {}", context.value);
        let of_context =
            || entry.map(|(context, entry)| Setting { value: entry.server.clone(), origin: origin(context) });
        let named_by_option = global.context.is_some();
        let server = global
            .server
            .as_ref()
            .map(from_option)
            .or_else(|| of_context().filter(|_| named_by_option))
            .or_else(|| from_variable(SERVER_VARIABLE))
            .or_else(of_context)
            .unwrap_or_else(|| Setting { value: SERVER_DEFAULT.to_owned(), origin: "default".to_owned() });
        Ok(Self { format: format(global, entry)?, server, context: context.clone() })
    }
}

fn format(global: &Global, entry: Option<(&Setting<String>, &Context)>) -> Result<Setting<Format>, Failure> {
    if let Some(value) = global.output {
        return Ok(Setting { value, origin: "option".to_owned() });
    }
    let Some((context, Context { output: Some(output), .. })) = entry else {
        return Ok(Setting { value: Format::Table, origin: "default".to_owned() });
    };
    let value = Format::from_str(output, false).map_err(|_| {
        let what = format!("the context `{}` is not valid", context.value);
        let why = format!("its output is `{output}`, expected table, wide, json, jsonl or name");
        Failure::new(Exit::Invalid, what, why, "make it anew with `caxton context add`").coded("CX0102")
    })?;
    Ok(Setting { value, origin: format!("context {}", context.value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_the_file_stay() {
        let mut document: DocumentMut =
            "# mine\ncurrent = \"a\"\n[contexts.a]\nserver = \"http://a\"\n".parse().unwrap();
        put(&mut document, "b", &Context { server: "http://b".to_owned(), output: Some("wide".to_owned()) });
        insta::assert_snapshot!(document.to_string(), @r#"
        # mine
        current = "a"
        [contexts.a]
        server = "http://a"

        [contexts.b]
        server = "http://b"
        output = "wide"
        "#);
    }
}
