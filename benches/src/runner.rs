//! Carries out a plan: in each row the systems take turns, so that what disturbs the machine for a while hits all alike.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use caxton_kit::{Failure, artifacts};

use crate::{
    cores::Fewer,
    figure::{figure, minutes},
    latency,
    machine::{self, Machine},
    measure::Measure,
    peers::Peer,
    plan::{Plan, Step, Wish},
    results::{Cell, Results, Row},
    workload::{Axis, CAXTON, FIXED_AGENTS},
};

/// A system that failed so often without one figure is not tried again in this row.
const FAILURES_MAX: usize = 2;

/// Letters of a reason.
const REASON_CHARS_MAX: usize = 160;

type Peers = BTreeMap<&'static str, Result<Peer, Failure>>;

/// Runs a plan and writes the results after each row, so that a run that is stopped leaves what it has.
///
/// # Errors
/// The server could not be built, or the results could not be written.
pub fn run(plan: &Plan, wish: &Wish, file: &Path) -> Result<Results, Failure> {
    artifacts::native()?;
    artifacts::load_guests()?;
    let peers = prepare(plan);
    let (machine, commit) = (Machine::look(), machine::commit());
    let (date, command) = (machine::date(), machine::command());
    let (runs, seconds) = (wish.runs, plan.seconds);
    let mut results =
        Results { machine, commit, date, command, runs, seconds, took_s: 0.0, rows: Vec::new() };
    eprint!("{}", plan.text());
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(wish.budget_s);
    for step in &plan.steps {
        let row = Round { step, seconds: plan.seconds, peers: &peers, end }.row();
        let took = began.elapsed().as_secs_f64();
        eprintln!("{:>6} {}", minutes(took), told(step, &row));
        if (step.workload.id, step.size) == ("echo", FIXED_AGENTS)
            && let Some(found) = row.cell(CAXTON).and_then(|cell| cell.figure(step.workload))
        {
            latency::full_load(found.median);
        }
        results.rows.push(row);
        results.took_s = took;
        results.write(file)?;
    }
    Ok(results)
}

fn prepare(plan: &Plan) -> Peers {
    let peers = plan.systems().into_iter().filter(|system| *system != CAXTON);
    let prepared = peers.map(|system| {
        eprintln!("preparing {system}");
        let peer = Peer::prepare(system);
        if let Err(why) = &peer {
            eprintln!("{system} does not take part: {why}");
        }
        (system, peer)
    });
    prepared.collect()
}

struct Round<'a> {
    step: &'a Step,
    seconds: f64,
    peers: &'a Peers,
    end: Instant,
}

impl Round<'_> {
    fn row(&self) -> Row {
        let new = |system: &&str| Cell { system: (*system).to_owned(), samples: vec![], failures: vec![] };
        let mut cells: Vec<Cell> = self.step.systems.iter().map(new).collect();
        for round in 0..self.step.runs as usize {
            // Another one begins each round.
            let count = cells.len();
            cells.rotate_left(usize::from(round > 0 && count > 1));
            for cell in &mut cells {
                self.sample(cell);
            }
        }
        let place = |cell: &Cell| self.step.systems.iter().position(|system| *system == cell.system);
        cells.sort_by_key(place);
        Row { workload: self.step.workload.id.into(), size: self.step.size, cells }
    }

    fn sample(&self, cell: &mut Cell) {
        if cell.samples.is_empty() && cell.failures.len() >= FAILURES_MAX {
            return;
        }
        if Instant::now() > self.end {
            cell.failures.push("left out: the time of the run was over".into());
            return;
        }
        match self.measure(&cell.system) {
            Ok(measure) => cell.samples.push(measure),
            Err(why) => cell.failures.push(one_line(&why)),
        }
    }

    fn measure(&self, system: &str) -> Result<Measure, Failure> {
        let Step { workload, size, .. } = self.step;
        let (_fewer, peer_size) = match workload.axis {
            Axis::Cores => (Some(Fewer::cores(*size)?), FIXED_AGENTS),
            Axis::Percent => (None, latency::offered(*size)? as u64),
            _ => (None, *size),
        };
        match self.peers.get(system) {
            Some(Ok(peer)) => peer.run(workload.peer_id, peer_size, self.seconds),
            Some(Err(why)) => Err(why.clone()),
            None => (workload.measure)(*size, self.seconds),
        }
    }
}

/// A reason that fits into a table.
fn one_line(why: &str) -> String {
    let words: Vec<&str> = why.split_whitespace().collect();
    let text: String = words.join(" ").chars().filter(|letter| *letter != '|').collect();
    let cut: String = text.chars().take(REASON_CHARS_MAX).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}

/// A row in one line, while the run goes on.
fn told(step: &Step, row: &Row) -> String {
    let cell = |cell: &Cell| match cell.figure(step.workload) {
        Some(spread) => format!("{} {}", cell.system, figure(spread.median)),
        None => format!("{} -", cell.system),
    };
    let cells: Vec<String> = row.cells.iter().map(cell).collect();
    format!("{} {}: {}", row.workload, row.size, cells.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_without_what_would_break_a_table() {
        assert_eq!(one_line("ended:\n  a | b\n"), "ended: a  b");
        assert_eq!(one_line(&"x".repeat(500)).chars().count(), REASON_CHARS_MAX + 1);
    }
}
