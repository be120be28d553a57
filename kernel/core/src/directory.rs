//! The tables that answer questions of names: addresses, symbols, the forwarding table and the registry.

use {std::sync::Arc, std::sync::atomic::AtomicU16};

use caxton_abi::{Code, class};

use crate::sync::{AtomicUsize, Mutex, Ordering, RwLock};
use crate::{
    agent::Directory,
    forwarding::{Table, Target},
    limits::Limits,
    names::{self, Names, Symbols},
    pending::Pending,
    registry::Registry,
    sync::{lock, read, write},
};

/// Everything that a name leads to. Locks are taken in the order of the fields;
/// an agent's or outlet's own lock comes after all of them.
pub(crate) struct Lookup {
    pub(crate) platform: String,
    pub(crate) names: RwLock<Names>,
    pub(crate) registry: RwLock<Registry>,
    pub(crate) pending: Mutex<Pending>,
    pub(crate) table: RwLock<Table>,
    pub(crate) symbols: RwLock<Symbols>,
    /// Mailboxes that refused a message and gave none out since.
    pub(crate) full: Arc<AtomicUsize>,
    /// Why durable messages are not taken; zero when they are.
    pub(crate) durable_refusal: Arc<AtomicU16>,
}

impl Lookup {
    pub(crate) fn new(platform: String, limits: &Limits) -> Self {
        Self {
            platform,
            names: RwLock::new(Names::new(limits.names_max)),
            registry: RwLock::default(),
            pending: Mutex::default(),
            table: RwLock::default(),
            symbols: RwLock::new(Symbols::new(limits.symbols_max, limits.symbol_bytes_max)),
            full: Arc::default(),
            durable_refusal: Arc::default(),
        }
    }

    /// The address of a name, local ones completed; enters it when it is new.
    pub(crate) fn intern_address(&self, name: &str) -> Result<u32, Code> {
        let full = names::complete(name, &self.platform)?;
        if let Some(address) = read(&self.names).address(&full) {
            return Ok(address);
        }
        write(&self.names).intern(&full, &|address| self.in_use(address))
    }

    fn in_use(&self, address: u32) -> bool {
        lock(&self.pending).awaits(address) || self.is_held(address)
    }

    fn is_held(&self, address: u32) -> bool {
        read(&self.table).contains_key(&address)
    }

    fn with_label(&self, name: &str) -> Vec<u32> {
        let Some((scheme, label)) = name.split_once(':') else { return Vec::new() };
        let registry = read(&self.registry);
        let (lineages, attached) = (registry.in_order(), registry.attached());
        drop(registry);
        let takes = lineages.iter().filter_map(|lineage| lineage.serving()).filter(|cell| {
            let labels = match scheme {
                "capability" => &cell.spec.capabilities,
                "group" => &cell.spec.groups,
                _ => return false,
            };
            labels.iter().any(|have| have == label) && lock(&cell.desk).life.takes_messages()
        });
        let attached = attached.iter().filter(|entry| {
            let labels = match scheme {
                "capability" => &entry.capabilities,
                "group" => &entry.groups,
                _ => return false,
            };
            labels.iter().any(|have| have == label)
        });
        takes.map(|cell| cell.address).chain(attached.map(|entry| entry.address)).collect()
    }
}

impl Directory for Lookup {
    fn resolve(&self, name: &str) -> Option<u32> {
        let full = names::complete(name, &self.platform).ok()?;
        let known = read(&self.names).address(&full);
        if let Some(address) = known.filter(|address| self.is_held(*address)) {
            return Some(address);
        }
        // Labels and routed names are the router's to resolve, so an address is given before anybody has it.
        if !names::has_scheme(&full) {
            return None;
        }
        self.intern_address(&full).ok()
    }

    fn name_of(&self, address: u32) -> Option<String> {
        read(&self.names).name(address).map(str::to_owned)
    }

    fn find(&self, name: &str) -> Vec<u32> {
        let Ok(full) = names::complete(name, &self.platform) else { return Vec::new() };
        let target = read(&self.names)
            .address(&full)
            .and_then(|address| read(&self.table).get(&address).cloned().map(|target| (address, target)));
        match target {
            Some((_, Target::Route(route))) => route.targets.clone(),
            Some((address, _)) => vec![address],
            None => self.with_label(&full),
        }
    }

    fn intern(&self, text: &str) -> u32 {
        if let Some(symbol) = read(&self.symbols).known(text) {
            return symbol;
        }
        write(&self.symbols).intern(text)
    }

    fn symbol_name(&self, symbol: u32) -> Option<String> {
        read(&self.symbols).text(symbol).map(str::to_owned)
    }

    fn refuses(&self, receiver: u32, class: u8) -> Option<Code> {
        let durable = Code(self.durable_refusal.load(Ordering::Acquire));
        if class == class::DURABLE && !durable.is_none() {
            return Some(durable);
        }
        // Acked messages wait for room.
        if class == class::ACKED || self.full.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let target = read(&self.table).get(&receiver).cloned()?;
        let is_full = match target {
            Target::Agent(cell) => {
                // Beside other versions it depends on the conversation.
                let desk = lock(&cell.desk);
                !desk.divided && desk.mailbox.is_full(&cell.limits)
            }
            Target::Outlet(outlet) => lock(&outlet.desk).mailbox.is_full(&outlet.limits),
            Target::Route(_) => false,
        };
        is_full.then_some(Code::MAILBOX_FULL)
    }
}
