//! An instance that never started cannot be lost.
use caxton_core::lifecycle::Agent;

fn main() {
    Agent::deploy().lose();
}
