//! Tests any plugin against docs/spec/plugin.md: its file, its configuration, its life, and each port that it offers.
//!
//! ```text
//!   file.so ─▶ file ─▶ configuration ─▶ life ─▶ endpoint · router · protocol · exporter · store ─▶ verbs
//!                └───────────── each check ─────────────▶ report (text, JSON)
//! ```
//!
//! The library runs in this process, on a real bus without agents, so the program that calls this is one for the test
//! alone: a plugin that crashes ends it. Every step and call has a deadline; what hangs is left behind and told. Files
//! that the plugin names by relative paths should go to a folder of the test's: the caller sets the working directory.

mod bench;
mod configuration;
mod endpoint;
mod exporter;
mod file;
mod life;
mod protocol;
mod report;
mod router;
mod store;
mod verbs;

use std::path::Path;

use serde_json::{Map, Value};

pub use bench::Bench;
pub use report::{Check, Outcome, Report};
pub use store::check_again;

/// What holds of all that was done.
const NO_PANIC: &str = "nothing of it panicked, its tasks and destructors included";

/// Tests a plugin with a configuration. When the library does not fit this server, the report says so and has the check
/// that showed it.
pub async fn run(path: &Path, config: Map<String, Value>) -> Report {
    let mut report = Report::new(path);
    let Some(library) = file::check(path, &mut report) else { return report };
    report.compatible = true;
    let bench = match Bench::new(library, config) {
        Ok(bench) => bench,
        Err(why) => {
            report.failed("life", "it runs on a bus", 14, why);
            return report;
        }
    };
    configuration::check(&bench, &mut report).await;
    if !life::check(&bench, &mut report).await {
        report.skip("ports", "each port that it offers", 14, "it could not be started and stopped");
        report.add("panics", NO_PANIC, 54, bench.panics());
        return report;
    }
    let mut panicked = Ok(());
    for port in bench.manifest().provides.clone() {
        match port.as_str() {
            "endpoint/1" => endpoint::check(&bench, &mut report).await,
            "router/1" => router::check(&bench, &mut report).await,
            "protocol/1" => protocol::check(&bench, &mut report).await,
            "exporter/1" => exporter::check(&bench, &mut report).await,
            "store/1" => {
                panicked = bench.panics();
                store::check(&bench, &mut report).await;
                // An engine may panic at damaged bytes, which the contract gives it, where its plugin refuses them.
                let _judged_by_the_contract = bench.panics();
            }
            _ => {}
        }
    }
    verbs::check(&bench, &mut report).await;
    report.add("panics", NO_PANIC, 54, panicked.and_then(|()| bench.panics()));
    report
}
