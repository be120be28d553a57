//! What has failed is not drained: it holds no messages.
use caxton_abi::Code;
use caxton_core::lifecycle::Agent;

fn main() {
    let failed = Agent::deploy().fail(Code::AGENT_INIT_FAILED, String::new());
    failed.drain();
}
