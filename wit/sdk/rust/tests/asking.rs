//! Asking, waiting and their bounds, over the scripted host.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use caxton_agent::{
    Agent, AskError, Draft, Fault, Message, Performative, Reason, Start, TASKS_MAX, ask, ask_all, request,
    respond, sleep, testing::ScriptedHost,
};

/// Does what the content of a request says, and reports what came of it.
struct Probe;

impl Agent for Probe {
    fn init(_: Start) -> Result<Self, Fault> {
        Ok(Self)
    }

    async fn handle(&self, message: Message) -> Result<(), Fault> {
        let outcome = match message.content() {
            b"ask" => show(ask(Draft::request("bob").text("?").reply_by_in(Duration::from_secs(2))).await),
            b"request" => show(request(Draft::request("bob"), Duration::from_secs(60)).await),
            b"both" => {
                let drafts = vec![Draft::request("bob"), Draft::request("ann")];
                ask_all(drafts, Duration::from_secs(2))
                    .await
                    .into_iter()
                    .map(show)
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            b"nobody" => show(ask(Draft::request("nobody")).await),
            b"sleep" => {
                sleep(Duration::from_secs(5)).await;
                "slept".to_owned()
            }
            b"work" => return respond::agree_then(message, async |_| Ok(b"worked".to_vec())).await,
            b"fail" => return respond::answer(message, async |_| Err(Reason::new("tired", "no"))).await,
            b"fault" => return Err(Fault::permanent("broken", "cannot")),
            other => String::from_utf8_lossy(other).into_owned(),
        };
        message.inform().text(&outcome).send().map(drop)
    }
}

fn show(answer: Result<Message, AskError>) -> String {
    match answer {
        Ok(message) => message.text().into_owned(),
        Err(error) => error.to_string(),
    }
}

struct Scene {
    host: std::rc::Rc<ScriptedHost>,
    client: u32,
}

impl Scene {
    fn new() -> Self {
        let host = ScriptedHost::install();
        let client = host.agent("client");
        host.agent("bob");
        host.agent("ann");
        host.start::<Probe>("").unwrap();
        Self { host, client }
    }

    fn tell(&self, what: &str) {
        self.host.deliver(self.host.incoming(Performative::Request, self.client).content(what.as_bytes()));
    }

