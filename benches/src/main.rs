//! `caxton-bench`: wholes, measured on real servers beside their peers.
//!
//! ```text
//!   workloads   the one table: what is measured, at which sizes, who takes part, what is to be reached (workload, goal)
//!   stage       a real server with agents on it        talk   workloads of agents among themselves
//!   latency     an echo at a load that does not wait for answers
//!   overhead    what a transport adds to a round trip inside
//!   setup       how a peer is had                      peers  how it is run
//!   plan        what fits into half an hour            runner the systems take turns
//!   results     every sample, as a file                table  what people read of it
//!   plot        how figures grow, as SVG               report the figures in docs/performance.md
//! ```

mod api;
mod cores;
mod durable;
mod figure;
mod goal;
mod guests;
mod latency;
mod machine;
mod measure;
mod memory;
mod overhead;
mod peers;
mod plan;
mod plot;
mod report;
mod results;
mod runner;
mod setup;
mod spawn;
mod stage;
mod table;
mod talk;
mod workload;
mod workloads;

use caxton_kit::{Failure, artifacts};
use clap::Parser;

use crate::{
    plan::{BUDGET_MINUTES, Plan, Wish},
    results::Results,
    workload::Axis,
};

/// Measures Caxton and its peers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Measures one workload of Caxton alone, for work on it: `run oneway 100`.
    Run {
        /// A workload's name, see `peers --help`.
        workload: String,
        /// Its size.
        size: u64,
        /// How long.
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
    },
    /// Measures the memory of idle agents, and what many messages leave behind: `memory python 1000 --messages 10000`.
    Memory {
        /// rust, javascript or python
        guest: guests::Guest,
        /// Idle agents.
        agents: u64,
        /// Messages that some agents handle each, to see whether their memory stays flat.
        #[arg(long)]
        messages: Option<u64>,
    },
    /// Installs the peers, measures everything and prints the table.
    Peers {
        /// Rounds; medians are taken over them.
        #[arg(long, default_value_t = 5)]
        runs: u32,
        /// Seconds of each sample.
        #[arg(long, default_value_t = 1.0)]
        seconds: f64,
        /// Minutes that measuring may take; samples become shorter where that is too little.
        #[arg(long, default_value_t = BUDGET_MINUTES)]
        minutes: f64,
        /// Only these workloads, with commas.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Only these systems, with commas; `caxton` is one.
        #[arg(long, value_delimiter = ',')]
        systems: Vec<String>,
        /// One round of short samples without the largest sizes, to see that everything runs.
        #[arg(long)]
        quick: bool,
        /// Prints what would be measured and how long it takes, and ends.
        #[arg(long)]
        plan: bool,
    },
    /// Prints what each transport adds to a round trip inside of the server, beside a bare server of the same library.
    Overhead {
        /// Rounds; medians are taken over them.
        #[arg(long, default_value_t = 5)]
        runs: u32,
        /// Seconds of each sample.
        #[arg(long, default_value_t = 1.0)]
        seconds: f64,
    },
    /// Prints the table of the last run again.
    Table,
    /// Writes the figures and plots of the last run into docs/performance.md.
    Report,
}

fn main() -> Result<(), Failure> {
    match Arguments::parse().command {
        Command::Run { workload, size, seconds } => run(&workload, size, seconds),
        Command::Memory { guest, agents, messages } => {
            println!("{}", memory::idle(guest, agents)?);
            if let Some(messages) = messages {
                println!("{}", memory::flat(guest, messages)?);
            }
            Ok(())
        }
        Command::Peers { runs, seconds, minutes, only, systems, quick, plan } => {
            let wish = if quick {
                Wish { runs: 1, seconds: 0.3, only, systems, size_max: 1_000, budget_s: minutes * 60.0 }
            } else {
                Wish { runs, seconds, only, systems, size_max: u64::MAX, budget_s: minutes * 60.0 }
            };
            compare(&wish, plan)
        }
        Command::Overhead { runs, seconds } => overhead::print(runs, seconds),
        Command::Table => {
            print!("{}", table::aligned(&Results::read(&results::file())?));
            Ok(())
        }
        Command::Report => report::write(&Results::read(&results::file())?),
    }
}

fn run(id: &str, size: u64, seconds: f64) -> Result<(), Failure> {
    let workload = workloads::find(id).ok_or_else(|| unknown(id))?;
    let measure = (workload.measure)(size, seconds)?;
    print!(
        "{id} {size}: {:.0} {}",
        measure.value,
        if workload.axis == Axis::Percent { "round trips/s" } else { workload.unit }
    );
    if let Some(cpu_us) = measure.cpu_us {
        print!(", {cpu_us:.2} us CPU for a message");
    }
    for (name, latency) in [("p50", measure.p50_us), ("p99", measure.p99_us), ("p99.9", measure.p999_us)] {
        if let Some(us) = latency {
            print!(", {name} {us:.0} us");
        }
    }
    println!();
    Ok(())
}

fn compare(wish: &Wish, plan_only: bool) -> Result<(), Failure> {
    if let Some(id) = wish.only.iter().find(|id| workloads::find(id).is_none()) {
        return Err(unknown(id));
    }
    let plan = Plan::new(wish);
    if plan_only {
        print!("{}", plan.text());
        return Ok(());
    }
    let results = runner::run(&plan, wish, &results::file())?;
    println!(
        "{}\ncommit {}, {}, {}\n",
        results.machine.text(),
        results.commit,
        results.date,
        results.command
    );
    print!("{}", table::aligned(&results));
    let plots = if wish.is_whole() { report::plots() } else { artifacts::target().join("bench/plots") };
    let drawn = plot::draw(&results, &plots)?;
    println!("\nwrote {} and {} plots to {}", results::file().display(), drawn.len(), plots.display());
    Ok(())
}

fn unknown(id: &str) -> Failure {
    let known: Vec<&str> = workloads::WORKLOADS.iter().map(|workload| workload.id).collect();
    format!("there is no workload {id}; there are {}", known.join(", "))
}
