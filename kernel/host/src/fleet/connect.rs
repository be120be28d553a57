//! Connects a new instance to the core in the place of the old one, port by port, without a gap.
//!
//! Endpoints are not connected here: the new instance takes their addresses over when it claims them.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use caxton_abi::Code;
use caxton_core::Bus;

use super::{Fleet, blocking, works};
use crate::{
    clock::Clock,
    compose::Slot,
    plugin::{Failure, Instance, ports::ProtocolPort},
};

/// How long calls of a held protocol are waited for: they take microseconds.
const QUIET: Duration = Duration::from_secs(2);
const QUIET_LOOK: Duration = Duration::from_micros(200);

impl Fleet {
    /// Puts the new instance's ports in the place of the old one's.
    ///
    /// # Errors
    /// A protocol's state does not go over; then nothing changed.
    pub(super) async fn connect(
        &self,
        slot: &Slot,
        new: &Instance,
        old: Option<&Arc<Instance>>,
    ) -> Result<(), Failure> {
        let (ports, number) = (new.ports().clone(), slot.number());
        let before = old.map(|old| old.ports().clone()).unwrap_or_default();
        let working = old.is_some_and(|old| works(old));
        let (bus, clock, pump) = (self.sockets.bus.clone(), self.sockets.clock, self.sockets.pump.clone());
        blocking(move || {
            if let Some(protocol) = ports.protocol {
                exchange_protocol(&bus, clock, number, before.protocol.filter(|_| working), protocol)?;
            }
            if let Some(router) = ports.router {
                bus.set_router(Some(router), clock.now());
            }
            match (before.exporter, ports.exporter) {
                (Some(old), Some(new)) if working => pump.replace(&old, new),
                (Some(old), Some(new)) => pump.exchange(&old, new),
                (None, Some(new)) => pump.add(new),
                _ => {}
            }
            Ok(())
        })
        .await?
    }

    /// Takes the ports of an instance away that gets no successor.
    pub(super) async fn disconnect(&self, slot: &Slot, old: &Instance) -> Result<(), Failure> {
        let (ports, number) = (old.ports().clone(), slot.number());
        let (bus, clock, pump) = (self.sockets.bus.clone(), self.sockets.clock, self.sockets.pump.clone());
        blocking(move || {
            if ports.protocol.is_some() {
                bus.remove_protocol(number);
            }
            if ports.router.is_some() {
                bus.set_router(None, clock.now());
            }
            if let Some(exporter) = ports.exporter {
                pump.remove(&exporter);
            }
        })
        .await
    }
}

/// Exchanges a protocol: messages wait while its state goes over. One that failed leaves no state behind.
fn exchange_protocol(
    bus: &Bus,
    clock: Clock,
    port: u32,
    old: Option<Arc<ProtocolPort>>,
    new: Arc<ProtocolPort>,
) -> Result<(), Failure> {
    let Some(old) = old else {
        bus.set_protocol(port, Some(new));
        return Ok(());
    };
    bus.hold_protocol(port);
    let taken_over = take_over(bus, port, &old, &new);
    if taken_over.is_ok() {
        bus.set_protocol(port, Some(new));
    }
    bus.release_protocol(port, clock.now());
    taken_over
}

fn take_over(bus: &Bus, port: u32, old: &ProtocolPort, new: &ProtocolPort) -> Result<(), Failure> {
    let held = Instant::now();
    while !bus.protocol_quiet(port) {
        if held.elapsed() > QUIET {
            let text = format!("a call of the running version lasts longer than {} ms", QUIET.as_millis());
            return Err(Failure::new(Code::PLUGIN_TIMED_OUT, text));
        }
        thread::sleep(QUIET_LOOK);
    }
    let snapshot = old.snapshot()?;
    new.restore(&snapshot).map_err(|refused| {
        let text =
            format!("the new version does not take over the conversations, the old one goes on: {refused}");
        Failure::new(Code::PLUGIN_SNAPSHOT_REFUSED, text)
    })
}
