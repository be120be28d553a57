//! The import `caxton:agent/bus`, as `bindgen!` would make it, but for the records that [`crate::wire`] lays out by hand.

use wasmtime::component::{HasData, Linker};

use crate::{
    imports::types,
    wire::{Drafts, Ids},
};

type Answer<T> = wasmtime::Result<T>;

/// What the interface asks of a host.
pub trait Host {
    /// Stages a batch in the turn's outbox.
    fn send(&mut self, batch: Drafts) -> Answer<Result<Ids, types::Fault>>;
    /// Mints the id of a new conversation.
    fn new_conversation(&mut self) -> Answer<types::Uid>;
}

impl<H: Host> Host for &mut H {
    fn send(&mut self, batch: Drafts) -> Answer<Result<Ids, types::Fault>> {
        H::send(self, batch)
    }
    fn new_conversation(&mut self) -> Answer<types::Uid> {
        H::new_conversation(self)
    }
}

/// No function of the interface needs the store itself.
pub trait HostWithStore<T>: HasData {}
impl<H: HasData, T> HostWithStore<T> for H {}

/// Gives the interface to components.
pub fn add_to_linker<T, D>(linker: &mut Linker<T>, host: fn(&mut T) -> D::Data<'_>) -> Answer<()>
where
    T: 'static,
    D: HasData,
    for<'a> D::Data<'a>: Host,
{
    let mut bus = linker.instance("caxton:agent/bus@0.1.0")?;
    bus.func_wrap("send", move |mut caller, (batch,): (Drafts,)| {
        Ok((host(caller.data_mut()).send(batch)?,))
    })?;
    bus.func_wrap("new-conversation", move |mut caller, ()| {
        Ok((host(caller.data_mut()).new_conversation()?,))
    })
}
