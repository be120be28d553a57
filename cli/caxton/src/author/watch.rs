//! Tells when a source of a project changes. Folders that tools fill are not watched.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::mpsc::Sender};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{project::Project, sources};
use crate::failure::{Exit, Failure};

/// A running watch; it ends when it is dropped.
pub struct Watch {
    watcher: RecommendedWatcher,
    folder: PathBuf,
    watched: BTreeSet<PathBuf>,
}

impl Watch {
    /// Begins to watch: each change of a source sends `changed`.
    ///
    /// # Errors
    /// The operating system does not watch, or its limit is reached.
    pub fn begin<T: Clone + Send + 'static>(
        project: &Project,
        events: Sender<T>,
        changed: T,
    ) -> Result<Self, Failure> {
        let folder = project.folder.clone();
        let within = folder.clone();
        let tell = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            let source = |path: &PathBuf| !sources::is_ignored(path.strip_prefix(&within).unwrap_or(path));
            if !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(source) {
                // Nobody listens any more when the command ends.
                drop(events.send(changed.clone()));
            }
        };
        let mut watcher = notify::recommended_watcher(tell).map_err(|error| not_watched(&error))?;
        watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(|error| not_watched(&error))?;
        let mut watch = Self { watcher, folder, watched: BTreeSet::new() };
        watch.refresh()?;
        Ok(watch)
    }

    /// Watches folders that came since; call it when something changed.
    ///
    /// # Errors
    /// As for [`Watch::begin`].
    pub fn refresh(&mut self) -> Result<(), Failure> {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let is_source = !sources::is_ignored(entry.file_name().as_ref());
            if is_source && entry.path().is_dir() && self.watched.insert(entry.path()) {
                let begun = self.watcher.watch(&entry.path(), RecursiveMode::Recursive);
                begun.map_err(|error| not_watched(&error))?;
            }
        }
        Ok(())
    }
}

fn not_watched(error: &notify::Error) -> Failure {
    let fix = "raise fs.inotify.max_user_watches, or use `caxton build` and `caxton deploy .`";
    Failure::new(Exit::Failure, "cannot watch the folder", error.to_string(), fix)
}
