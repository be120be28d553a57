//! How JADE's string codec differs from the letter of SC00070, quirk by quirk, and what Caxton makes of each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use caxton_acl::{Aid, Content, Message, Performative, from_string, to_string};

const NOW_MS: u64 = 1_000_000;

/// Reads a message as JADE lays it out, with `rest` after the receiver.
fn jade(rest: &str) -> Message {
    let text = format!("(INFORM\n :receiver  (set ( agent-identifier :name b@mars:1099/JADE ) )\n{rest})");
    from_string(&text, NOW_MS).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn text(message: &Message) -> &str {
    match message.content.as_ref() {
        Some(Content::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn acts_in_upper_case_are_read() {
    for act in Performative::ALL {
        let act_text = act.as_str().to_uppercase();
        let message =
            from_string(format!("({act_text}\n :receiver  (set ( agent-identifier :name b ) )\n)"), 0);
        assert_eq!(message.unwrap().performative, act);
    }
}

#[test]
fn names_with_port_and_slash_are_words() {
    let receiver = &jade("").receiver[0];
    assert_eq!((receiver.local(), receiver.platform()), ("b", Some("mars:1099/JADE")));
}

#[test]
fn content_in_base64_is_bytes_wherever_the_marker_stands_and_in_any_case() {
    for rest in [
        ":X-JADE-Encoding Base64\n :content  \"aGVsbG8=\" \n",
        " :content  \"aGVsbG8=\" \n :X-JADE-Encoding  Base64 ",
        ":x-jade-encoding BASE64\n :content  \"aGVsbG8=\" \n",
    ] {
        let message = jade(rest);
        assert_eq!(message.content, Some(Content::Bytes(b"hello".to_vec())), "{rest}");
        assert_eq!(message.params, [], "{rest}");
    }
}

#[test]
fn content_in_base64_may_be_broken_into_lines() {
    let message = jade(":X-JADE-Encoding Base64\n :content  \"aGVs\r\nbG8=\r\n\" \n");
    assert_eq!(message.content, Some(Content::Bytes(b"hello".to_vec())));
}

#[test]
fn a_base64_marker_without_content_means_no_content() {
    assert_eq!(jade(":X-JADE-Encoding Base64\n").content, None);
}

#[test]
fn empty_bytes_are_kept_where_jade_would_lose_them() {
    let mut message = Message::new(Performative::Inform).to(Aid::new("b").unwrap());
    message.content = Some(Content::Bytes(Vec::new()));
    let back = from_string(to_string(&message).unwrap(), 0).unwrap();
    assert_eq!(back.content, message.content);
}

#[test]
fn only_quotes_are_escaped_and_backslashes_stand_for_themselves() {
    assert_eq!(text(&jade(" :content  \"C:\\dir\\new \\\"x\\\" \\\\\\\"\" \n")), "C:\\dir\\new \"x\" \\\\\"");
}

#[test]
fn a_text_that_ends_in_a_backslash_is_written_with_its_length() {
    // JADE would write a closing quote that reads as an escape.
    let message = Message::new(Performative::Inform).to(Aid::new("b").unwrap()).with_text("C:\\dir\\");
    let written = to_string(&message).unwrap();
    assert!(written.contains(":content #7\"C:\\dir\\)"), "{written}");
    assert_eq!(text(&from_string(written, 0).unwrap()), "C:\\dir\\");
}

#[test]
fn numbers_are_not_quoted() {
    for number in ["1290166", "-5", "1.5E3", "+7", "0x1p3"] {
        assert_eq!(jade(&format!(" :reply-with  {number} ")).reply_with.as_deref(), Some(number));
    }
}

#[test]
fn words_that_start_with_an_at_are_not_quoted() {
    assert_eq!(jade(" :reply-with  @x ").reply_with.as_deref(), Some("@x"));
}

#[test]
fn parameters_follow_each_other_on_one_line() {
    let message = jade(" :reply-with  r1  :in-reply-to  r0  :language  fipa-sl ");
    assert_eq!(
        (message.reply_with.as_deref(), message.in_reply_to.as_deref(), message.language.as_deref()),
        (Some("r1"), Some("r0"), Some("fipa-sl"))
    );
}

#[test]
fn the_protocol_is_never_quoted() {
    assert_eq!(jade(" :protocol fipa-contract-net\n").protocol.as_deref(), Some("fipa-contract-net"));
}

#[test]
fn user_parameters_keep_their_x_and_their_case() {
    let message = jade(":X-myKey two :X-Note \"two words\" ");
    let expected = [("X-myKey".to_owned(), "two".to_owned()), ("X-Note".to_owned(), "two words".to_owned())];
    assert_eq!(message.params, expected);
}

#[test]
fn a_user_parameter_whose_name_has_a_blank_is_refused_where_jade_drops_it() {
    let mut message = Message::new(Performative::Inform).to(Aid::new("b").unwrap());
    message.params.push(("X-my key".to_owned(), "v".to_owned()));
    assert_eq!(to_string(&message).unwrap_err().code(), 300);
}

#[test]
fn relative_deadlines_count_months_of_30_days_and_years_of_365() {
    let day_ms = 24 * 60 * 60 * 1000;
    let message = jade(" :reply-by  +00010101T000001000\n");
    assert_eq!(message.reply_by.unwrap().ms(), NOW_MS + (365 + 30 + 1) * day_ms + 1000);
}

#[test]
fn deadlines_without_a_zone_are_utc() {
    assert_eq!(
        jade(" :reply-by  20261120T120000000\n").reply_by,
        jade(" :reply-by  20261120T120000000Z\n").reply_by
    );
}

#[test]
fn agents_whose_names_differ_in_case_are_two_agents() {
    assert_ne!(Aid::new("Bob@mars").unwrap(), Aid::new("bob@mars").unwrap());
}

#[test]
fn addresses_are_bare_words() {
    let sender =
        " :sender  ( agent-identifier :name a@mars  :addresses (sequence http://mars:7778/acc IOR:0001 ))\n";
    assert_eq!(jade(sender).sender.unwrap().addresses, ["http://mars:7778/acc", "IOR:0001"]);
}
