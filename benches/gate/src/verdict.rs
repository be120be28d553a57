//! What the figures say beside the baseline.

use std::{collections::BTreeMap, fmt};

use crate::Baseline;

/// Percent that a figure may differ in either direction. A faster one is to be committed, or the next slower one would
/// hide behind it.
pub const DIFFERENCE_PERCENT_MAX: f64 = 5.0;

/// A case beside its baseline.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    case: String,
    before: Option<f64>,
    now: Option<f64>,
}

/// All cases beside the baseline. Shown as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    rows: Vec<Row>,
}

impl Verdict {
    /// Compares figures with the baseline, in the order of the figures.
    pub fn new(baseline: &Baseline, now: &[(String, f64)]) -> Self {
        let before = &baseline.instructions;
        let found = now.iter().map(|(case, count)| Row {
            case: case.clone(),
            before: before.get(case).copied(),
            now: Some(*count),
        });
        let known: BTreeMap<_, _> = now.iter().map(|(case, count)| (case, count)).collect();
        let gone = before.iter().filter(|(case, _)| !known.contains_key(case));
        let gone = gone.map(|(case, count)| Row { case: case.clone(), before: Some(*count), now: None });
        Self { rows: found.chain(gone).collect() }
    }

    /// The cases that differ too much, each with what is wrong.
    pub fn faults(&self) -> Vec<(&str, String)> {
        self.rows.iter().filter_map(|row| Some((row.case.as_str(), row.fault()?))).collect()
    }
}

impl Row {
    fn change_percent(&self) -> Option<f64> {
        let before = self.before?;
        Some((self.now? - before) / before * 100.0)
    }

    fn fault(&self) -> Option<String> {
        let Some(change) = self.change_percent() else {
            let gone = self.now.is_none();
            return Some(if gone { "is in the baseline and no case" } else { "has no baseline" }.to_owned());
        };
        let word = if change > 0.0 { "more" } else { "fewer" };
        // Not a number counts as too far off as well.
        let within = change.abs() <= DIFFERENCE_PERCENT_MAX;
        (!within).then(|| format!("takes {:.1} % {word} instructions than the baseline", change.abs()))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: Option<f64>| count.map_or("-".to_owned(), |count| format!("{count:.1}"));
        writeln!(f, "{:<18} {:>10} {:>10} {:>9}", "case", "baseline", "now", "change")?;
        for row in &self.rows {
            // Rounded first, because a change of less would be shown as -0.0.
            let change = row.change_percent().map(|change| (change * 10.0).round() / 10.0 + 0.0);
            let change = change.map_or("-".to_owned(), |change| format!("{change:+.1} %"));
            writeln!(f, "{:<18} {:>10} {:>10} {change:>9}", row.case, count(row.before), count(row.now))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(before: f64, now: f64) -> Verdict {
        let baseline = Baseline::new(BTreeMap::from([("turn-1".to_owned(), before)]));
        Verdict::new(&baseline, &[("turn-1".to_owned(), now)])
    }

    #[test]
    fn five_percent_either_way_pass() {
        for now in [950.0, 1_000.0, 1_050.0] {
            assert!(verdict(1_000.0, now).faults().is_empty(), "{now}");
        }
    }

    #[test]
    fn more_than_that_fails_in_both_directions() {
        let fault = |now| verdict(1_000.0, now).faults().pop().map(|(_, fault)| fault).unwrap_or_default();
        assert_eq!(fault(1_060.0), "takes 6.0 % more instructions than the baseline");
        assert_eq!(fault(900.0), "takes 10.0 % fewer instructions than the baseline");
        assert!(!verdict(0.0, 0.0).faults().is_empty());
    }

    #[test]
    fn cases_and_baseline_must_be_the_same() {
        let baseline = Baseline::new(BTreeMap::from([("old".to_owned(), 1.0)]));
        let verdict = Verdict::new(&baseline, &[("new".to_owned(), 1.0)]);
        let faults = [("new", "has no baseline"), ("old", "is in the baseline and no case")];
        assert_eq!(verdict.faults(), faults.map(|(case, fault)| (case, fault.to_owned())));
    }

    #[test]
    fn the_table_has_a_line_for_each_case() {
        let table = verdict(1_000.0, 1_010.04).to_string();
        let line = "turn-1                 1000.0     1010.0    +1.0 %";
        assert_eq!(table.lines().nth(1), Some(line), "{table}");
    }
}
