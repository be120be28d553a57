//! Asking: send a message and await its answer, which comes in a later turn.

use std::time::Duration;

use crate::{
    Draft, Fault, Instant, Message, Performative,
    executor::{Session, new_conversation, now},
    message::FIPA_REQUEST,
    send_all,
};

/// How long an asker waits when its draft has no reply-by. The server stamps the same default (ruling F2).
pub const REPLY_WITHIN: Duration = Duration::from_secs(30);

/// What the asker waits beyond reply-by: an answer that was in time may still stand in the mailbox. Lateness itself is
/// judged by the server, not here.
pub const GRACE: Duration = Duration::from_millis(100);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The question could not be sent.
    #[error(transparent)]
    Unsent(#[from] Fault),
    /// No answer came by reply-by.
    #[error("no answer came by reply-by")]
    Timeout,
    /// The other agent refused.
    #[error("{} refused: {}", .0.sender_name(), .0.reason())]
    Refused(Box<Message>),
    /// The other agent failed, or the platform reports that it cannot answer.
    #[error("{} failed: {}", .0.sender_name(), .0.reason())]
    Failed(Box<Message>),
    /// The other agent did not understand.
    #[error("{} did not understand: {}", .0.sender_name(), .0.reason())]
    NotUnderstood(Box<Message>),
}

impl From<AskError> for Fault {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Unsent(fault) => fault,
            other => Fault::permanent("no-answer", other),
        }
    }
}

/// Sends a message and waits for the first answer, whatever its act. A conversation and reply-by are added if absent.
///
/// # Errors
/// [`AskError::Unsent`] and [`AskError::Timeout`] only; refusals are answers here.
pub async fn ask(draft: Draft) -> Result<Message, AskError> {
    let until = deadline(&draft);
    let (draft, session) = addressed(draft, until)?;
    draft.send()?;
    session.next(until + GRACE).await.ok_or(AskError::Timeout)
}

/// Sends several messages in one go and waits until each has its answer or the span is over. Answers keep the order of
/// the drafts.
pub async fn ask_all(drafts: Vec<Draft>, within: Duration) -> Vec<Result<Message, AskError>> {
    let until = now() + within;
    let count = drafts.len();
    let opened: Result<Vec<_>, _> = drafts.into_iter().map(|draft| addressed(draft, until)).collect();
    let sent = opened.and_then(|pairs| {
        let (drafts, sessions): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        send_all(drafts).map(|_| sessions)
    });
    match sent {
        Err(fault) => vec![Err(AskError::Unsent(fault)); count],
        Ok(sessions) => {
            let mut answers = Vec::with_capacity(count);
            // One after the other costs no time: each session keeps its answer, and all share one deadline.
            for session in sessions {
                answers.push(session.next(until + GRACE).await.ok_or(AskError::Timeout));
            }
            answers
        }
    }
}

/// Asks by `fipa-request` (SC00026) and waits for the result. An `agree` on the way is passed over; after it the result
/// may take `result_within` from then on.
///
/// # Errors
/// Every kind of [`AskError`]: a refusal, a failure and a not-understood are errors here.
pub async fn request(draft: Draft, result_within: Duration) -> Result<Message, AskError> {
    let mut until = deadline(&draft);
    let (draft, session) = addressed(draft.protocol(FIPA_REQUEST), until)?;
    draft.send()?;
    loop {
        let answer = session.next(until + GRACE).await.ok_or(AskError::Timeout)?;
        match answer.performative() {
            Performative::Agree => until = now() + result_within,
            Performative::Refuse => return Err(AskError::Refused(Box::new(answer))),
            Performative::Failure => return Err(AskError::Failed(Box::new(answer))),
            Performative::NotUnderstood => return Err(AskError::NotUnderstood(Box::new(answer))),
            _ => return Ok(answer),
        }
    }
}

fn deadline(draft: &Draft) -> Instant {
    draft.reply_by_set().unwrap_or_else(|| now() + REPLY_WITHIN)
}

fn addressed(draft: Draft, until: Instant) -> Result<(Draft, Session), Fault> {
    let conversation = draft.conversation_set().unwrap_or_else(new_conversation);
    let session = Session::open(conversation, None)?;
    let draft = draft.conversation(conversation).reply_with(session.number()).reply_by(until);
    Ok((draft, session))
}
