//! Waiting until a table has what a caller asks for, or the caller's time is over, or the plugin drains.

use std::{pin::pin, time::Duration};

use caxton_plugin::Error;
use tokio::{sync::Notify, time::Instant};

use crate::shared::Shared;

/// What a look into a table gave.
pub(crate) enum Look<T> {
    /// What the caller asked for.
    News(T),
    /// What to answer when the time is over.
    Nothing(T),
}

/// Looks now and after each change until there is news or the time is over; while it drains, nobody is held.
///
/// # Errors
/// Those of a look.
pub(crate) async fn until<T>(
    shared: &Shared,
    news: &Notify,
    wait_ms: u64,
    mut look: impl FnMut() -> Result<Look<T>, Error>,
) -> Result<T, Error> {
    let until = Instant::now() + Duration::from_millis(wait_ms);
    loop {
        let mut changed = pin!(news.notified());
        // Listens before it looks, so that no change falls between the two.
        changed.as_mut().enable();
        match look()? {
            Look::News(found) => return Ok(found),
            Look::Nothing(found) if shared.drains() || Instant::now() >= until => return Ok(found),
            // When the time is over, the next look is the last.
            Look::Nothing(_) => drop(tokio::time::timeout_at(until, changed).await),
        }
    }
}
