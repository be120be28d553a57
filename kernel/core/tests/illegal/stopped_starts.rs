//! What has stopped does not start again.
use caxton_core::lifecycle::Agent;

fn main() {
    let stopped = Agent::deploy().drain().stop();
    stopped.started();
}
