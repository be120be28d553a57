//! `caxton pack`: packs a manifest into a component that something else built.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    author::{package, project::replace, sources},
    content,
    failure::{Exit, Failure},
    manifest::Manifest,
    output::{Format, Output},
};

const EXAMPLES: &str = "\
The manifest becomes a section of the component, `caxton:manifest`; one that is there already is replaced. `caxton build` \
does this by itself.

Examples:
  caxton pack greeter.wasm --manifest agent.toml
  caxton pack target/wasm32-wasip2/release/greeter.wasm --manifest agent.toml --to greeter.wasm";

/// The arguments of `caxton pack`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Pack {
    /// The component
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,
    /// The manifest; its key `component` is not used
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// Where to write the package; by default over the component
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

impl Pack {
    /// Packs.
    ///
    /// # Errors
    /// The manifest is not valid, the file is no component, or the package cannot be written.
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let manifest = Manifest::read(&self.manifest)?;
        let packed =
            package::pack(&content::file(&self.component)?, &manifest.package()).map_err(|fault| {
                let what = format!("cannot pack {}", self.component.display());
                Failure::new(Exit::Invalid, what, fault.to_string(), "name a component of WebAssembly")
            })?;
        let to = self.to.as_ref().unwrap_or(&self.component);
        replace(to, &packed)?;
        let digest = sources::component_digest(&packed);
        match output.format {
            Format::Json | Format::Jsonl => output.document(&json!({"kind": "caxton.package/v1",
                "name": manifest.name, "component": to, "bytes": packed.len(), "digest": digest,
                "manifest": manifest.package()})),
            Format::Name => output.line(&to.display().to_string()),
            Format::Table | Format::Wide => {
                output.line(&format!("packed {} into {}: {digest}", manifest.name, to.display()))
            }
        }
    }
}
