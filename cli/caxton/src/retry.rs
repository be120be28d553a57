//! Calls again when a server says that it is full and when to come back (status 429 with Retry-After).
//!
//! Only what was refused is sent again, so nothing is sent twice. Bounded by the time that the caller has; a pause is at
//! least [`PAUSE_MIN`].

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{client::Error, output::Output};

/// A shorter pause than this is lengthened, whatever the server says.
pub const PAUSE_MIN: Duration = Duration::from_millis(50);

/// How long a caller goes on.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    begun: Instant,
    within: Duration,
    again: bool,
}

impl Patience {
    /// Patience for a time that begins now; with `again` false it never calls a second time.
    pub fn new(within: Duration, again: bool) -> Self {
        Self { begun: Instant::now(), within, again }
    }

    /// Waits as the server asked; false when the time is over before that.
    pub fn pause(&self, asked: Duration) -> bool {
        let pause = asked.max(PAUSE_MIN);
        let fits = self.again && self.begun.elapsed() + pause < self.within;
        if fits {
            thread::sleep(pause);
        }
        fits
    }

    /// Calls until the server takes it, gives another answer, or the time is over. The call gets the time that is left.
    ///
    /// # Errors
    /// The last call's.
    pub fn call<T>(
        &self,
        output: &Output,
        mut call: impl FnMut(Duration) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut left = self.within;
        let mut told = false;
        loop {
            let error = match call(left) {
                Err(error) => error,
                answer => return answer,
            };
            let Some(asked) = error.come_back_after() else { return Err(error) };
            if !told && self.again {
                told = true;
                output.note(&format!("{error}: trying again"));
            }
            if !self.pause(asked) {
                return Err(error);
            }
            left = self.within.saturating_sub(self.begun.elapsed()).max(PAUSE_MIN);
        }
    }
}
