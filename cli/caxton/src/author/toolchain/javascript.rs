//! JavaScript: componentize-qjs, which npm brings.

use std::{fs, path::Path};

use super::{
    super::{
        embedded,
        program::{self, Messages},
        project::{Project, unusable},
    },
    WORLD, installed,
};
use crate::{failure::Failure, output::Output};

const TOOL: &str = "componentize-qjs";

/// Makes a component of `src/agent.js` and what it imports.
///
/// # Errors
/// Node or npm is missing, the toolchain cannot be fetched, or the sources do not compile.
pub fn compile(project: &Project, out: &Path, messages: Messages, output: &Output) -> Result<(), Failure> {
    let messages = messages.on_failure();
    program::needed("node", &project.folder)?;
    let tools =
        installed(&format!("{TOOL}-{}", version()), project, output, |folder| install(folder, messages))?;
    let mut componentize = program::command(tools.join("node_modules/.bin").join(TOOL), &project.folder);
    componentize.args(["--wit", "wit", "--module-root", ".", "--js", "src/agent.js", "--world", WORLD]);
    componentize.args(["--sync", "--stub-wasi", "--output"]).arg(out);
    program::build(&mut componentize, "the component", messages)
}

fn install(folder: &Path, messages: Messages) -> Result<(), Failure> {
    program::needed("npm", folder)?;
    for (name, text) in [("package.json", embedded::NODE_PACKAGE), ("package-lock.json", embedded::NODE_LOCK)]
    {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| unusable(&path, &error))?;
    }
    let mut npm = program::command("npm", folder);
    // Not `npm ci`: the package names optional bindings of other platforms that it was never released for.
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
    program::build(&mut npm, "the toolchain of JavaScript", messages)
}

/// The toolchain's version, out of the manifest that pins it.
fn version() -> String {
    let package: serde_json::Value = serde_json::from_str(embedded::NODE_PACKAGE).unwrap_or_default();
    let pinned = package.get("devDependencies").and_then(|pinned| pinned.get(TOOL));
    pinned.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_the_pinned_one() {
        assert!(super::version().starts_with(|first: char| first.is_ascii_digit()));
    }
}