    fn texts(&self) -> Vec<String> {
        self.host.sent().iter().map(|draft| String::from_utf8_lossy(&draft.content).into_owned()).collect()
    }
}

#[test]
fn an_answer_in_a_later_turn_resumes_the_asker() {
    let scene = Scene::new();
    scene.tell("ask");
    let asked = scene.host.sent();
    assert_eq!(asked.len(), 1);
    scene.host.deliver(scene.host.answer(&asked[0], Performative::Inform).content(b"42"));
    assert_eq!(scene.texts(), ["42"]);
}

#[test]
fn an_asker_gives_up_a_little_after_reply_by() {
    let scene = Scene::new();
    scene.tell("ask");
    scene.host.sent();
    scene.host.advance(Duration::from_millis(2099));
    assert!(scene.host.sent().is_empty());
    scene.host.advance(Duration::from_millis(1));
    assert_eq!(scene.texts(), ["no answer came by reply-by"]);
}

#[test]
fn an_answer_after_the_timeout_is_handled_like_any_message() {
    let scene = Scene::new();
    scene.tell("ask");
    let asked = scene.host.sent();
    scene.host.advance(Duration::from_secs(3));
    scene.host.sent();
    scene.host.deliver(scene.host.answer(&asked[0], Performative::Inform).content(b"late"));
    assert_eq!(scene.texts(), ["late"]);
}

#[test]
fn an_answer_in_another_conversation_does_not_resume_the_asker() {
    let scene = Scene::new();
    scene.tell("ask");
    let asked = scene.host.sent();
    let forged = scene.host.incoming(Performative::Inform, asked[0].to).in_reply_to(asked[0].reply_with);
    scene.host.deliver(forged.content(b"handled apart"));
    assert_eq!(scene.texts(), ["handled apart"]);
}

#[test]
fn many_askers_wait_at_once_and_each_gets_its_own_answer() {
    let scene = Scene::new();
    scene.tell("ask");
    scene.tell("ask");
    let asked = scene.host.sent();
    scene.host.deliver(scene.host.answer(&asked[1], Performative::Inform).content(b"second"));
    scene.host.deliver(scene.host.answer(&asked[0], Performative::Inform).content(b"first"));
    assert_eq!(scene.texts(), ["second", "first"]);
}

#[test]
fn asking_several_keeps_their_order_and_ends_with_the_last_or_the_deadline() {
    let scene = Scene::new();
    scene.tell("both");
    let asked = scene.host.sent();
    scene.host.deliver(scene.host.answer(&asked[1], Performative::Inform).content(b"ann's"));
    assert!(scene.host.sent().is_empty());
    scene.host.advance(Duration::from_secs(3));
    assert_eq!(scene.texts(), ["no answer came by reply-by ann's"]);
}

#[test]
fn a_request_passes_over_agree_and_waits_longer_for_the_result() {
    let scene = Scene::new();
    scene.tell("request");
    let asked = scene.host.sent();
    scene.host.deliver(scene.host.answer(&asked[0], Performative::Agree));
    scene.host.advance(Duration::from_secs(40));
    scene.host.deliver(scene.host.answer(&asked[0], Performative::Inform).content(b"done"));
    assert_eq!(scene.texts(), ["done"]);
}

#[test]
fn a_refused_request_is_an_error_with_the_reason() {
    let scene = Scene::new();
    scene.tell("request");
    let asked = scene.host.sent();
    let no =
        scene.host.answer(&asked[0], Performative::Refuse).content(br#"{"code":"busy","detail":"at lunch"}"#);
    scene.host.deliver(no);
    assert_eq!(scene.texts(), ["bob refused: at lunch [busy]"]);
}

#[test]
fn an_unknown_name_is_an_error_at_once() {
    let scene = Scene::new();
    scene.tell("nobody");
    assert_eq!(scene.texts(), ["nobody answers to the name `nobody` [CX0302]"]);
}

#[test]
fn a_sleeper_wakes_in_a_later_turn() {
    let scene = Scene::new();
    scene.tell("sleep");
    scene.host.advance(Duration::from_secs(4));
    assert!(scene.host.sent().is_empty());
    scene.host.advance(Duration::from_secs(1));
    assert_eq!(scene.texts(), ["slept"]);
}

#[test]
fn a_sleeper_of_a_turn_that_was_not_committed_wakes_when_another_turn_set_the_timer() {
    let scene = Scene::new();
    let request = scene.host.incoming(Performative::Request, scene.client).content(b"sleep");
    scene.host.deliver_uncommitted(request);
    scene.tell("hello");
    assert_eq!(scene.texts(), ["hello"]);
    scene.host.advance(Duration::from_secs(5));
    assert_eq!(scene.texts(), ["slept"]);
}

#[test]
fn a_fault_of_the_handler_is_answered_with_a_failure() {
    let scene = Scene::new();
    scene.tell("fault");
    let sent = scene.host.sent();
    assert_eq!(sent[0].performative, Performative::Failure);
    assert_eq!(sent[0].content, br#"{"code":"broken","detail":"cannot"}"#);
}

#[test]
fn a_message_beyond_the_bound_of_tasks_is_answered_with_a_failure() {
    let scene = Scene::new();
    for _ in 0..TASKS_MAX {
        scene.tell("sleep");
    }
    assert!(scene.host.sent().is_empty());
    scene.tell("sleep");
    assert_eq!(scene.texts(), [r#"{"code":"overloaded","detail":"1024 tasks wait already"}"#]);
}

#[test]
fn a_restart_forgets_who_waited() {
    let scene = Scene::new();
    scene.tell("sleep");
    scene.host.start::<Probe>("").unwrap();
    scene.host.advance(Duration::from_secs(9));
    assert!(scene.host.sent().is_empty());
}

#[test]
fn a_participant_of_a_request_agrees_and_informs_or_fails() {
    let scene = Scene::new();
    scene.tell("work");
    scene.tell("fail");
    let acts: Vec<_> = scene.host.sent().iter().map(|draft| draft.performative).collect();
    assert_eq!(acts, [Performative::Agree, Performative::Inform, Performative::Failure]);
}
