//! What one instance has of the server: its name, its addresses, and what it may do.
//!
//! A plugin sends only from addresses that it claimed; another sender is refused, so that no plugin speaks in an
//! agent's name.
//!
//! When a new instance of the same plugin starts beside it, an address that both claim goes over without a gap; the
//! old one may still send in its name while it drains.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use caxton_abi::{
    Code, Envelope, Header, Uid,
    port::{Outcome, RouteUpdate},
};
use caxton_core::{
    UnderWay,
    port::{Endpoint, EndpointRef},
};
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    Failure, Services,
    fence::{self, Fence},
    lent::Places,
    line::Line,
};

/// Most addresses that one plugin may claim.
pub const CLAIMS_MAX: usize = 65_536;

/// What an instance has of the server.
pub struct Desk {
    pub(super) services: Arc<dyn Services>,
    pub(super) fence: Arc<Fence>,
    pub(super) handle: Handle,
    provides_router: bool,
    claims: Mutex<Claims>,
    lent: Places,
}

#[derive(Default)]
struct Claims {
    addresses: HashSet<u32>,
    endpoint: Option<EndpointRef>,
    /// Addresses that the next instance has; this one may still send in their name.
    lent: HashSet<u32>,
    /// The instance before, while this one starts, and the addresses that were taken from it.
    predecessor: Option<Arc<Desk>>,
    taken: HashSet<u32>,
    /// Instances before this one that may still wait for answers.
    older: Vec<Weak<dyn Endpoint>>,
}

impl Claims {
    fn line(&self) -> Option<EndpointRef> {
        let newest = self.endpoint.clone()?;
        Some(Arc::new(Line { newest, older: self.older.clone() }))
    }
}

impl Desk {
    /// Makes the desk of an instance; control operations run on the handle's runtime. So many of its threads may be lent
    /// at once.
    pub fn new(
        services: Arc<dyn Services>,
        fence: Arc<Fence>,
        handle: Handle,
        provides_router: bool,
        lent_max: usize,
    ) -> Self {
        let lent = Places::new(lent_max);
        Self { services, fence, handle, provides_router, claims: Mutex::default(), lent }
    }

    /// Names the endpoint that claimed addresses belong to.
    pub fn set_endpoint(&self, endpoint: EndpointRef) {
        self.lock().endpoint = Some(endpoint);
    }

    /// Lets this instance take over what it claims from the one before; `older` may still wait for answers.
    pub fn succeed(&self, predecessor: Arc<Desk>, older: Vec<Weak<dyn Endpoint>>) {
        let mut claims = self.lock();
        claims.predecessor = Some(predecessor);
        claims.older = older;
    }

    /// Keeps for good what was taken over.
    pub fn settle(&self) {
        let mut claims = self.lock();
        claims.predecessor = None;
        claims.taken.clear();
    }

    /// Gives every claimed address back, to the instance before where it was taken from, and forgets the endpoint.
    pub fn clear(&self) {
        let claims = std::mem::take(&mut *self.lock());
        for address in claims.addresses {
            match claims.predecessor.as_ref().filter(|_| claims.taken.contains(&address)) {
                Some(predecessor) => predecessor.take_back(address),
                None => self.services.release(address),
            }
        }
    }

    /// Lends an address to the next instance; says what becomes of a call that is under way. `None` when it is not
    /// claimed here.
    fn lend(&self, address: u32) -> Option<UnderWay> {
        let mut claims = self.lock();
        if !claims.addresses.remove(&address) {
            return None;
        }
        claims.lent.insert(address);
        Some(if self.fence.hangs() { UnderWay::Abandoned } else { UnderWay::Ends })
    }

