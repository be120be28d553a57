//! What a run found: every sample, and where, when and how it was measured.

use std::{fs, path::Path};

use caxton_kit::{Failure, artifacts};
use serde::{Deserialize, Serialize};

use crate::{
    machine::Machine,
    measure::{Measure, Spread},
    workload::Workload,
};

/// A whole run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// Where.
    pub machine: Machine,
    /// Of which sources; with `+` when they were changed after the commit.
    pub commit: String,
    /// When, UTC.
    pub date: String,
    /// By which command.
    pub command: String,
    /// Rounds of the comparison.
    pub runs: u32,
    /// How long each sample was.
    pub seconds: f64,
    /// How long everything took, without building.
    pub took_s: f64,
    /// What was found.
    pub rows: Vec<Row>,
}

/// One workload at one size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The workload's name.
    pub workload: String,
    /// Its size.
    pub size: u64,
    /// One for each system, Caxton first.
    pub cells: Vec<Cell>,
}

/// One system in a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// The system's name.
    pub system: String,
    /// What was measured.
    pub samples: Vec<Measure>,
    /// Why other samples are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
}

impl Results {
    /// The row of a workload at a size.
    pub fn row(&self, workload: &str, size: u64) -> Option<&Row> {
        self.rows.iter().find(|row| row.workload == workload && row.size == size)
    }

    /// Reads the results of a run.
    ///
    /// # Errors
    /// There are none, or they are of another version.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("{}: {error}: run `cargo bench-peers` first", file.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Writes them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", file.display());
        if let Some(dir) = file.parent() {
            fs::create_dir_all(dir).map_err(|error| failed(&error))?;
        }
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(&error))?;
        fs::write(file, text + "\n").map_err(|error| failed(&error))
    }
}

/// Where the results of the last run lie.
pub fn file() -> std::path::PathBuf {
    artifacts::target().join("bench/results.json")
}

impl Row {
    /// The cell of a system.
    pub fn cell(&self, system: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.system == system)
    }
}

impl Cell {
    /// What the samples say of one figure; `None` when no sample has it.
    pub fn spread(&self, of: impl Fn(&Measure) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.samples.iter().filter_map(of))
    }

    /// The workload's figure.
    pub fn figure(&self, workload: &Workload) -> Option<Spread> {
        self.spread(workload.figure)
    }

    /// Why there is no figure, in a few words.
    pub fn missing(&self) -> Option<&str> {
        if self.samples.is_empty() { self.failures.last().map(String::as_str) } else { None }
    }
}
