//! The table of a run: a line for each system in each row for a terminal, a column for each for a page.
//!
//! "CPU each" is the server's processor time for one delivered message, guests included.

use crate::{
    figure::{figure, ratio},
    measure::{Measure, Spread},
    results::{Cell, Results, Row},
    workload::{Axis, CAXTON, Workload},
    workloads,
};

const HEAD: [&str; 8] = ["workload", "size", "unit", "system", "median", "min..max", "Caxton/peer", "goal"];
/// Columns whose figures stand at their right.
const RIGHT: [usize; 4] = [1, 4, 5, 6];

/// The table with aligned columns, one line for each system.
pub fn aligned(results: &Results) -> String {
    let mut lines = vec![HEAD.map(str::to_owned).to_vec()];
    for row in &results.rows {
        let Some(workload) = workloads::find(&row.workload) else { continue };
        lines.extend(row.cells.iter().map(|cell| line(workload, row, cell, results)));
    }
    align(&lines)
}

fn line(workload: &Workload, row: &Row, cell: &Cell, results: &Results) -> Vec<String> {
    let own = cell.system == CAXTON;
    let place = [workload.id.to_owned(), row.size.to_string(), workload.unit()];
    let place = if own { place } else { Default::default() };
    let goal = match cell.missing() {
        Some(why) => why.to_owned(),
        None if own => verdicts(workload, row, results).join("; "),
        None => String::new(),
    };
    let spread = cell.figure(workload);
    let median = spread.map_or_else(|| "missing".into(), |spread| figure(spread.median));
    let figures = [name(&cell.system), median, spread.map(range).unwrap_or_default()];
    let against = if own { String::new() } else { against(workload, row, cell).unwrap_or_default() };
    let rest = [goal, beside(workload, cell)].concat();
    [&place[..], &figures[..], &[against, rest.trim_start().to_owned()]].concat()
}

/// The smallest and the largest; nothing for a single sample.
fn range(spread: Spread) -> String {
    let (min, max) = (figure(spread.min), figure(spread.max));
    if min == max { String::new() } else { format!("{min}..{max}") }
}

/// Caxton's figure over a peer's, of the medians.
fn against(workload: &Workload, row: &Row, peer: &Cell) -> Option<String> {
    let own = row.cell(CAXTON)?.figure(workload)?.median;
    Some(ratio(own, peer.figure(workload)?.median))
}

fn verdicts(workload: &Workload, row: &Row, results: &Results) -> Vec<String> {
    workload.goals_at(row.size).map(|goal| goal.judge(row, results).text()).collect()
}

/// What else a cell says: latencies, the rate at which they were measured, samples that failed.
fn beside(workload: &Workload, cell: &Cell) -> String {
    let rate = |measure: &Measure| (workload.axis == Axis::Percent).then_some(measure.value);
    let figures = [
        ("p50 ", cell.spread(|measure| measure.p50_us), " µs"),
        ("p99 ", cell.spread(|measure| measure.p99_us), " µs"),
        ("p99.9 ", cell.spread(|measure| measure.p999_us), " µs"),
        ("since sent p50 ", cell.spread(|measure| measure.sent_p50_us), " µs"),
        ("since sent p99 ", cell.spread(|measure| measure.sent_p99_us), " µs"),
        ("at ", cell.spread(rate), "/s"),
        ("", cell.spread(|measure| measure.cpu_us), " µs CPU each"),
    ];
    let text = |(name, spread, unit): &(&str, Option<Spread>, &str)| {
        spread.map(|spread| format!("{name}{}{unit}", figure(spread.median)))
    };
    let mut texts: Vec<String> = figures.iter().filter_map(text).collect();
    if !cell.samples.is_empty() && !cell.failures.is_empty() {
        let (failed, all) = (cell.failures.len(), cell.failures.len() + cell.samples.len());
        let why = cell.failures.last().map_or("", String::as_str);
        texts.push(format!("{failed} of {all} samples failed: {why}"));
    }
    if texts.is_empty() { String::new() } else { format!(" [{}]", texts.join(", ")) }
}

/// The name that people know.
pub fn name(system: &str) -> String {
    match system {
        CAXTON => "Caxton".into(),
        "tokio" => "tokio channels".into(),
        "erlang" => "Erlang/OTP".into(),
        "nats" => "NATS".into(),
        "autogen" => "autogen-core".into(),
        "spade" => "SPADE".into(),
        other => other.into(),
    }
}

