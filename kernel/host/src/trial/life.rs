//! The life cycle: every step within its deadline, and again in the same process.

use super::{Bench, Report};
use crate::plugin::State;

const GROUP: &str = "life";

/// True when it could be started and stopped.
pub(super) async fn check(bench: &Bench, report: &mut Report) -> bool {
    let unstarted = match bench.create().await {
        Ok(instance) => instance.stop().await.map_err(|failure| failure.to_string()),
        Err(failure) => Err(failure.to_string()),
    };
    report.add(GROUP, "it is created, and stopped without a start", 14, unstarted);
    let first = whole(bench).await;
    let lives = first.is_ok();
    report.add(GROUP, "it is created, started, drained and stopped, each step within its deadline", 8, first);
    if lives {
        let again = whole(bench).await;
        report.add(
            GROUP,
            "another instance lives after the first has stopped, in the same process",
            45,
            again,
        );
    }
    lives
}

async fn whole(bench: &Bench) -> Result<(), String> {
    let instance = bench.start().await?;
    let health = instance.health();
    let running = match &health {
        State::Running | State::Degraded(_) => Ok(()),
        State::Failed { code, reason } => Err(format!("it is failed after its start: {reason} [{code}]")),
        other => Err(format!("it is {} after its start, expected running", other.as_str())),
    };
    let drained = instance.drain().await.map_err(|failure| failure.to_string());
    let stopped = instance.stop().await.map_err(|failure| failure.to_string());
    running.and(drained).and(stopped)
}
