//! ACL messages as the contract types them, and back.

use caxton_acl::{Aid, Content, DateTime, Message, Performative};
use caxton_plugin::{Code, Error, asking::Delivery, class};
use caxton_proto::v1;
use prost_types::Timestamp;

/// A message of a client, and what it asks of the delivery.
///
/// # Errors
/// What is wrong with it, and where.
pub(crate) fn read(found: v1::Message) -> Result<(Message, Delivery), Error> {
    let class = class_name(found.class)?;
    let mut message = Message::new(act(found.performative)?);
    message.sender = found.sender.map(Aid::new).transpose()?;
    message.receiver = aids(found.receiver)?;
    message.reply_to = aids(found.reply_to)?;
    message.content = found.content.map(|bytes| Content::Bytes(Vec::from(bytes)));
    (message.language, message.encoding) = (found.language, found.encoding);
    (message.ontology, message.protocol) = (found.ontology, found.protocol);
    (message.conversation_id, message.reply_with) = (found.conversation_id, found.reply_with);
    message.in_reply_to = found.in_reply_to;
    message.reply_by = found.reply_by.map(time).transpose()?;
    message.params = found.parameters.into_iter().collect();
    message.params.sort_unstable();
    message.validate()?;
    let delivery = Delivery::of(&message, [class, found.id])?;
    Ok((message, delivery))
}

/// A message for a client.
pub(crate) fn write(message: Message) -> v1::Message {
    let names = |aids: Vec<Aid>| aids.iter().map(|aid| aid.name().to_owned()).collect();
    v1::Message {
        performative: i32::from(message.performative.code()),
        sender: message.sender.map(|aid| aid.name().to_owned()),
        receiver: names(message.receiver),
        reply_to: names(message.reply_to),
        content: message.content.map(|content| content.into_bytes().into()),
        language: message.language,
        encoding: message.encoding,
        ontology: message.ontology,
        protocol: message.protocol,
        conversation_id: message.conversation_id,
        reply_with: message.reply_with,
        in_reply_to: message.in_reply_to,
        reply_by: message.reply_by.map(|time| timestamp(time.ms())),
        parameters: message.params.into_iter().collect(),
        class: None,
        id: None,
    }
}

/// The class of a number of the contract.
pub(crate) fn class_of(number: u8) -> v1::DeliveryClass {
    match number {
        class::ACKED => v1::DeliveryClass::Acked,
        class::DURABLE => v1::DeliveryClass::Durable,
        _ => v1::DeliveryClass::Volatile,
    }
}

fn class_name(found: Option<i32>) -> Result<Option<String>, Error> {
    match found.map(v1::DeliveryClass::try_from) {
        None | Some(Ok(v1::DeliveryClass::Unspecified)) => Ok(None),
        Some(Ok(v1::DeliveryClass::Volatile)) => Ok(Some("volatile".to_owned())),
        Some(Ok(v1::DeliveryClass::Acked)) => Ok(Some("acked".to_owned())),
        Some(Ok(v1::DeliveryClass::Durable)) => Ok(Some("durable".to_owned())),
        Some(Err(unknown)) => {
            let message = format!("in `class`: expected a DeliveryClass from 0 to 3, found {}", unknown.0);
            Err(Error::new(Code::CLASS_UNKNOWN, message))
        }
    }
}

/// The contract numbers the acts as SC00069 does.
fn act(number: i32) -> Result<Performative, Error> {
    u8::try_from(number).ok().and_then(Performative::from_code).ok_or_else(|| {
        let message = format!("in `performative`: expected a Performative from 1 to 22, found {number}");
        Error::new(Code::UNKNOWN_PERFORMATIVE, message)
    })
}

fn aids(names: Vec<String>) -> Result<Vec<Aid>, Error> {
    names.into_iter().map(|name| Aid::new(name).map_err(Error::from)).collect()
}

fn time(found: Timestamp) -> Result<DateTime, Error> {
    let ms = u64::try_from(found.seconds).ok().and_then(|seconds| seconds.checked_mul(1000));
    let nanos = u32::try_from(found.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let whole = ms.zip(nanos).and_then(|(ms, nanos)| ms.checked_add(u64::from(nanos / 1_000_000)));
    whole.and_then(DateTime::from_ms).ok_or_else(|| {
        let message = format!(
            "in `reply_by`: expected a time of the years 1970 to 9999, found {} seconds and {} nanoseconds",
            found.seconds, found.nanos
        );
        Error::new(Code::REPLY_BY_INVALID, message)
    })
}

fn timestamp(ms: u64) -> Timestamp {
    let nanos = i32::try_from(ms % 1000 * 1_000_000).unwrap_or_default();
    Timestamp { seconds: i64::try_from(ms / 1000).unwrap_or(i64::MAX), nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> v1::Message {
        v1::Message {
            performative: v1::Performative::Request as i32,
            receiver: vec!["echo".to_owned()],
            content: Some(vec![0xff, 0].into()),
            reply_by: Some(timestamp(1_800_000_000_123)),
            parameters: [("X-one".to_owned(), "1".to_owned())].into_iter().collect(),
            ..v1::Message::default()
        }
    }

    #[test]
    fn a_message_comes_back_the_same() {
        let (read, delivery) = read(message()).unwrap();
        assert_eq!(delivery, Delivery::default());
        assert_eq!(write(read), message());
    }

    #[test]
    fn every_act_has_the_number_of_the_standard() {
        for act in Performative::ALL {
            let named = v1::Performative::try_from(i32::from(act.code())).unwrap().as_str_name();
            let text = act.as_str().to_ascii_uppercase().replace('-', "_");
            assert_eq!(named, format!("PERFORMATIVE_{text}"));
        }
    }

    type Change = fn(&mut v1::Message);

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        let with = |change: Change| {
            let mut message = message();
            change(&mut message);
            let error = read(message).unwrap_err();
            (error.code(), error.message().to_owned())
        };
        let cases: [(Change, Code, &str); 6] = [
            (|message| message.performative = 99, Code::UNKNOWN_PERFORMATIVE, "in `performative`"),
            (|message| message.class = Some(9), Code::CLASS_UNKNOWN, "in `class`"),
            (|message| message.receiver.clear(), Code::NO_RECEIVER, "receiver"),
            (
                |message| message.reply_by = Some(Timestamp { seconds: -1, nanos: 0 }),
                Code::REPLY_BY_INVALID,
                "in `reply_by`",
            ),
            (|message| message.id = Some("7".to_owned()), Code::MESSAGE_MALFORMED, "in `id`"),
            (
                |message| {
                    message.parameters.insert("one".to_owned(), String::new());
                },
                Code::MESSAGE_MALFORMED,
                "X-",
            ),
        ];
        for (change, code, text) in cases {
            let (found, message) = with(change);
            assert_eq!(found, code, "{message}");
            assert!(message.contains(text), "{message}");
        }
    }
}
