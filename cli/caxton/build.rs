//! Embeds what `caxton new` writes: the templates, the WIT package and the SDKs, as they are in the repository.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Each list of the embedded files, and the folder that it comes from.
const LISTS: &[(&str, &str)] = &[
    ("TEMPLATES", "templates"),
    ("WIT", "../../wit/caxton"),
    ("SDK_RUST", "../../wit/sdk/rust"),
    ("SDK_JS", "../../wit/sdk/js"),
    ("SDK_PYTHON", "../../wit/sdk/python"),
];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut source = String::new();
    for (list, folder) in LISTS {
        let folder = here.join(folder);
        let mut found = Vec::new();
        files(&folder, &mut found)?;
        found.sort();
        source += &format!(
            "/// The files of a folder, by their paths in it.\npub const {list}: &[(&str, &str)] = &[\n"
        );
        for file in found {
            let name = file.strip_prefix(&folder).unwrap_or(&file);
            source += &format!("    ({name:?}, include_str!({file:?})),\n");
        }
        source += "];\n";
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("embedded.rs"), source)
}

/// Every file below a folder, without what tools leave behind.
fn files(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && !name.ends_with(".pyc") {
            found.push(path);
        } else if path.is_dir() && !matches!(name.as_str(), "target" | "node_modules" | "__pycache__") {
            files(&path, found)?;
        }
    }
    Ok(())
}
