//! Asking, against a server in memory.

use caxton_abi::{
    Extra, Header, Payload, flags,
    std_types::{RArc, ROption, Tuple2},
};
use caxton_acl::Aid;

use super::*;
use crate::testing::FakeHost;

const TIMEOUT: Duration = Duration::from_secs(5);

fn correspondent(fake: &FakeHost) -> Arc<Correspondent> {
    let correspondent = Correspondent::new(fake.host(), 2);
    correspondent.set_address(fake.host().claim("door").unwrap());
    Arc::new(correspondent)
}

fn question(members: &[(&str, &str)]) -> Message {
    let mut message = Message::new(Performative::Request).to(Aid::new("echo").unwrap());
    for (name, value) in members {
        match *name {
            "reply-with" => message.reply_with = Some((*value).to_owned()),
            _ => message.conversation_id = Some((*value).to_owned()),
        }
    }
    message
}

fn answer(asked: &Envelope, act: Performative, partial: bool) -> Envelope {
    let head = Header {
        conversation: asked.head.conversation,
        sender: asked.head.receiver,
        receiver: asked.head.sender,
        in_reply_to: asked.head.reply_with,
        performative: act.code(),
        ..Header::default()
    };
    let mut envelope = Envelope::new(head, Payload::from(act.as_str().to_owned()));
    if partial {
        let params = vec![Tuple2(PARTIAL.into(), "true".into())].into();
        envelope.extra = ROption::RSome(RArc::new(Extra { params, ..Extra::default() }));
    }
    envelope
}

/// The kinds of answers that a caller gets, one word each, to what the agent says.
async fn told(says: &[(Performative, bool)]) -> Vec<String> {
    let fake = FakeHost::new();
    let asking = correspondent(&fake);
    let mut answers = asking.ask_stream(question(&[]), Delivery::default(), TIMEOUT, None).await.unwrap();
    let asked = fake.take_submitted().remove(0);
    for (act, partial) in says {
        asking.deliver(answer(&asked, *act, *partial));
    }
    let mut told = Vec::new();
    while let Some(part) = answers.next().await {
        told.push(match part {
            Ok(Part { envelope, last }) => {
                let act = envelope::act(&envelope).unwrap();
                if last { format!("{act} last") } else { act.to_string() }
            }
            Err(error) => error.code().slug().to_owned(),
        });
    }
    drop(answers);
    told.extend(fake.take_submitted().iter().map(|sent| format!("sent {}", envelope::act(sent).unwrap())));
    told
}

