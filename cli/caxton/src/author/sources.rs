//! What a component is made of: which files of a folder count, and a digest of them.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// Folders that hold what tools made.
const MADE: [&str; 6] = [".caxton", "build", "target", "node_modules", ".git", "__pycache__"];
/// Folders deeper than this are not looked into.
const DEPTH_MAX: usize = 32;

/// True for a path within a project that is no source: made by tools, or an editor's own.
pub fn is_ignored(path: &Path) -> bool {
    let made = |part: Component<'_>| MADE.iter().any(|name| part.as_os_str() == *name);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let editors =
        name.ends_with('~') || name.starts_with(".#") || name.ends_with(".swp") || name.ends_with(".pyc");
    editors || path.components().any(made)
}

/// The sources of a folder, by their paths in it, in order.
///
/// # Errors
/// A folder cannot be read.
pub fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    look(folder, Path::new(""), DEPTH_MAX, &mut found)?;
    found.sort();
    Ok(found)
}

fn look(root: &Path, within: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(within))? {
        let entry = entry?;
        let path = within.join(entry.file_name());
        let kind = entry.file_type()?;
        if is_ignored(&path) {
            continue;
        }
        if kind.is_dir() && depth > 0 {
            look(root, &path, depth - 1, found)?;
        } else if kind.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

/// A digest of the files that the component is made of. Tests and the manifest are not among them: the manifest is packed
/// anew each time. `salt` is what else decides about the result.
///
/// # Errors
/// A file cannot be read.
pub fn digest(folder: &Path, salt: &str) -> io::Result<String> {
    let mut digest = Sha256::new();
    digest.update(salt);
    for path in list(folder)? {
        if path.starts_with("tests") || path == Path::new(super::MANIFEST) {
            continue;
        }
        let bytes = fs::read(folder.join(&path))?;
        digest.update([0]);
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update([0]);
        digest.update(Sha256::digest(&bytes));
    }
    Ok(hex(&digest.finalize()))
}

/// The digest of a component, as the server says it.
pub fn component_digest(component: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(component)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, path: &str, text: &str) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn only_sources_change_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "src/agent.py", "one");
        let before = digest(folder, "").unwrap();
        for made in
            ["build/a.wasm", ".caxton/x", "src/__pycache__/a.pyc", "tests/a.toml", "agent.toml", "src/a.py~"]
        {
            write(folder, made, "made");
            assert_eq!(digest(folder, "").unwrap(), before, "{made}");
        }
        assert_ne!(digest(folder, "other").unwrap(), before);
        write(folder, "src/agent.py", "two");
        assert_ne!(digest(folder, "").unwrap(), before);
    }

    #[test]
    fn a_file_that_moves_changes_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a", "text");
        let before = digest(folder.path(), "").unwrap();
        fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        assert_ne!(digest(folder.path(), "").unwrap(), before);
    }
}