fn align(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut table = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (text, width))| {
            if RIGHT.contains(&column) { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}

/// A workload's table in Markdown: a row for each size, a column for each system, the ratio beside each peer's figure.
/// `None` when it was not measured.
pub fn page(results: &Results, workload: &Workload) -> Option<String> {
    let rows: Vec<&Row> = results.rows.iter().filter(|row| row.workload == workload.id).collect();
    let mut systems: Vec<&str> = Vec::new();
    for cell in rows.iter().flat_map(|row| &row.cells) {
        if !systems.contains(&cell.system.as_str()) {
            systems.push(&cell.system);
        }
    }
    let names: Vec<String> = systems.iter().map(|system| name(system)).collect();
    let mut table = format!("| {} | {} |\n", workload.axis.text(), names.join(" | "));
    table.push_str(&format!("|---:|{}\n", "---:|".repeat(systems.len())));
    for row in &rows {
        let cell =
            |system: &&str| row.cell(system).map_or_else(String::new, |cell| page_cell(workload, row, cell));
        let cells: Vec<String> = systems.iter().map(cell).collect();
        table.push_str(&format!("| {} | {} |\n", row.size, cells.join(" | ")));
    }
    (!rows.is_empty()).then_some(table)
}

/// The goals in Markdown, each with what was found.
pub fn goals(results: &Results) -> String {
    let mut table = String::from("| workload | size | goal | Caxton | reached |\n|---|---:|---|---:|---|\n");
    for row in &results.rows {
        let Some(workload) = workloads::find(&row.workload) else { continue };
        let own = row.cell(CAXTON).map_or_else(String::new, |cell| page_cell(workload, row, cell));
        for goal in workload.goals_at(row.size) {
            let verdict = goal.judge(row, results);
            let reached = match (verdict.share, verdict.reached) {
                (None, _) => "not measured".to_owned(),
                (Some(share), true) => format!("yes, {share:.2} of it"),
                (Some(share), false) => format!("**no**, {share:.2} of it"),
            };
            let place = format!("{} | {} {}", workload.id, row.size, workload.axis.text());
            let wanted = if verdict.goal.contains("p50") || verdict.goal.contains("p99") {
                verdict.goal
            } else {
                format!("{} {}", verdict.goal, workload.unit)
            };
            table.push_str(&format!("| {place} | {wanted} | {own} | {reached} |\n"));
        }
    }
    table
}

fn page_cell(workload: &Workload, row: &Row, cell: &Cell) -> String {
    let Some(spread) = cell.figure(workload) else { return cell.missing().unwrap_or_default().to_owned() };
    let own = cell.system == CAXTON;
    let bracket = if own { Some(range(spread)) } else { against(workload, row, cell) };
    let bracket = bracket.filter(|text| !text.is_empty()).map(|text| format!(" ({text})"));
    format!("{}{}{}", figure(spread.median), bracket.unwrap_or_default(), beside(workload, cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let cell = |system: &str, values: &[f64], failures: &[&str]| Cell {
            system: system.into(),
            samples: values.iter().copied().map(Measure::of).collect(),
            failures: failures.iter().map(|why| (*why).to_owned()).collect(),
        };
        let cells = vec![
            cell(CAXTON, &[3.1e6, 2.9e6, 3.3e6], &[]),
            cell("kameo", &[6.2e6, 6.2e6, 6.2e6], &[]),
            cell("erlang", &[], &["there is no `erl` on the PATH"]),
        ];
        let row = Row { workload: "oneway".into(), size: 100, cells };
        Results { rows: vec![row], ..Results::default() }
    }

    #[test]
    fn the_terminals_table_is_aligned_and_says_who_is_missing_and_why() {
        let expected = "\
workload  size  unit   system       median        min..max  Caxton/peer  goal
oneway     100  msg/s  Caxton        3.1 M  2.9 M..3.3 M               ≥ 3 M: reached (1.03)
                       kameo         6.2 M                         0.50
                       Erlang/OTP  missing                               there is no `erl` on the PATH
";
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let table = aligned(&results());
        assert_eq!(squeezed(&table), squeezed(expected));
        let goals: Vec<usize> =
            ["goal", "≥ 3 M", "there is"].iter().filter_map(|word| column(&table, word)).collect();
        assert!(goals.len() == 3 && goals.iter().all(|at| Some(at) == goals.first()), "{table}");
    }

    #[test]
    fn a_latency_is_compared_by_its_p99_and_says_at_which_rate() {
        let sample = |value, p50, p99| Measure { p50_us: Some(p50), p99_us: Some(p99), ..Measure::of(value) };
        let cell =
            |system: &str, sample| Cell { system: system.into(), samples: vec![sample], failures: vec![] };
        let cells = vec![cell(CAXTON, sample(5e5, 100.0, 400.0)), cell("kameo", sample(5e5, 60.0, 200.0))];
        let row = Row { workload: "latency".into(), size: 50, cells };
        let table = aligned(&Results { rows: vec![row], ..Results::default() });
        assert!(
            table.contains("p99 ≤ 1000 µs: reached (0.40) [p50 100 µs, p99 400 µs, at 500 k/s]"),
            "{table}"
        );
        assert!(table.contains("2.00  [p50 60 µs"), "{table}");
    }

    #[test]
    fn samples_that_failed_are_told() {
        let mut results = results();
        for cell in results.rows.iter_mut().flat_map(|row| &mut row.cells).take(1) {
            cell.failures.push("the workload overruns a limit".into());
        }
        let said = "[1 of 4 samples failed: the workload overruns a limit]";
        assert!(aligned(&results).contains(said), "{}", aligned(&results));
    }

    fn column(table: &str, word: &str) -> Option<usize> {
        let line = table.lines().find(|line| line.contains(word))?;
        Some(line.split(word).next()?.chars().count())
    }

    #[test]
    fn the_pages_table_has_a_column_for_each_system_and_nothing_for_what_was_not_measured() {
        let oneway = workloads::find("oneway").unwrap();
        let expected = "\
| agents | Caxton | kameo | Erlang/OTP |
|---:|---:|---:|---:|
| 100 | 3.1 M (2.9 M..3.3 M) | 6.2 M (0.50) | there is no `erl` on the PATH |
";
        assert_eq!(page(&results(), oneway).as_deref(), Some(expected));
        assert_eq!(page(&results(), workloads::find("echo").unwrap()), None);
    }

    #[test]
    fn the_goals_table_says_what_was_reached() {
        let line = goals(&results()).lines().last().map(str::to_owned);
        let expected = "| oneway | 100 agents | ≥ 3 M msg/s | 3.1 M (2.9 M..3.3 M) | yes, 1.03 of it |";
        assert_eq!(line.as_deref(), Some(expected));
    }
}
