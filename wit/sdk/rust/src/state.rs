//! Key-value state that outlives the instance; it commits together with the outbox when the turn returns ok.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Fault, host::host};

/// The value of a key, read as JSON; `None` when it was never put.
///
/// # Errors
/// The host's fault, or `content-unreadable` when the value is other JSON.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Fault> {
    match host().get(key)? {
        Some(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        None => Ok(None),
    }
}

/// Writes a value under a key as JSON.
///
/// # Errors
/// The host's fault, for example when the value is larger than its limit.
pub fn put(key: &str, value: &impl Serialize) -> Result<(), Fault> {
    host().put(&[(key.to_owned(), Some(serde_json::to_vec(value)?))])
}

/// Removes a key.
///
/// # Errors
/// The host's fault.
pub fn remove(key: &str) -> Result<(), Fault> {
    host().put(&[(key.to_owned(), None)])
}
