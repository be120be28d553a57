//! The tasks: every regular file below a folder, in a stable order, hidden ones left out.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// More files than this are left out, and said so.
pub const FILES_MAX: usize = 2_000;
/// Folders nested deeper are left out; a link is never followed.
const DEPTH_MAX: usize = 32;

/// The files of a folder.
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// Its files, relative to it, sorted.
    pub files: Vec<PathBuf>,
    /// How many were left out.
    pub left_out: usize,
    /// Folders below it that cannot be read, with the reason.
    pub closed: Vec<String>,
}

impl Folder {
    /// Reads a folder.
    ///
    /// # Errors
    /// It cannot be read, or has no files.
    pub fn read(path: &Path) -> Result<Self, String> {
        let (mut files, mut closed) = (Vec::new(), Vec::new());
        collect(path, Path::new(""), 0, &mut files, &mut closed);
        if let (true, Some(why)) = (files.is_empty(), closed.first()) {
            return Err(format!("cannot read {why}"));
        }
        if files.is_empty() {
            return Err(format!(
                "{} has no files: give a folder of texts, `cargo demo -- PATH`",
                path.display()
            ));
        }
        files.sort();
        let left_out = files.len().saturating_sub(FILES_MAX);
        files.truncate(FILES_MAX);
        Ok(Self { path: path.to_path_buf(), files, left_out, closed })
    }
}

fn collect(root: &Path, below: &Path, depth: usize, files: &mut Vec<PathBuf>, closed: &mut Vec<String>) {
    let entries = match fs::read_dir(root.join(below)) {
        Ok(entries) => entries,
        Err(why) => {
            closed.push(format!("{}: {why}", root.join(below).display()));
            return;
        }
    };
    for entry in entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')) {
        let name = below.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < DEPTH_MAX => collect(root, &name, depth + 1, files, closed),
            Ok(kind) if kind.is_file() => files.push(name),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_sorted_from_all_depths_and_hidden_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        for name in ["z.txt", "b/a.txt", ".hidden"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let folder = Folder::read(dir.path()).unwrap();
        assert_eq!(folder.files, [PathBuf::from("b/a.txt"), PathBuf::from("z.txt")]);
    }

    #[test]
    fn an_empty_folder_is_refused_with_the_way_to_give_another() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Folder::read(dir.path()).err().unwrap().contains("cargo demo -- PATH"));
    }
}
