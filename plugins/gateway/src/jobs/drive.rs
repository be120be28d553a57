//! Makes the attempts of a job: asks its agent, waits for the last answer, records the end.

use std::{sync::Arc, time::Duration};

use caxton_acl::{Aid, Content, Message, Performative};
use caxton_plugin::{
    Code, Error, Uid,
    asking::{Answer, Delivery},
};
use serde_json::Value;
use tokio::task::JoinSet;

use super::{
    Run,
    job::{Attempt, Ended, Order, State},
};
use crate::shared::Shared;

/// Makes attempts of a job, as many at a time as it may, until none is left. Several may drive one job: who ends an
/// attempt looks for the next.
pub(super) async fn drive(shared: Arc<Shared>, job: Uid) {
    let mut attempts = JoinSet::new();
    loop {
        while let Some(run) = shared.jobs.next(&shared, job) {
            attempts.spawn(perform(shared.clone(), job, run));
        }
        if attempts.join_next().await.is_none() {
            return;
        }
    }
}

/// Makes one attempt. A result that crosses the cancelling wins.
async fn perform(shared: Arc<Shared>, job: Uid, run: Run) {
    let Run { attempt, order, mut cancel } = run;
    let mut conversation_id = None;
    let end = tokio::select! {
        biased;
        end = asked(&shared, &attempt, &order, &mut conversation_id) => end.unwrap_or_else(|error| failed(&error)),
        _ = cancel.wait_for(|cancelled| *cancelled) => {
            Ended::without_answer(State::Cancelled, Code::CANCELLED, None)
        }
    };
    let end = Ended { conversation_id: end.conversation_id.or(conversation_id), ..end };
    // A job that is gone has nobody who asks for its results.
    let _ = shared.jobs.with(job, |entry| {
        entry.job.ended(attempt.index, attempt.number, end, shared.now_ms());
    });
}

/// Asks, and waits for the last answer. Dropping it cancels.
async fn asked(
    shared: &Shared,
    attempt: &Attempt,
    order: &Order,
    conversation_id: &mut Option<String>,
) -> Result<Ended, Error> {
    let mut question = Message::new(order.performative).to(Aid::new(order.agent.as_str())?);
    question.protocol = order.protocol.clone();
    question.content = Some(Content::Bytes(attempt.task.content.as_slice().to_vec()));
    question.params = attempt.task.parameters.clone();
    let delivery = Delivery { class: order.class, id: Uid::NONE };
    let timeout = Duration::from_millis(order.timeout_ms);
    let mut answers = shared.asking.ask_stream(question, delivery, timeout, None).await?;
    *conversation_id = Some(answers.texts().conversation.clone());
    while let Some(part) = answers.next().await {
        let part = part?;
        if part.last {
            return ended(&answers.answer(part));
        }
    }
    Err(Error::new(Code::INTERNAL, "the answers ended without a last one"))
}

fn ended(answer: &Answer) -> Result<Ended, Error> {
    let act = answer.act()?;
    let declined = matches!(act, Performative::Failure | Performative::Refuse | Performative::NotUnderstood);
    let code = declined.then(|| answer.platform_code().unwrap_or(Code::HANDLER_FAULT));
    Ok(Ended {
        state: if declined { State::Failed } else { State::Done },
        act: Some(act),
        content: answer.envelope.content.clone(),
        code,
        conversation_id: Some(answer.conversation_id().to_owned()),
    })
}

fn failed(error: &Error) -> Ended {
    let conversation =
        error.detail().and_then(|detail| detail.get("conversation-id")).and_then(Value::as_str);
    Ended::without_answer(State::Failed, error.code(), conversation.map(str::to_owned))
}
