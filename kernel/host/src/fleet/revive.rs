//! Restarts plugins that failed: a new instance of the same library beside the failed one, after a pause that doubles,
//! until it failed too often.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::OwnedMutexGuard;

use super::{Fleet, Wanted, blocking};
use crate::{
    compose::{Place, Slot},
    config::Restart,
    plugin::State,
};

/// The first pause; each further restart within the window doubles it.
const PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer, however often it may be restarted.
const PAUSE_MAX: Duration = Duration::from_secs(10);

impl Fleet {
    /// Waits for plugins that fail.
    pub(super) async fn supervise(self: Arc<Self>) {
        loop {
            self.failed.notified().await;
            if self.goes_on().is_err() {
                return;
            }
            let slots = self.slots().clone();
            lose_attached(&slots).await;
            for slot in slots.into_iter().filter(|slot| wants_restart(&slot.place())) {
                // Whoever is at it tells again when it is done.
                if let Ok(busy) = Arc::clone(&slot.busy).try_lock_owned() {
                    tokio::spawn(Arc::clone(&self).revive(slot, busy));
                }
            }
        }
    }

    async fn revive(self: Arc<Self>, slot: Arc<Slot>, busy: OwnedMutexGuard<()>) {
        let Some((pause, wanted)) = self.next_attempt(&slot) else { return };
        tokio::time::sleep(pause).await;
        if self.goes_on().is_err() {
            return;
        }
        match self.exchange(&slot, wanted, busy).await {
            Ok(()) => tracing::info!(plugin = %slot.name, "plugin restarted"),
            Err(failure) => {
                tracing::warn!(plugin = %slot.name, code = %failure.code, reason = %failure.message, "not restarted");
            }
        }
    }

    /// The pause before the next attempt and what it is made from; `None` when there were too many.
    fn next_attempt(&self, slot: &Slot) -> Option<(Duration, Wanted)> {
        let loaded = self.loaded().clone();
        let mut place = slot.place();
        if !wants_restart(&place) {
            return None;
        }
        let pause = attempt(&mut place, Instant::now())?;
        let (table, path) = (place.table.clone(), place.path.clone());
        Some((pause, Wanted { table, path, loaded }))
    }
}

/// Agents outside of the server are lost with the instance that knew them.
async fn lose_attached(slots: &[Arc<Slot>]) {
    let instances = slots.iter().filter_map(|slot| slot.instance());
    let failed: Vec<_> = instances.filter(|found| matches!(found.state(), State::Failed { .. })).collect();
    // Protocols are told, which may block.
    if let Err(failure) = blocking(move || failed.iter().for_each(|found| found.lose_attached())).await {
        tracing::error!(code = %failure.code, reason = %failure.message, "attached agents are not given back");
    }
}

/// True when its running instance failed and its configuration wants another one.
fn wants_restart(place: &Place) -> bool {
    let failed = |instance: &Arc<crate::plugin::Instance>| matches!(instance.state(), State::Failed { .. });
    place.generation > 0
        && !place.given_up
        && place.table.own.restart == Restart::OnFailure
        && place.instance.as_ref().is_some_and(failed)
}

/// Counts an attempt and gives the pause before it; `None` when the window is full.
fn attempt(place: &mut Place, now: Instant) -> Option<Duration> {
    let (window, max) = (place.table.own.restart_window_ms, place.table.own.restarts_max);
    let window = Duration::from_millis(window);
    place.restarts.retain(|at| now.duration_since(*at) < window);
    let count = u32::try_from(place.restarts.len()).unwrap_or(u32::MAX);
    if count >= max {
        place.given_up = true;
        let plugin = &place.table.name;
        tracing::error!(%plugin, restarts = max, "the plugin failed too often and stays failed: reload it when it is mended");
        return None;
    }
    place.restarts.push_back(now);
    Some(PAUSE.saturating_mul(1_u32.checked_shl(count).unwrap_or(u32::MAX)).min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Loaded, Plugin, PluginKeys, Source};

    fn slot(restarts_max: u32) -> Arc<Slot> {
        let own = PluginKeys { restarts_max, ..PluginKeys::default() };
        let table = Plugin { name: "sample".to_owned(), own, config: serde_json::Map::new() };
        let source = Source { name: "a".to_owned(), text: Arc::from("") };
        Slot::new(&Loaded { config: Default::default(), source, sets: Vec::new() }, &table)
    }

    #[test]
    fn pauses_double_until_the_window_is_full() {
        let slot = slot(3);
        let now = Instant::now();
        let pauses: Vec<_> = (0..4).map(|_| attempt(&mut slot.place(), now)).collect();
        let millis = |number| Some(Duration::from_millis(number));
        assert_eq!(pauses, [millis(100), millis(200), millis(400), None]);
    }

    #[test]
    fn what_lies_before_the_window_is_forgotten() {
        let slot = slot(1);
        let now = Instant::now();
        assert!(attempt(&mut slot.place(), now).is_some());
        let later = now + Duration::from_secs(60);
        assert_eq!(attempt(&mut slot.place(), later), Some(PAUSE));
    }

    #[test]
    fn a_plugin_that_never_ran_is_not_restarted() {
        assert!(!wants_restart(&slot(3).place()));
    }
}
