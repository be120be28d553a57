//! What one instance has of the server: its name, its addresses, and what it may do.
//!
//! A plugin sends only from addresses that it claimed; another sender is refused, so that no plugin speaks in an
//! agent's name.
//!
//! An address may be attached: it is that of an agent outside of the server. Such an agent is lost when the instance ends
//! without having given it back, or fails.
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
    port::{AgentEntry, Outcome, RouteUpdate},
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
    /// Those of agents outside of the server.
    attached: HashSet<u32>,
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
                None if claims.attached.contains(&address) => {
                    self.services.detach(address, Code::PLUGIN_UNAVAILABLE);
                }
                None => self.services.release(address),
            }
        }
    }

    /// Loses the agents that are attached: the instance failed, and with it what it knew of them.
    pub fn lose_attached(&self) {
        let lost: Vec<u32> = {
            let mut claims = self.lock();
            let Claims { addresses, attached, .. } = &mut *claims;
            let attached = std::mem::take(attached);
            attached.into_iter().filter(|address| addresses.remove(address)).collect()
        };
        for address in lost {
            self.services.detach(address, Code::PLUGIN_UNAVAILABLE);
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
        let (line, taken_over) = self.place(name)?;
        if let Some(address) = taken_over {
            return Ok(address);
        }
        let address = self.services.claim(self.fence.name(), name, line)?;
        self.lock().addresses.insert(address);
        Ok(address)
    }

    /// As [`Desk::claim`], for an agent outside of the server.
    pub(super) fn attach(&self, entry: AgentEntry) -> Result<u32, Failure> {
        let (line, taken_over) = self.place(&entry.name)?;
        let address = match taken_over {
            Some(address) => {
                self.lock().attached.insert(address);
                self.services.relabel(address, entry)?;
                return Ok(address);
            }
            None => self.services.attach(self.fence.name(), entry, line)?,
        };
        let mut claims = self.lock();
        claims.addresses.insert(address);
        claims.attached.insert(address);
        Ok(address)
    }

    /// Where messages of a new address go, and the address when the instance before had it: it has gone over then.
    fn place(&self, name: &str) -> Result<(EndpointRef, Option<u32>), Failure> {
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
            self.services.transfer(address, Arc::clone(&line), under_way);
            return Ok((line, Some(address)));
        }
        Ok((line, None))
    }

    pub(super) fn release(&self, address: u32) {
        if self.forget(address) {
            self.services.release(address);
        }
    }

    pub(super) fn detach(&self, address: u32, code: Code) {
        if self.forget(address) {
            self.services.detach(address, code);
        }
    }

    /// True when the address was claimed here.
    fn forget(&self, address: u32) -> bool {
        let mut claims = self.lock();
        claims.lent.remove(&address);
        claims.attached.remove(&address);
        claims.addresses.remove(&address)
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
mod tests;
