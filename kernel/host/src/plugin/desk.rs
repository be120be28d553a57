//! What one instance has of the server: its name, its addresses, and what it may do.
//!
//! A plugin sends only from addresses that it claimed; another sender is refused, so that no plugin speaks in an
//! agent's name.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use caxton_abi::{
    Code, Envelope, Header, Uid,
    port::{Outcome, RouteUpdate},
};
use caxton_core::port::EndpointRef;
use tokio::runtime::Handle;

use super::{Failure, Services, fence::Fence};

/// Most addresses that one plugin may claim.
pub const CLAIMS_MAX: usize = 65_536;

/// What an instance has of the server.
pub struct Desk {
    pub(super) services: Arc<dyn Services>,
    pub(super) fence: Arc<Fence>,
    pub(super) handle: Handle,
    provides_router: bool,
    claims: Mutex<Claims>,
}

#[derive(Default)]
struct Claims {
    addresses: HashSet<u32>,
    endpoint: Option<EndpointRef>,
}

impl Desk {
    /// Makes the desk of an instance; control operations run on the handle's runtime.
    pub fn new(
        services: Arc<dyn Services>,
        fence: Arc<Fence>,
        handle: Handle,
        provides_router: bool,
    ) -> Self {
        Self { services, fence, handle, provides_router, claims: Mutex::default() }
    }

    /// Names the endpoint that claimed addresses belong to.
    pub fn set_endpoint(&self, endpoint: EndpointRef) {
        self.lock().endpoint = Some(endpoint);
    }

    /// Gives every claimed address back and forgets the endpoint.
    pub fn clear(&self) {
        let claims = std::mem::take(&mut *self.lock());
        for address in claims.addresses {
            self.services.release(address);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn claim(&self, name: &str) -> Result<u32, Failure> {
        let endpoint = {
            let claims = self.lock();
            if claims.addresses.len() >= CLAIMS_MAX {
                let text = format!("a plugin may claim {CLAIMS_MAX} addresses, not more");
                return Err(Failure::new(Code::NAMES_EXHAUSTED, text));
            }
            claims.endpoint.clone()
        };
        let endpoint = endpoint.ok_or_else(|| {
            let text = "a plugin without the port endpoint/1 cannot claim an address";
            Failure::new(Code::PLUGIN_UNAVAILABLE, text)
        })?;
        let address = self.services.claim(self.fence.name(), name, endpoint)?;
        self.lock().addresses.insert(address);
        Ok(address)
    }

    pub(super) fn release(&self, address: u32) {
        let claimed = self.lock().addresses.remove(&address);
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
    fn may_send(claims: &HashSet<u32>, head: &mut Header) -> bool {
        if head.sender == 0 && claims.len() == 1 {
            head.sender = claims.iter().next().copied().unwrap_or_default();
        }
        claims.contains(&head.sender)
    }

    pub(super) fn submit(&self, batch: Vec<Envelope>) -> Vec<Outcome> {
        let forged = Outcome { id: Uid::NONE, code: Code::SENDER_FORGED };
        let mut allowed = Vec::with_capacity(batch.len());
        let verdicts: Vec<bool> = {
            let claims = self.lock();
            let check = |mut envelope: Envelope| {
                let allow = Self::may_send(&claims.addresses, &mut envelope.head);
                if allow {
                    allowed.push(envelope);
                }
                allow
            };
            batch.into_iter().map(check).collect()
        };
        let mut outcomes = self.services.submit(self.fence.name(), allowed).into_iter();
        let missing = Outcome { id: Uid::NONE, code: Code::INTERNAL };
        let outcome = |allow| if allow { outcomes.next().unwrap_or(missing) } else { forged };
        verdicts.into_iter().map(outcome).collect()
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
        let desk = Desk::new(recorder.clone(), fence, runtime.handle().clone(), provides_router);
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
    fn only_a_router_programs_routes() {
        let recorder = Arc::new(Recorder::default());
        desk(&recorder, false).program(vec![RouteUpdate::default()]);
        assert_eq!(recorder.programmed(), 0);
        desk(&recorder, true).program(vec![RouteUpdate::default()]);
        assert_eq!(recorder.programmed(), 1);
    }
}