#[tokio::test(start_paused = true)]
async fn parts_are_given_as_they_come_until_the_last() {
    use Performative::{Agree, Failure, Inform};
    assert_eq!(
        told(&[(Agree, false), (Inform, true), (Inform, true), (Inform, false), (Inform, false)]).await,
        ["inform", "inform", "inform last"]
    );
    assert_eq!(told(&[(Inform, true), (Failure, true)]).await, ["inform", "failure last"]);
    assert_eq!(told(&[(Inform, true)]).await, ["inform", "reply-timeout", "sent cancel"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_of_the_protocol_has_one_result() {
    let fake = FakeHost::new();
    let asking = correspondent(&fake);
    let mut question = question(&[]);
    question.protocol = Some("fipa-request".to_owned());
    let mut answers = asking.ask_stream(question, Delivery::default(), TIMEOUT, None).await.unwrap();
    asking.deliver(answer(&fake.take_submitted().remove(0), Performative::Inform, true));
    assert!(answers.next().await.unwrap().unwrap().last);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_the_last_part_cancels_in_the_conversation() {
    let fake = FakeHost::new();
    let asking = correspondent(&fake);
    let mut answers = asking.ask_stream(question(&[]), Delivery::default(), TIMEOUT, None).await.unwrap();
    let asked = fake.take_submitted().remove(0);
    asking.deliver(answer(&asked, Performative::Inform, true));
    assert!(!answers.next().await.unwrap().unwrap().last);
    drop(answers);
    let cancel = fake.take_submitted().remove(0);
    assert_eq!(envelope::act(&cancel).unwrap(), Performative::Cancel);
    assert_eq!(
        (cancel.head.conversation, cancel.head.receiver),
        (asked.head.conversation, asked.head.receiver)
    );
    assert_eq!(asking.deliver(answer(&asked, Performative::Inform, true)), Code::CONVERSATION_UNKNOWN);
    // The answer to the cancel is no dead letter, once.
    let codes = [0, 1].map(|_| asking.deliver(answer(&cancel, Performative::Inform, false)));
    assert_eq!(codes, [Code::NONE, Code::CONVERSATION_UNKNOWN]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_question_cancels_nothing() {
    let fake = FakeHost::new();
    let asking = correspondent(&fake);
    fake.refuse_next(Code::UNKNOWN_RECEIVER);
    let refused = asking.ask_stream(question(&[]), Delivery::default(), TIMEOUT, None).await;
    assert_eq!(refused.err().map(|error| error.code()), Some(Code::UNKNOWN_RECEIVER));
    assert!(fake.take_submitted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn parts_beyond_the_queue_are_refused_to_the_agent() {
    let fake = FakeHost::new();
    let asking = correspondent(&fake);
    let _answers = asking.ask_stream(question(&[]), Delivery::default(), TIMEOUT, None).await.unwrap();
    let asked = fake.take_submitted().remove(0);
    let part = answer(&asked, Performative::Inform, true);
    let codes: Vec<Code> = (0..=answers::PARTS_MAX).map(|_| asking.deliver(part.clone())).collect();
    assert_eq!(codes.iter().filter(|code| **code == Code::MAILBOX_FULL).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_repeats_the_callers_own_words() {
    let fake = FakeHost::new();
    let asking = correspondent(&fake);
    let members = [("conversation-id", "auction-1"), ("reply-with", "first")];
    let asked = asking.ask(question(&members), Delivery::default(), TIMEOUT, None);
    let agent = async {
        let asked = fake.take_submitted().remove(0);
        asking.deliver(answer(&asked, Performative::Inform, false));
    };
    let (answer, ()) = tokio::join!(asked, agent);
    let answer = answer.unwrap();
    let message = answer.message(asking.host()).unwrap();
    assert_eq!(
        (message.conversation_id.as_deref(), message.in_reply_to.as_deref(), answer.conversation_id()),
        (Some("auction-1"), Some("first"), "auction-1")
    );
}

#[tokio::test(start_paused = true)]
async fn no_answer_and_the_protocols_own_clock_are_the_same_error() {
    let fake = FakeHost::new();
    let asking = correspondent(&fake);
    let error = asking.ask(question(&[]), Delivery::default(), TIMEOUT, None).await.err().unwrap();
    assert_eq!(error.code(), Code::REPLY_TIMEOUT);
    assert_eq!(error.message(), "no answer from `echo@test` within 5000 ms");
    fake.take_submitted();
    let asked = asking.ask(question(&[]), Delivery::default(), TIMEOUT, None);
    let protocol = async {
        let mut failure = answer(&fake.take_submitted().remove(0), Performative::Failure, false);
        failure.head.flags = flags::PLATFORM;
        failure.content = Payload::from(r#"{"code":"CX0508"}"#.to_owned());
        asking.deliver(failure);
    };
    let (answered, ()) = tokio::join!(asked, protocol);
    assert_eq!(answered.err().map(|error| error.code()), Some(Code::REPLY_TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn each_message_of_a_list_has_its_own_result() {
    let fake = FakeHost::new();
    let asking = correspondent(&fake);
    let mut forged = question(&[]);
    forged.sender = Some(Aid::new("boss").unwrap());
    fake.refuse_next(Code::MAILBOX_FULL);
    let list = [question(&[]), forged, question(&[("conversation-id", "c")])];
    let list = list.into_iter().map(|message| (message, Delivery::default())).collect();
    let results = asking.send(list, None).await;
    let told: Vec<Result<&str, Code>> = results
        .iter()
        .map(|result| result.as_ref().map(|sent| sent.conversation_id.as_str()).map_err(Error::code))
        .collect();
    assert_eq!(told, [Err(Code::MAILBOX_FULL), Err(Code::SENDER_FORGED), Ok("c")]);
    assert_eq!(fake.take_submitted().len(), 1);
}
