use caxton_abi::Payload;

use super::*;
use crate::plugin::recorder::Recorder;

struct Silent;
impl caxton_core::port::Endpoint for Silent {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        vec![Code::NONE; batch.len()]
    }
}

fn desk(recorder: &Arc<Recorder>, provides_router: bool) -> Desk {
    let runtime = Recorder::runtime();
    let fence = Arc::new(Fence::new("sample", recorder.clone()));
    let desk = Desk::new(recorder.clone(), fence, runtime.handle().clone(), provides_router, 1);
    desk.set_endpoint(Arc::new(Silent));
    desk
}

fn codes(desk: &Desk, senders: &[u32]) -> Vec<Code> {
    let from = |sender: &u32| Envelope::new(Header { sender: *sender, ..Header::default() }, Payload::EMPTY);
    let outcomes = desk.submit(senders.iter().map(from).collect());
    outcomes.iter().map(|outcome| outcome.code).collect()
}

#[test]
fn a_sender_that_was_not_claimed_is_refused_in_its_place() {
    let recorder = Arc::new(Recorder::default());
    let desk = desk(&recorder, false);
    let own = desk.claim("a").unwrap();
    let answered = codes(&desk, &[own, own + 1, own]);
    assert_eq!(answered, [Code::NONE, Code::SENDER_FORGED, Code::NONE]);
    assert_eq!(recorder.senders(), [own, own]);
}

#[test]
fn a_thread_is_lent_unless_too_many_are_or_a_port_is_called() {
    let recorder = Arc::new(Recorder::default());
    let desk = desk(&recorder, false);
    let own = desk.claim("a").unwrap();
    let lend = || {
        let head = Header { sender: own, ..Header::default() };
        assert_eq!(desk.submit_and_lend(vec![Envelope::new(head, Payload::EMPTY)]).len(), 1);
        recorder.lent()
    };
    assert_eq!(lend(), 1);
    desk.fence.step(crate::plugin::State::Created);
    let in_a_call = desk.fence.call(|| caxton_abi::std_types::RResult::ROk(lend()));
    assert_eq!(in_a_call.unwrap(), 1);
    let place = desk.lent.take();
    assert_eq!(lend(), 1);
    drop(place);
    assert_eq!((lend(), recorder.senders().len()), (2, 4));
}

#[test]
fn who_waits_when_the_server_ends_is_told() {
    let recorder = Arc::new(Recorder::default());
    let desk = desk(&recorder, false);
    let own = desk.claim("a").unwrap();
    let message = Envelope::new(Header { sender: own, ..Header::default() }, Payload::EMPTY);
    let waiting = desk.submit_and_wait(vec![message]);
    recorder.forget();
    let outcomes = Recorder::runtime().block_on(waiting);
    assert_eq!(outcomes, [Outcome { id: Uid::NONE, code: Code::SHUTTING_DOWN }]);
    assert_eq!(recorder.senders(), [own]);
}

#[test]
fn an_absent_sender_is_stamped_when_there_is_one_address_only() {
    let recorder = Arc::new(Recorder::default());
    let desk = desk(&recorder, false);
    assert_eq!(codes(&desk, &[0]), [Code::SENDER_FORGED]);
    let own = desk.claim("a").unwrap();
    assert_eq!(codes(&desk, &[0]), [Code::NONE]);
    assert_eq!(recorder.senders(), [own]);
    desk.claim("b").unwrap();
    assert_eq!(codes(&desk, &[0]), [Code::SENDER_FORGED]);
}

#[test]
fn only_claimed_addresses_are_released() {
    let recorder = Arc::new(Recorder::default());
    let desk = desk(&recorder, false);
    let own = desk.claim("a").unwrap();
    desk.release(own + 1);
    desk.release(own);
    desk.release(own);
    assert_eq!(recorder.released(), [own]);
}

#[test]
fn clearing_gives_every_address_back_and_ends_claiming() {
    let recorder = Arc::new(Recorder::default());
    let desk = desk(&recorder, false);
    let own = desk.claim("a").unwrap();
    desk.clear();
    assert_eq!(recorder.released(), [own]);
    assert_eq!(desk.claim("b").unwrap_err().code, Code::PLUGIN_UNAVAILABLE);
}

