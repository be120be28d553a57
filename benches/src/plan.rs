//! What a run does and how long it may take: the time goes first to what must be started, the rest to the samples.

use std::fmt::Write;

use crate::{
    figure::minutes,
    workload::{CAXTON, Rounds, Workload},
    workloads::WORKLOADS,
};

/// Minutes that the measuring part of a whole run may take; with building it stays within half an hour.
pub const BUDGET_MINUTES: f64 = 17.0;
/// The shortest sample from which a rate can be told.
const SAMPLE_S_MIN: f64 = 0.3;
/// Rounds of a workload that is measured fewer times.
const FEW: u32 = 3;

/// What is wanted of a run.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Rounds of the comparison.
    pub runs: u32,
    /// Seconds of each sample, where there is time for it.
    pub seconds: f64,
    /// Workloads, all when empty.
    pub only: Vec<String>,
    /// Systems, all when empty.
    pub systems: Vec<String>,
    /// The largest size.
    pub size_max: u64,
    /// Seconds that everything may take.
    pub budget_s: f64,
}

impl Wish {
    /// True when nothing is left out, so that the figures may stand in the documentation.
    pub fn is_whole(&self) -> bool {
        self.only.is_empty() && self.systems.is_empty() && self.size_max == u64::MAX
    }
}

/// One workload at one size.
pub struct Step {
    /// The workload.
    pub workload: &'static Workload,
    /// Its size.
    pub size: u64,
    /// Who takes part.
    pub systems: Vec<&'static str>,
    /// Rounds.
    pub runs: u32,
}

/// Everything a run does, in order.
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// Seconds of each sample.
    pub seconds: f64,
    /// Seconds that everything is expected to take.
    pub expected_s: f64,
}

impl Plan {
    /// Plans a run so that it fits its budget: samples become shorter where it would not.
    pub fn new(wish: &Wish) -> Self {
        let steps: Vec<Step> = WORKLOADS.iter().flat_map(|workload| steps_of(workload, wish)).collect();
        let samples: f64 = steps.iter().map(Step::samples).sum();
        let starting: f64 = steps.iter().map(Step::starting_s).sum();
        let seconds = sample_s(wish.seconds, wish.budget_s, starting, samples);
        Self { steps, seconds, expected_s: starting + samples * seconds }
    }

    /// Every system that takes part, Caxton first.
    pub fn systems(&self) -> Vec<&'static str> {
        let mut systems = Vec::new();
        for system in self.steps.iter().flat_map(|step| &step.systems) {
            if !systems.contains(system) {
                systems.push(*system);
            }
        }
        systems
    }

    /// The plan for people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "samples of {:.2} s, about {} minutes for measuring\n",
            self.seconds,
            minutes(self.expected_s)
        );
        for step in &self.steps {
            let took = minutes(step.starting_s() + step.samples() * self.seconds);
            let (id, size, runs, systems) = (step.workload.id, step.size, step.runs, step.systems.join(" "));
            let _never_fails = writeln!(text, "  {id:<14} {size:>6} × {runs}  {took:>5}  {systems}");
        }
        text
    }
}

impl Step {
    fn samples(&self) -> f64 {
        self.systems.len() as f64 * f64::from(self.runs)
    }

    fn starting_s(&self) -> f64 {
        let agents = self.workload.agents(self.size);
        let once: f64 = self.systems.iter().map(|system| starting_s(system, agents)).sum();
        let beside = if self.systems.contains(&CAXTON) { self.workload.beside_s } else { 0.0 };
        (once + beside) * f64::from(self.runs)
    }
}

fn steps_of(workload: &'static Workload, wish: &Wish) -> Vec<Step> {
    let wanted = |names: &[String], name: &str| names.is_empty() || names.iter().any(|wish| wish == name);
    if !wanted(&wish.only, workload.id) {
        return Vec::new();
    }
    let runs = if workload.rounds == Rounds::Few { wish.runs.min(FEW) } else { wish.runs };
    let sizes = workload.sizes.iter().filter(|size| workload.agents(**size) <= wish.size_max);
    let step = |size: &u64| {
        let systems = workload.systems_at(*size).filter(|name| wanted(&wish.systems, name)).collect();
        Step { workload, size: *size, systems, runs }
    };
    sizes.map(step).filter(|step| !step.systems.is_empty()).collect()
}

/// Seconds that a system needs before and after a sample: its start, its agents, running evenly, its end. Rounded up
/// from runs on two cores.
fn starting_s(system: &str, agents: u64) -> f64 {
    let agents = agents as f64;
    match system {
        CAXTON => 0.8 + agents * 0.0006,
        "erlang" => 0.7,
        "nats" => 0.7,
        "autogen" => 2.0 + agents * 0.0002,
        "spade" => 5.0 + agents * 0.08,
        _ => 0.3 + agents * 0.00002,
    }
}

/// The length of a sample: what is wanted, or what the budget leaves, but never too little to tell a rate.
fn sample_s(wanted: f64, budget_s: f64, starting_s: f64, samples: f64) -> f64 {
    wanted.min((budget_s - starting_s) / samples.max(1.0)).max(SAMPLE_S_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> Wish {
        let (only, systems) = (Vec::new(), Vec::new());
        Wish { runs: 5, seconds: 1.0, only, systems, size_max: u64::MAX, budget_s: BUDGET_MINUTES * 60.0 }
    }

    #[test]
    fn a_sample_is_as_long_as_wanted_or_as_the_budget_leaves() {
        assert_eq!(sample_s(1.0, 1000.0, 100.0, 100.0), 1.0);
        assert_eq!(sample_s(1.0, 150.0, 100.0, 100.0), 0.5);
        assert_eq!(sample_s(1.0, 50.0, 100.0, 100.0), SAMPLE_S_MIN);
    }

    #[test]
    fn a_whole_run_fits_its_budget() {
        let plan = Plan::new(&wish());
        assert!(plan.expected_s <= BUDGET_MINUTES * 60.0, "{}", plan.text());
        assert!(plan.seconds >= 0.4, "{}", plan.text());
        assert!(plan.steps.iter().all(|step| step.systems.first() == Some(&CAXTON)));
    }

    #[test]
    fn only_what_is_wished_for_is_planned() {
        let only = vec!["echo".to_owned()];
        let systems = vec!["kameo".to_owned(), CAXTON.to_owned()];
        let plan = Plan::new(&Wish { only, systems, size_max: 100, ..wish() });
        let steps: Vec<_> = plan.steps.iter().map(|step| (step.workload.id, step.size)).collect();
        assert_eq!(steps, [("echo", 2), ("echo", 100)]);
        assert_eq!(plan.systems(), [CAXTON, "kameo"]);
    }
}
