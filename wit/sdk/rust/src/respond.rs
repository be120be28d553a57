//! The participant of `fipa-request` (SC00026): a request becomes a refusal, a result or a failure, with or without an
//! `agree` before it.

use std::future::Future;

use crate::{Failure, Fault, Message, Performative};

/// Answers a request with the work's result as an `inform`, or with a `failure`. For work that is done at once.
///
/// # Errors
/// The host's fault when the answer cannot be sent.
pub async fn answer<W>(request: Message, work: impl FnOnce(Message) -> W) -> Result<(), Fault>
where
    W: Future<Output = Result<Vec<u8>, Failure>>,
{
    let card = request.head();
    let draft = match work(request).await {
        Ok(result) => card.inform().content(result),
        Err(reason) => card.failure(&reason),
    };
    draft.send().map(drop)
}

/// As [`answer`], with an `agree` first. For work that takes longer than the request's reply-by.
///
/// # Errors
/// As [`answer`].
pub async fn agree_then<W>(request: Message, work: impl FnOnce(Message) -> W) -> Result<(), Fault>
where
    W: Future<Output = Result<Vec<u8>, Failure>>,
{
    request.reply(Performative::Agree).send()?;
    answer(request, work).await
}
