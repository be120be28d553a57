//! The law of both codecs, decode(encode(m)) = m, and that no input makes a decoder panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use caxton_acl::{Aid, Content, DateTime, Message, Performative, from_json, from_string, to_json, to_string};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// Any text, with what codecs trip over made likely.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(vec![
            "\"", "\\", "\\\"", "\\\\", "(", ")", "#3\"abc", ":content", " ", "\n", "\r\n", "\0", "\u{202e}",
            "é", "漢", "🦀"
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9@#:+-]{1,6}",
        any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9#:@._/äж漢+-]{1,12}".prop_filter("a valid name", |name| Aid::new(name.as_str()).is_ok())
}

/// User parameters with names that differ, in the order of a set.
fn params() -> impl Strategy<Value = Vec<(String, String)>> {
    let entry = ("[Xx]-", r"[a-z0-9'\\:#,-]{1,6}", text());
    vec(entry, 0..4).prop_map(|entries| {
        let numbered = entries.into_iter().enumerate();
        numbered.map(|(index, (start, rest, value))| (format!("{start}{rest}{index}"), value)).collect()
    })
}

fn agent() -> impl Strategy<Value = Aid> {
    let address = r#"[a-z]{1,5}[:/"\\(#é][!-~]{0,8}"#;
    let leaf = (name(), vec(address, 0..3), params()).prop_map(|(name, addresses, params)| {
        let mut aid = Aid::new(name).unwrap();
        (aid.addresses, aid.params) = (addresses, params);
        aid
    });
    let plain = name().prop_map(|name| Aid::new(name).unwrap());
    prop_oneof![plain, leaf].prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), vec(inner, 0..3)).prop_map(|(mut aid, resolvers)| {
            aid.resolvers = resolvers;
            aid
        })
    })
}

fn agents(least: usize) -> impl Strategy<Value = Vec<Aid>> {
    vec(agent(), least..4).prop_map(|agents| {
        let mut seen = std::collections::HashSet::new();
        agents.into_iter().filter(|agent| seen.insert(agent.name().to_owned())).collect()
    })
}

fn content() -> impl Strategy<Value = Option<Content>> {
    prop_oneof![
        Just(None),
        text().prop_map(|text| Some(Content::Text(text))),
        vec(any::<u8>(), 0..40).prop_map(|bytes| Some(Content::Bytes(bytes))),
    ]
}

prop_compose! {
    fn message()(
        act in select(Performative::ALL.to_vec()),
        (sender, receiver, reply_to) in (option::of(agent()), agents(1), agents(0)),
        content in content(),
        tokens in vec(option::of(text()), 7),
        reply_by in option::of(0..=DateTime::MAX.ms()),
        params in params(),
    ) -> Message {
        let mut message = Message::new(act);
        (message.sender, message.receiver, message.reply_to) = (sender, receiver, reply_to);
        message.content = content;
        let mut tokens = tokens.into_iter();
        let mut next = || tokens.next().flatten();
        message.language = next();
        message.encoding = next();
        message.ontology = next();
        message.protocol = next();
        message.conversation_id = next();
        message.reply_with = next();
        message.in_reply_to = next();
        message.reply_by = reply_by.and_then(DateTime::from_ms);
        message.params = params;
        message
    }
}

/// Texts made of the pieces of both languages in any order.
fn soup() -> impl Strategy<Value = String> {
    let pieces = vec![
        "(",
        ")",
        "inform",
        "REQUEST",
        ":content",
        ":sender",
        ":receiver",
        ":reply-by",
        ":X-a",
        ":name",
        "set",
        "sequence",
        "agent-identifier",
        "(set (agent-identifier :name a))",
        "\"",
        "\\",
        "#",
        "#2\"",
        "#99999999999999999999\"",
        "20261120T120000000Z",
        "+2s",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"performative\":",
        "\"receiver\":",
        "\"a\"",
        "null",
        "1e999",
    ];
    vec((select(pieces), select(vec!["", " "])), 0..40)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, gap)| format!("{piece}{gap}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_message_survives_the_string_form(message in message()) {
        let text = to_string(&message).unwrap();
        let back = from_string(&text, 0);
        prop_assert!(back.as_ref().is_ok_and(|back| back.same(&message)), "{text}\n{message:?}\n{back:?}");
    }

    #[test]
    fn every_message_survives_json(message in message()) {
        let text = to_json(&message).unwrap();
        let back = from_json(&text, 0);
        prop_assert!(back.as_ref().is_ok_and(|back| back.same(&message)), "{text}\n{message:?}\n{back:?}");
    }

    #[test]
    fn what_a_decoder_accepts_can_be_encoded_again(text in soup()) {
        for message in [from_string(&text, 0), from_json(&text, 0)].into_iter().flatten() {
            prop_assert!(to_string(&message).is_ok() && to_json(&message).is_ok());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = from_string(&bytes, u64::MAX);
        let _ = from_json(&bytes, u64::MAX);
    }

    #[test]
    fn a_damaged_message_is_read_or_refused(message in message(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for mut bytes in [to_string(&message).unwrap().into_bytes(), to_json(&message).unwrap().into_bytes()] {
            let index = at.index(bytes.len());
            bytes[index] = byte;
            let _ = from_string(&bytes, 0);
            let _ = from_json(&bytes, 0);
            bytes.truncate(index);
            prop_assert!(from_string(&bytes, 0).is_err() && from_json(&bytes, 0).is_err());
        }
    }
}
