//! Operations of the plugin's own: what it does not know, and what is not JSON, is refused with a code.

use std::{sync::Arc, time::Duration};

use caxton_abi::{Code, Payload};

use super::{Bench, Report};
use crate::plugin::{Failure, Instance, State};

const GROUP: &str = "verbs";
/// How long an operation may take to be refused.
const ANSWER: Duration = Duration::from_secs(10);

pub(super) async fn check(bench: &Bench, report: &mut Report) {
    let instance = match bench.start().await {
        Ok(instance) => instance,
        Err(why) => return report.failed(GROUP, "it starts", 53, why),
    };
    let families = &bench.manifest().verbs;
    let mut unknown = vec!["caxton-test-no-such-verb".to_owned()];
    unknown.extend(families.iter().map(|family| format!("{family}.caxton-test-no-such-verb")));
    let mut held = Ok(());
    for verb in &unknown {
        held = held.and(match ask(&instance, verb, b"{}").await {
            Err(Failure { code: Code::CONTROL_UNKNOWN_VERB, .. }) => Ok(()),
            Err(failure) => {
                Err(format!("`{verb}` was refused with: {failure}; expected {}", Code::CONTROL_UNKNOWN_VERB))
            }
            Ok(_) => Err(format!("`{verb}` was answered, expected {}", Code::CONTROL_UNKNOWN_VERB)),
        });
    }
    report.add(
        GROUP,
        "an operation that it does not know is refused as unknown",
        53,
        held.and(alive(&instance)),
    );
    if !families.is_empty() {
        let mut held = Ok(());
        for verb in families
            .iter()
            .flat_map(|family| ["list", "get", "create"].map(|verb| format!("{family}.{verb}")))
        {
            let answered = ask(&instance, &verb, b"\xff not JSON {").await.is_ok();
            held = held.and(if answered {
                Err(format!("`{verb}` took a request that is not JSON"))
            } else {
                Ok(())
            });
        }
        report.add(GROUP, "a request that is not JSON is refused", 53, held.and(alive(&instance)));
    }
    let stopped = instance.stop().await.map_err(|failure| failure.to_string());
    report.add(GROUP, "it stops afterwards", 8, stopped);
}

async fn ask(instance: &Arc<Instance>, verb: &str, request: &[u8]) -> Result<Payload, Failure> {
    let answer = instance.invoke(verb, Payload::from(request.to_vec()));
    tokio::time::timeout(ANSWER, answer).await.unwrap_or_else(|_| {
        let message = format!("`{verb}` was not answered within {} s", ANSWER.as_secs());
        Err(Failure::new(Code::PLUGIN_TIMED_OUT, message))
    })
}

fn alive(instance: &Instance) -> Result<(), String> {
    match instance.state() {
        State::Failed { code, reason } => Err(format!("the instance failed: {reason} [{code}]")),
        _ => Ok(()),
    }
}
