//! `POST /v1/ask` as a stream: every answer as it comes, an event each.
//!
//! A client that leaves drops the answers, which sends a FIPA `cancel` to who was asked.

use std::{sync::Arc, time::Duration};

use axum::{
    http::{HeaderMap, Uri},
    response::Response,
};
use caxton_acl::Message;
use caxton_plugin::{
    Error,
    asking::{Answers, Delivery, Part},
};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    phase::{self, Phase, reached},
    problem::Problem,
    shared::Shared,
    sse::{self, Chunk, Place, Source},
    stream, trace,
};

/// Asks, and answers with a stream of what comes back.
///
/// # Errors
/// When the question is refused, or too many streams are open.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    uri: &Uri,
    question: Message,
    delivery: Delivery,
    timeout: Duration,
) -> Result<Response, Problem> {
    let slot = stream::slot(shared)?;
    let answers = shared.asking.ask_stream(question, delivery, timeout, trace::of(headers)).await;
    let answers = answers.map_err(crate::ask::unanswered)?;
    let mut first = Chunk::default();
    first.alive();
    let place = Place::of(shared, headers, uri);
    Ok(sse::response(first, Some(Parts { shared: shared.clone(), answers, place, _slot: slot })))
}

/// The answers to one question.
struct Parts {
    shared: Arc<Shared>,
    answers: Answers,
    place: Place,
    _slot: OwnedSemaphorePermit,
}

impl Source for Parts {
    async fn next(mut self) -> (Chunk, Option<Self>) {
        let mut chunk = Chunk::default();
        let mut phase = self.shared.phase.subscribe();
        let alive = Duration::from_millis(self.shared.config.keep_alive_ms);
        let goes_on = tokio::select! {
            answer = self.answers.next() => match answer {
                Some(answer) => self.write(answer, &mut chunk),
                None => {
                    chunk.end(true);
                    false
                }
            },
            () = reached(&mut phase, Phase::GivingUp) => {
                chunk.problem(phase::given_up(), &self.place);
                false
            }
            () = tokio::time::sleep(alive) => {
                chunk.alive();
                true
            }
        };
        (chunk, goes_on.then_some(self))
    }
}

impl Parts {
    /// Writes an answer; false after the last one.
    fn write(&self, answer: Result<Part, Error>, chunk: &mut Chunk) -> bool {
        let read = answer.and_then(|part| Ok((self.answers.message(&part)?, part.last)));
        match read {
            Ok((message, last)) => {
                chunk.event("message", None, &json!(message));
                if last {
                    chunk.end(true);
                }
                !last
            }
            Err(error) => {
                chunk.problem(error.into(), &self.place);
                false
            }
        }
    }
}
