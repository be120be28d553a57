//! The committed figures: what each case took when somebody last looked and agreed.

use std::{collections::BTreeMap, fs, path::Path};

use caxton_abi::handshake::{RUSTC, TARGET};
use serde::{Deserialize, Serialize};

use crate::Failure;

const HEAD: &str = "\
# Instructions for each message on the hot paths. `cargo gate` fails when one differs by more than 5 %;
# `cargo gate -- --update` writes this file. Say in the commit why the figures changed.
";

/// The figures with what they were counted with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The compiler; another one makes other code.
    pub rustc: String,
    /// The target; the instructions of another cannot be compared.
    pub target: String,
    /// Instructions for each message, by case.
    pub instructions: BTreeMap<String, f64>,
}

impl Baseline {
    /// The figures of this program.
    pub fn new(instructions: BTreeMap<String, f64>) -> Self {
        Self { rustc: RUSTC.to_owned(), target: TARGET.to_owned(), instructions }
    }

    /// Reads the committed figures.
    ///
    /// # Errors
    /// There are none, or they are for another target.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("{}: {error}; write it with `cargo gate -- --update`", path.display())
        };
        let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
        let baseline: Self = toml::from_str(&text).map_err(|error| failed(&error))?;
        if baseline.target != TARGET {
            let Self { target, .. } = baseline;
            return Err(format!("the baseline is for {target}, and the instructions of {TARGET} are others"));
        }
        Ok(baseline)
    }

    /// Writes the figures, to be committed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = toml::to_string(self).map_err(|error| error.to_string())?;
        fs::write(path, format!("{HEAD}{text}")).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// A line about another compiler than this program's.
    pub fn other_compiler(&self) -> Option<String> {
        (self.rustc != RUSTC).then(|| {
            format!("The baseline was taken with {}, this is {RUSTC}: take it anew on its own.", self.rustc)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        Baseline::new(BTreeMap::from([("turn-1".to_owned(), 1234.5), ("turn-64".to_owned(), 900.0)]))
    }

    #[test]
    fn what_was_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("baseline.toml");
        baseline().write(&path).unwrap();
        assert_eq!(Baseline::read(&path), Ok(baseline()));
        assert_eq!(baseline().other_compiler(), None);
    }

    #[test]
    fn a_baseline_of_another_target_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("baseline.toml");
        Baseline { target: "vax".to_owned(), ..baseline() }.write(&path).unwrap();
        assert!(Baseline::read(&path).unwrap_err().starts_with("the baseline is for vax"));
    }

    #[test]
    fn a_missing_baseline_says_how_to_make_one() {
        let error = Baseline::read(Path::new("/missing/baseline.toml")).unwrap_err();
        assert!(error.ends_with("write it with `cargo gate -- --update`"), "{error}");
    }

    #[test]
    fn the_committed_baseline_has_exactly_the_cases() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.toml");
        let committed: Baseline = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let mut cases: Vec<_> = crate::CASES.iter().map(|case| case.name).collect();
        cases.sort_unstable();
        assert_eq!(committed.instructions.keys().collect::<Vec<_>>(), cases);
    }
}