    fn take_back(&self, address: u32) {
        let line = {
            let mut claims = self.lock();
            let lent = claims.lent.remove(&address);
            if lent {
                claims.addresses.insert(address);
            }
            lent.then(|| claims.line()).flatten()
        };
        match line {
            Some(line) => self.services.transfer(address, line, UnderWay::Ends),
            None => self.services.release(address),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn claim(&self, name: &str) -> Result<u32, Failure> {
        let (line, predecessor) = {
            let claims = self.lock();
            if claims.addresses.len() >= CLAIMS_MAX {
                let text = format!("a plugin may claim {CLAIMS_MAX} addresses, not more");
                return Err(Failure::new(Code::NAMES_EXHAUSTED, text));
            }
            (claims.line(), claims.predecessor.clone())
        };
        let line = line.ok_or_else(|| {
            let text = "a plugin without the port endpoint/1 cannot claim an address";
            Failure::new(Code::PLUGIN_UNAVAILABLE, text)
        })?;
        if let Some(predecessor) = predecessor
            && let Some(address) = self.services.addresses(&[name]).first().copied()
            && let Some(under_way) = predecessor.lend(address)
        {
            let mut claims = self.lock();
            claims.addresses.insert(address);
            claims.taken.insert(address);
            drop(claims);
            self.services.transfer(address, line, under_way);
            return Ok(address);
        }
        let address = self.services.claim(self.fence.name(), name, line)?;
        self.lock().addresses.insert(address);
        Ok(address)
    }

    pub(super) fn release(&self, address: u32) {
        let mut claims = self.lock();
        let claimed = claims.addresses.remove(&address);
        claims.lent.remove(&address);
        drop(claims);
        if claimed {
            self.services.release(address);
        }
    }

    pub(super) fn program(&self, routes: Vec<RouteUpdate>) {
        if self.provides_router {
            self.services.program(routes);
        } else {
            tracing::warn!(plugin = self.fence.name(), "routes of a plugin without router/1 ignored");
        }
    }

    /// Stamps or checks the sender.
    fn may_send(claims: &Claims, head: &mut Header) -> bool {
        let mut own = claims.addresses.iter().chain(&claims.lent);
        if head.sender == 0
            && let (Some(only), None) = (own.next(), own.next())
        {
            head.sender = *only;
        }
        claims.addresses.contains(&head.sender) || claims.lent.contains(&head.sender)
    }

    pub(super) fn submit(&self, batch: Vec<Envelope>) -> Vec<Outcome> {
        let (allowed, verdicts) = self.checked(batch);
        let outcomes = self.services.submit(self.fence.name(), allowed);
        merged(verdicts, outcomes, Code::INTERNAL)
    }

    /// As [`Desk::submit`]; lends the calling thread, unless too many are lent or it is in a port's call already.
    pub(super) fn submit_and_lend(&self, batch: Vec<Envelope>) -> Vec<Outcome> {
        let (allowed, verdicts) = self.checked(batch);
        let place = if fence::is_in_call() { None } else { self.lent.take() };
        let outcomes = match place {
            Some(_held) => self.services.submit_and_lend(self.fence.name(), allowed),
            None => self.services.submit(self.fence.name(), allowed),
        };
        merged(verdicts, outcomes, Code::INTERNAL)
    }

    /// Submits at once; the future answers when everything that is durable is on disk, wherever it is polled. Dropping it
    /// gives up the answer, not the messages.
    pub(super) fn submit_and_wait(&self, batch: Vec<Envelope>) -> impl Future<Output = Vec<Outcome>> + use<> {
        let (allowed, verdicts) = self.checked(batch);
        let (sender, outcomes) = oneshot::channel();
        // Nobody waits any more when the future was dropped.
        let answer = Box::new(move |outcomes| drop(sender.send(outcomes)));
        self.services.submit_and_wait(self.fence.name(), allowed, answer);
        async move { merged(verdicts, outcomes.await.unwrap_or_default(), Code::SHUTTING_DOWN) }
    }

    /// Takes the messages out whose senders this plugin may not use; says for each whether it stayed.
    fn checked(&self, batch: Vec<Envelope>) -> (Vec<Envelope>, Vec<bool>) {
        let mut allowed = Vec::with_capacity(batch.len());
        let claims = self.lock();
        let check = |mut envelope: Envelope| {
            let allow = Self::may_send(&claims, &mut envelope.head);
            if allow {
                allowed.push(envelope);
            }
            allow
        };
        let verdicts = batch.into_iter().map(check).collect();
        (allowed, verdicts)
    }

    /// Runs the server's code; a panic in it is logged and answered, because it must not reach the plugin.
    pub(super) fn guarded<T>(&self, operation: &str, code: impl FnOnce() -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(code));
        if result.is_err() {
            tracing::error!(
                plugin = self.fence.name(),
                operation,
                "the server panicked in a plugin's request"
            );
        }
        result.ok()
    }
}

/// One outcome for each message, in order; `missing` where the server gave none.
fn merged(verdicts: Vec<bool>, outcomes: Vec<Outcome>, missing: Code) -> Vec<Outcome> {
    let refused = |code| Outcome { id: Uid::NONE, code };
    let mut outcomes = outcomes.into_iter();
    let outcome = |allowed| match allowed {
        true => outcomes.next().unwrap_or(refused(missing)),
        false => refused(Code::SENDER_FORGED),
    };
    verdicts.into_iter().map(outcome).collect()
}

#[cfg(test)]
mod tests {
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
        let from =
            |sender: &u32| Envelope::new(Header { sender: *sender, ..Header::default() }, Payload::EMPTY);
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

    #[test]
    fn only_a_router_programs_routes() {
        let recorder = Arc::new(Recorder::default());
        desk(&recorder, false).program(vec![RouteUpdate::default()]);
        assert_eq!(recorder.programmed(), 0);
        desk(&recorder, true).program(vec![RouteUpdate::default()]);
        assert_eq!(recorder.programmed(), 1);
    }
}
