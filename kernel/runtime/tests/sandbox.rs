//! What a guest may do, and what happens to one that tries more. Every case runs a real component.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{sync::Arc, time::Instant};

use caxton_abi::{
    Extra, Uid,
    std_types::{RArc, ROption, RString, Tuple2},
};
use caxton_core::{
    agent::{Fault, TimerChange, TrapKind},
    limits::Limits,
    time::Time,
};
use caxton_runtime::{InstanceLimits, Runtime, RuntimeOptions};
use support::{
    guests::guest,
    world::{LIMITS, NOW, PEER, SELF, agent, agent_with, options, request, shared, start, trapped, turn},
};

#[test]
fn a_message_goes_in_and_its_answer_is_staged() {
    let mut agent = agent(&guest("hostile"));
    agent.tell("echo hello").unwrap();
    assert_eq!(agent.sent(), ["hello"]);
    let head = agent.turn.outbox[0].head;
    assert_eq!((head.receiver, head.sender, head.performative, head.in_reply_to), (PEER, SELF, 8, 42));
    assert_eq!(head.conversation, Uid { hi: 0x0123_4567_89ab_cdef, lo: 0xfedc_ba98_7654_3210 });
}

#[test]
fn a_text_of_five_megabytes_passes_in_and_out() {
    let mut agent = agent(&guest("hostile"));
    let text = "x".repeat(5_000_000);
    agent.tell(format!("echo {text}")).unwrap();
    assert_eq!(agent.sent(), [text]);
}

#[test]
fn rare_parameters_pass_in_and_out() {
    let mut agent = agent(&guest("hostile"));
    let mut message = request("extra");
    let extra = Extra {
        receivers: vec![SELF, 9].into(),
        reply_to: vec![5].into(),
        params: vec![Tuple2(RString::from("X-colour"), RString::from("grün"))].into(),
    };
    message.extra = ROption::RSome(RArc::new(extra.clone()));
    agent.body.handle(&[request("echo first"), message], &mut agent.turn).unwrap();
    let sent = agent.turn.outbox.last().unwrap();
    assert_eq!(sent.extra, ROption::RSome(RArc::new(extra)));
}

#[test]
fn a_refused_batch_stages_nothing_of_itself() {
    let mut agent = agent(&guest("hostile"));
    let limits = Limits { outbox_messages_max: 2, ..Limits::default() };
    agent.turn.limits = Arc::new(limits);
    agent.tell("send-half").unwrap();
    assert_eq!(agent.sent()[0], "first");
    assert_eq!(agent.turn.outbox.len(), 2);
    assert!(agent.sent()[1].starts_with("CX03"), "{:?}", agent.sent());
}

