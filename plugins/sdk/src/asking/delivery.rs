//! What a sender may ask of the delivery of its message: the class that it is promised, and an id of its own.
//!
//! Both stand beside the message in its JSON, because they belong to the transport and not to the act. What the classes
//! promise is in `docs/spec/delivery.md`.

use caxton_abi::{Code, Uid, class};
use caxton_acl::{Message, conversation_uid};

use crate::Error;

/// The keys in a message's JSON.
pub const KEYS: [&str; 2] = ["class", "id"];

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// One of [`class`]'s numbers.
    pub class: u8,
    /// The sender's own id; absent when the server is to mint one.
    pub id: Uid,
}

impl Delivery {
    /// Reads the values of [`KEYS`]; a class may stand in the message's user parameter instead.
    ///
    /// # Errors
    /// For a class or an id that is none, and when key and parameter say two different things.
    pub fn of(message: &Message, [key, id]: [Option<String>; 2]) -> Result<Self, Error> {
        let key = key.as_deref().map(parse).transpose()?;
        let param = message.param(class::PARAM).map(parse).transpose()?;
        if let (Some(key), Some(param)) = (key, param)
            && key != param
        {
            let detail = format!(
                "`class` is {}, and the parameter {} is {}; remove one of the two",
                name(key),
                class::PARAM,
                name(param)
            );
            return Err(Error::new(Code::MESSAGE_MALFORMED, detail));
        }
        let id = id.map_or(Ok(Uid::NONE), |text| own_id(&text))?;
        Ok(Self { class: key.or(param).unwrap_or(class::VOLATILE), id })
    }

    /// The id of the copy for one of several receivers: the sender's own for the first, for each other one made of it and
    /// the receiver's name. So a message that is sent again has the same ids again, and no two copies share one.
    pub fn copy_id(&self, index: usize, receiver: &str) -> Uid {
        if index == 0 || self.id.is_none() {
            return self.id;
        }
        Uid::from_u128(conversation_uid(&format!("{}/{receiver}", self.id)))
    }
}

/// The class of a name.
///
/// # Errors
/// CX0322 with the three that there are.
pub fn parse(text: &str) -> Result<u8, Error> {
    class::parse(text).ok_or_else(|| {
        let shown: String = text.chars().take(caxton_acl::limits::SHOWN_CHARS_MAX).collect();
        let detail = format!("expected the class volatile, acked or durable, found {shown:?}");
        Error::new(Code::CLASS_UNKNOWN, detail)
    })
}

/// The name of a class, as documents show it.
pub fn name(number: u8) -> &'static str {
    class::name(number).unwrap_or("unknown")
}

fn own_id(text: &str) -> Result<Uid, Error> {
    Uid::parse(text).filter(|id| !id.is_none()).ok_or_else(|| {
        let shown: String = text.chars().take(caxton_acl::limits::SHOWN_CHARS_MAX).collect();
        let detail = format!(
            "in `id`: expected a UUID other than nil, found {shown:?}; leave it out and the server makes one"
        );
        Error::new(Code::MESSAGE_MALFORMED, detail)
    })
}

#[cfg(test)]
mod tests {
    use caxton_acl::Performative;

    use super::*;

    #[test]
    fn copies_of_one_message_have_ids_of_their_own_that_stay_the_same() {
        let delivery = Delivery { class: class::ACKED, id: Uid::from_u128(7) };
        let ids = || ["a", "b", "c"].iter().enumerate().map(|(index, name)| delivery.copy_id(index, name));
        let found: std::collections::BTreeSet<Uid> = ids().collect();
        assert_eq!((found.len(), ids().next()), (3, Some(Uid::from_u128(7))));
        assert!(ids().eq(ids()));
    }

    #[test]
    fn a_message_without_an_id_gets_none_here() {
        let delivery = Delivery::of(&Message::new(Performative::Inform), [None, None]).unwrap();
        assert_eq!((delivery, delivery.copy_id(1, "b")), (Delivery::default(), Uid::NONE));
    }
}
