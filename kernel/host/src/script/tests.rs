//! Scripts against agents made of closures: what holds, what does not, and what a report says then.

use std::sync::Arc;

use caxton_abi::{Envelope, Header, Payload};
use caxton_acl::Performative;
use caxton_core::agent::{AgentBody, BodyFactory, Fault, LogLine, Start, TimerChange, TrapKind, Turn};

use super::{
    format::Script,
    report::{Outcome, Played},
    steps,
};
use crate::config::Source;

/// Answers with its content; obeys `log`, `twice`, `trap`, `later`, `elsewhere` and `unrelated`.
struct Obedient;

impl BodyFactory for Obedient {
    fn instantiate(&self) -> Result<Box<dyn AgentBody>, Fault> {
        Ok(Box::new(Obedient))
    }
    fn digest(&self) -> &str {
        "sha256:test"
    }
}

fn say(turn: &mut Turn, to: u32, asked: &Header, in_reply_to: u32, content: &str) {
    let performative = Performative::Inform.code();
    let conversation = asked.conversation;
    let head = Header { receiver: to, performative, conversation, in_reply_to, ..Header::default() };
    turn.stage(Envelope::new(head, Payload::from(content.to_owned()))).unwrap();
}

impl AgentBody for Obedient {
    fn init(&mut self, _: &Start, _: &mut Turn) -> Result<(), Fault> {
        Ok(())
    }
    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Fault> {
        for message in batch {
            let head = message.head;
            let text = String::from_utf8_lossy(message.content.as_slice()).into_owned();
            match text.as_str() {
                "log" => turn.logs.push(LogLine { level: 3, text: "greeted Ada".to_owned() }),
                "later" => {
                    turn.timers.push(TimerChange::Set { token: head.sender, at: turn.now.plus_millis(1_500) })
                }
                "trap" => {
                    let (message, frames) = ("told to".to_owned(), Vec::new());
                    return Err(Fault::Trapped { kind: TrapKind::Unreachable, message, frames });
                }
                "unrelated" => say(turn, head.sender, &head, 0, "no answer"),
                "elsewhere" => {
                    let other = turn.directory.resolve("other@test").unwrap();
                    say(turn, other, &Header::default(), 0, "to another");
                }
                "twice" => (0..2).for_each(|_| say(turn, head.sender, &head, head.reply_with, "twice")),
                _ => say(turn, head.sender, &head, head.reply_with, &text),
            }
        }
        Ok(())
    }
    fn timer(&mut self, token: u32, turn: &mut Turn) -> Result<(), Fault> {
        say(turn, token, &Header::default(), 0, "it is time");
        Ok(())
    }
    fn memory_bytes(&self) -> u64 {
        1
    }
}

fn play(text: &str) -> Played {
    let source = Source { name: "test.toml".to_owned(), text: Arc::from(text) };
    let script = Script::read(&source).unwrap();
    steps::play(&source, &script, Arc::new(Obedient))
}

fn send(content: &str) -> String {
    format!("[[step]]\nsend = {{ performative = \"request\", content = \"{content}\" }}\n")
}

fn steps(content: &str, rest: &str) -> String {
    format!("{}{rest}", send(content))
}

fn fault(played: &Played) -> (&str, &str, Option<usize>) {
    match &played.outcome {
        Outcome::Failed(failed) => (&failed.expected, &failed.found, failed.line),
        Outcome::Passed => panic!("it passed"),
    }
}

#[test]
fn an_answer_that_is_expected_passes() {
    let played = play(&steps(
        "Ada",
        "[[step]]\nexpect = { to = \"client\", performative = \"inform\", content = \"Ada\", answers = true }\n\
         [[step]]\nexpect-nothing = true\n",
    ));
    assert!(played.has_passed(), "{played:?}");
    assert_eq!(played.messages.len(), 2);
}

#[test]
fn another_content_fails_at_its_step_with_both_sides() {
    let played = play(&steps("Ada", "[[step]]\nexpect = { content = \"Bob\" }\n"));
    let (expected, found, line) = fault(&played);
    assert!(expected.contains("\"Bob\"") && found.contains("\"Ada\""), "{expected} {found}");
    assert_eq!(line, Some(3));
}

#[test]
fn a_message_that_no_step_expects_fails_the_script_unless_it_allows_it() {
    let script = steps("twice", "[[step]]\nexpect = { content = \"twice\" }\n");
    assert!(fault(&play(&script)).1.contains("twice"));
    assert!(play(&format!("allow-extra = true\n{script}")).has_passed());
}

#[test]
fn no_message_fails_what_expects_one() {
    assert_eq!(fault(&play(&steps("log", "[[step]]\nexpect = { to = \"client\" }\n"))).1, "no message");
}

#[test]
fn what_answers_nothing_fails_where_somebody_asked() {
    let played = play(&steps("unrelated", "[[step]]\nexpect = { content = \"no answer\" }\n"));
    assert!(fault(&played).1.contains("`in-reply-to` is absent, expected 1"), "{played:?}");
    let allowed = steps("unrelated", "[[step]]\nexpect = { content = \"no answer\", answers = false }\n");
    assert!(play(&allowed).has_passed());
}

#[test]
fn timers_fire_when_time_is_moved_and_not_before() {
    let until = |pause: &str| {
        steps(
            "later",
            &format!("[[step]]\nadvance = \"{pause}\"\n[[step]]\nexpect = {{ content = \"it is time\" }}\n"),
        )
    };
    assert_eq!(fault(&play(&until("1499ms"))).1, "no message");
    let played = play(&until("2s"));
    assert!(played.has_passed(), "{played:?}");
    assert_eq!(played.messages.last().unwrap().at_ms, 1_500);
}

#[test]
fn lines_of_the_log_are_expected_by_level_and_part() {
    let expect = |level: &str| {
        steps("log", &format!("[[step]]\nexpect-log = {{ level = \"{level}\", contains = \"Ada\" }}\n"))
    };
    assert!(play(&expect("info")).has_passed());
    assert!(fault(&play(&expect("error"))).1.contains("greeted Ada"));
}

#[test]
fn a_trap_fails_the_script_unless_it_is_expected() {
    let expected = "[[step]]\nexpect-fault = { code = \"trap-unreachable\", contains = \"told\" }\n";
    assert!(fault(&play(&send("trap"))).1.contains("told to"));
    let played = play(&format!("allow-extra = true\n{}", steps("trap", expected)));
    assert!(played.has_passed(), "{played:?}");
}

#[test]
fn any_name_is_an_endpoint_and_can_answer() {
    let played = play(
        "[[step]]\nsend = { from = \"other\", performative = \"inform\", content = \"log\" }\n\
         [[step]]\nsend = { performative = \"request\", content = \"elsewhere\" }\n\
         [[step]]\nexpect = { to = \"other\", content = \"to another\", conversation = \"c\" }\n\
         [[step]]\nsend = { from = \"other\", performative = \"inform\", content = \"thanks\", answers = true }\n\
         [[step]]\nexpect = { to = \"other\", content = \"thanks\", conversation = \"c\" }\n",
    );
    assert!(played.has_passed(), "{played:?}");
}
