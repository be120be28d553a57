//! What an author of agents and plugins needs: templates, builds, packages, and a server to try them on.
//!
//! ```text
//!   new ──▶ scaffold ──▶ embedded (templates, SDKs, WIT: the repository's own files)
//!   build ─▶ project (agent.toml) ──▶ build ──▶ toolchain (cargo, componentize-qjs, componentize-py)
//!                                       └──▶ package (the manifest as a section of the component)
//!   test ──▶ build, then `caxtond agent test`, then the language's own tests
//!   dev ───▶ build, local (a server for oneself), agents.apply, watch, logs
//! ```

pub mod build;
pub mod dev;
mod embedded;
pub(crate) mod local;
pub(crate) mod logs;
pub mod package;
pub(crate) mod program;
pub mod project;
pub mod scaffold;
pub mod sources;
pub(crate) mod toolchain;
pub(crate) mod watch;

use serde::{Deserialize, Serialize};

/// The manifest's file in an agent's folder.
pub const MANIFEST: &str = "agent.toml";
/// The folder of an agent's project for what can be made again: caches, and the data of the local server.
pub const SCRATCH: &str = ".caxton";

/// A language that agents are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, by cargo.
    Rust,
    /// JavaScript, by componentize-qjs.
    #[serde(rename = "js", alias = "javascript")]
    #[value(name = "js", alias = "javascript")]
    JavaScript,
    /// Python, by componentize-py.
    #[serde(alias = "py")]
    #[value(alias = "py")]
    Python,
}

impl Language {
    /// Its short name, as in `--lang` and `agent.toml`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "js",
            Self::Python => "python",
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }
}