#[test]
fn a_full_outbox_is_a_fault_that_the_guest_sees() {
    let mut agent = agent(&guest("hostile"));
    let outcome = agent.tell("send 5000");
    let Err(Fault::Returned { code, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(code, "CX0315");
    agent.turn.outbox.clear();
    agent.tell("echo still alive").unwrap();
}

#[test]
fn a_fault_leaves_the_instance_usable() {
    let mut agent = agent(&guest("hostile"));
    let fault = Fault::Returned { code: "bank.no-money".to_owned(), detail: "poor".to_owned() };
    assert_eq!(agent.tell("fault poor"), Err(fault));
    agent.tell("echo again").unwrap();
}

#[test]
fn state_is_read_as_the_turn_sees_it() {
    let mut agent = agent(&guest("hostile"));
    agent.turn.state = Arc::new([("old".to_owned(), Arc::from(&b"committed"[..]))].into());
    for order in ["get old", "put old new", "get old", "put old", "get old"] {
        agent.tell(order).unwrap();
    }
    assert_eq!(agent.sent(), ["committed", "new", "nothing"]);
    assert_eq!(agent.turn.puts, [("old".to_owned(), None)].into());
}

#[test]
fn state_beyond_its_bound_is_a_fault() {
    let mut agent = agent(&guest("hostile"));
    let outcome = agent.tell("put big *5000000");
    assert!(matches!(&outcome, Err(Fault::Returned { code, .. }) if code == "state.full"), "{outcome:?}");
    assert!(agent.turn.puts.is_empty());
}

#[test]
fn timers_are_staged_and_come_back() {
    let mut agent = agent(&guest("hostile"));
    agent.tell("timer 3").unwrap();
    assert_eq!(agent.turn.timers, [TimerChange::Set { token: 9, at: Time::from_nanos(3_000_000_005) }]);
    agent.body.timer(9, &mut agent.turn).unwrap();
    assert_eq!(agent.sent(), ["timer 9"]);
}

#[test]
fn setting_timers_for_ever_is_stopped() {
    let (kind, message, _) = trapped(agent(&guest("hostile")).tell("timers-for-ever"));
    assert_eq!(kind, TrapKind::Denied);
    assert!(message.contains("clock.set-timer"), "{message}");
}

#[test]
fn an_endless_loop_is_stopped_at_its_deadline() {
    let mut agent = agent_with(&guest("hostile"), InstanceLimits { turn_ms_max: 50, ..LIMITS });
    let began = Instant::now();
    let (kind, message, frames) = trapped(agent.tell("spin"));
    assert_eq!((kind, message.as_str()), (TrapKind::Deadline, "the call took longer than 50 ms"));
    assert!(began.elapsed().as_millis() >= 50);
    assert!(frames.iter().any(|frame| frame.contains("hostile::spin")), "{frames:?}");
}

#[test]
fn a_guest_that_trapped_is_not_called_again() {
    let mut agent = agent(&guest("hostile"));
    trapped(agent.tell("panic once"));
    let (kind, message, _) = trapped(agent.tell("echo too late"));
    assert_eq!((kind, message.contains("trapped before")), (TrapKind::Other, true));
}

#[test]
fn eating_memory_is_reported_as_memory() {
    let mut agent = agent(&guest("hostile"));
    let (kind, message, _) = trapped(agent.tell("memory"));
    assert_eq!(kind, TrapKind::Memory);
    assert!(message.starts_with("the memory limit of 67108864 bytes was reached"), "{message}");
    assert!(agent.body.memory_bytes() <= LIMITS.memory_bytes_max);
}

#[test]
fn endless_recursion_is_reported_as_stack() {
    for order in ["recurse", "recurse-wide"] {
        let (kind, message, frames) = trapped(agent(&guest("hostile")).tell(order));
        assert_eq!((kind, message.as_str()), (TrapKind::Stack, "the call stack overflowed"), "{order}");
        assert!(frames[0].starts_with("hostile.wasm!hostile::recurse"), "{frames:?}");
        assert_eq!(frames.len(), 16);
    }
}

#[test]
fn a_panic_tells_its_message_and_keeps_its_lines() {
    let mut agent = agent(&guest("hostile"));
    let (kind, message, frames) = trapped(agent.tell("panic the cat is out"));
    assert_eq!(kind, TrapKind::Unreachable);
    assert!(
        message.contains("panicked at hostile/src/lib.rs") && message.contains("the cat is out"),
        "{message}"
    );
    assert!(agent.logged().contains(&"the cat is out"), "{:?}", agent.logged());
    assert!(frames.iter().any(|frame| frame.contains("hostile::obey")), "{frames:?}");
}

#[test]
fn sleeping_is_denied_and_says_what_to_do() {
    let (kind, message, _) = trapped(agent(&guest("hostile")).tell("sleep"));
    assert_eq!(kind, TrapKind::Denied);
    assert!(message.contains("waiting is a message or a timer"), "{message}");
}

#[test]
fn exiting_ends_the_instance_only() {
    let (kind, message, _) = trapped(agent(&guest("hostile")).tell("exit"));
    assert_eq!(kind, TrapKind::Unreachable);
    assert!(message.contains("exit status"), "{message}");
}

#[test]
fn printed_and_logged_lines_arrive() {
    let mut agent = agent(&guest("hostile"));
    agent.tell("print one\u{1b}[2J").unwrap();
    agent.tell("log two").unwrap();
    assert_eq!(agent.logged(), ["one\\u{1b}[2J", "two"]);
}

#[test]
fn a_flood_of_output_is_cut_and_counted() {
    let mut agent = agent(&guest("hostile"));
    agent.tell("flood").unwrap();
    let logged = agent.logged();
    assert_eq!(logged.len(), 257);
    assert_eq!(logged[256], "99744 more lines of this turn were dropped");
}

#[test]
fn nothing_of_the_host_is_visible() {
    let mut agent = agent(&guest("hostile"));
    agent.tell("world").unwrap();
    let wall = NOW.millis() / 1_000;
    assert_eq!(agent.sent(), [format!("args 0 vars 0 file false map 10 wall {wall} input Some(0)")]);
}

#[test]
fn init_can_fail_in_every_way() {
    let component = guest("hostile");
    let runtime = Runtime::new(RuntimeOptions { init_ms_max: 200, ..options() }).unwrap();
    let compiled = runtime.compile(&component).unwrap();
    let factory = runtime.factory(&compiled, LIMITS, &[]).unwrap();
    let init = |config: &str| factory.instantiate().unwrap().init(&start(config), &mut turn());
    assert_eq!(trapped(init("spin")).0, TrapKind::Deadline);
    assert_eq!(trapped(init("panic no")).0, TrapKind::Unreachable);
    assert!(matches!(init("fault no"), Err(Fault::Returned { .. })));
    assert_eq!(init(""), Ok(()));
}

#[test]
fn an_instance_whose_memory_begins_above_the_limit_is_refused() {
    let compiled = shared().compile(&guest("hostile")).unwrap();
    let limits = InstanceLimits { memory_bytes_max: 64 << 10, ..LIMITS };
    let Err(error) = shared().factory(&compiled, limits, &[]) else { panic!("accepted") };
    assert_eq!(error.code(), caxton_abi::Code::TRAP_MEMORY, "{error}");
}

#[test]
fn a_grant_that_does_not_exist_is_refused() {
    let compiled = shared().compile(&guest("hostile")).unwrap();
    let Err(error) = shared().factory(&compiled, LIMITS, &["wasi:http".to_owned()]) else {
        panic!("accepted")
    };
    assert_eq!(error.code(), caxton_abi::Code::AGENT_MANIFEST_INVALID);
}

#[test]
fn a_neighbour_answers_while_one_spins() {
    let component = guest("hostile");
    let compiled = shared().compile(&component).unwrap();
    let factory = shared().factory(&compiled, LIMITS, &[]).unwrap();
    let mut bad = factory.instantiate().unwrap();
    let mut good = factory.instantiate().unwrap();
    std::thread::scope(|scope| {
        let spinning = scope.spawn(move || bad.handle(&[request("spin")], &mut turn()));
        let mut mine = turn();
        while !spinning.is_finished() {
            good.handle(&[request("echo here")], &mut mine).unwrap();
            mine.outbox.clear();
        }
        assert_eq!(trapped(spinning.join().unwrap()).0, TrapKind::Deadline);
    });
}

#[test]
fn a_full_pool_refuses_the_next_instance_and_says_what_to_raise() {
    let runtime = Runtime::new(RuntimeOptions { agents_max: 1, ..options() }).unwrap();
    let compiled = runtime.compile(&guest("hostile")).unwrap();
    let factory = runtime.factory(&compiled, LIMITS, &[]).unwrap();
    let mut alive = Vec::new();
    let fault = loop {
        match factory.instantiate() {
            Ok(body) => alive.push(body),
            Err(fault) => break fault,
        }
        assert!(alive.len() < 100);
    };
    let (kind, message, _) = trapped(Err(fault));
    assert_eq!(kind, TrapKind::Other);
    assert!(message.ends_with("raise `agents_max`, or remove agents"), "{message}");
    alive.pop();
    assert!(factory.instantiate().is_ok());
}