#[test]
fn what_the_next_instance_claims_goes_over_and_the_rest_is_given_back() {
    let recorder = Arc::new(Recorder::default());
    let (old, new) = (Arc::new(desk(&recorder, false)), desk(&recorder, false));
    let (first, second) = (old.claim("a").unwrap(), old.claim("b").unwrap());
    new.succeed(old.clone(), Vec::new());
    recorder.next_address(first);
    assert_eq!(new.claim("a").unwrap(), first);
    new.settle();
    assert_eq!(recorder.transferred(), [first]);
    assert_eq!(codes(&old, &[first]), [Code::NONE]);
    old.clear();
    assert_eq!(recorder.released(), [second]);
    assert_eq!(codes(&new, &[0]), [Code::NONE]);
}

#[test]
fn an_instance_that_could_not_start_gives_back_what_it_took() {
    let recorder = Arc::new(Recorder::default());
    let (old, new) = (Arc::new(desk(&recorder, false)), desk(&recorder, false));
    let first = old.claim("a").unwrap();
    new.succeed(old.clone(), Vec::new());
    recorder.next_address(first);
    new.claim("a").unwrap();
    new.clear();
    assert_eq!((recorder.transferred(), recorder.released()), (vec![first, first], Vec::new()));
    old.clear();
    assert_eq!(recorder.released(), [first]);
}

fn agent(name: &str) -> AgentEntry {
    AgentEntry { name: name.into(), ..AgentEntry::default() }
}

#[test]
fn an_attached_agent_is_lost_when_its_instance_ends_and_not_when_it_left() {
    let recorder = Arc::new(Recorder::default());
    let desk = desk(&recorder, false);
    let names = ["left", "lost", "held"].map(|name| desk.attach(agent(name)).unwrap());
    assert_eq!(codes(&desk, &names), [Code::NONE; 3]);
    desk.detach(names[0], Code::NONE);
    desk.detach(names[1], Code::ATTACHMENT_LOST);
    desk.detach(names[1], Code::ATTACHMENT_LOST);
    desk.clear();
    let [left, lost, held] = names;
    let expected = [(left, Code::NONE), (lost, Code::ATTACHMENT_LOST), (held, Code::PLUGIN_UNAVAILABLE)];
    assert_eq!(recorder.detached(), expected);
    assert!(recorder.released().is_empty());
}

#[test]
fn an_instance_that_failed_loses_the_attached_agents_and_keeps_its_own_addresses() {
    let recorder = Arc::new(Recorder::default());
    let desk = desk(&recorder, false);
    let (own, outside) = (desk.claim("own").unwrap(), desk.attach(agent("outside")).unwrap());
    desk.lose_attached();
    desk.lose_attached();
    assert_eq!(recorder.detached(), [(outside, Code::PLUGIN_UNAVAILABLE)]);
    assert_eq!(codes(&desk, &[own, outside]), [Code::NONE, Code::SENDER_FORGED]);
}

#[test]
fn an_attached_agent_goes_over_to_the_next_instance_and_is_not_lost() {
    let recorder = Arc::new(Recorder::default());
    let (old, new) = (Arc::new(desk(&recorder, false)), desk(&recorder, false));
    let (first, second) = (old.attach(agent("a")).unwrap(), old.attach(agent("b")).unwrap());
    new.succeed(old.clone(), Vec::new());
    recorder.next_address(first);
    assert_eq!(new.attach(agent("a")).unwrap(), first);
    new.settle();
    old.clear();
    assert_eq!(recorder.transferred(), [first]);
    assert_eq!(recorder.detached(), [(second, Code::PLUGIN_UNAVAILABLE)]);
    new.clear();
    assert_eq!(recorder.detached().len(), 2);
}

#[test]
fn only_a_router_programs_routes() {
    let recorder = Arc::new(Recorder::default());
    desk(&recorder, false).program(vec![RouteUpdate::default()]);
    assert_eq!(recorder.programmed(), 0);
    desk(&recorder, true).program(vec![RouteUpdate::default()]);
    assert_eq!(recorder.programmed(), 1);
}
