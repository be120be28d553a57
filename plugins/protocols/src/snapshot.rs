//! All conversations as a versioned JSON document, for the instance that takes over (ruling F14).
//!
//! Addresses and symbols are the server's numbers, so a document is only good for the server that runs.

use std::sync::MutexGuard;

use caxton_plugin::{Code, Error};
use serde::{Deserialize, Serialize};

use crate::{
    conversation::Conversation,
    shard::{Shard, shard_of},
};

/// The version of the documents that this engine writes and reads.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    conversations: Vec<&'a Conversation>,
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Deserialize)]
struct Read {
    conversations: Vec<Conversation>,
}

/// Writes the document.
pub fn write(shards: &[MutexGuard<'_, Shard>]) -> Vec<u8> {
    let all = shards.iter().flat_map(|shard| shard.conversations.values());
    let mut conversations: Vec<&Conversation> = all.map(Box::as_ref).collect();
    conversations.sort_unstable_by_key(|conversation| conversation.id);
    serde_json::to_vec(&Written { version: VERSION, conversations }).unwrap_or_default()
}

/// Reads a document.
///
/// # Errors
/// [`Code::PLUGIN_START_FAILED`] when it is not such a document, or of another version.
pub fn read(document: &[u8]) -> Result<Vec<Conversation>, Error> {
    let refused = |why: String| Error::new(Code::PLUGIN_START_FAILED, why);
    let head: Head = serde_json::from_slice(document)
        .map_err(|error| refused(format!("the snapshot of the conversations cannot be read: {error}")))?;
    if head.version != VERSION {
        let found = head.version;
        return Err(refused(format!(
            "the snapshot has version {found}, expected {VERSION}: let the old instance drain, then start this one"
        )));
    }
    let read: Read = serde_json::from_slice(document)
        .map_err(|error| refused(format!("the snapshot of the conversations cannot be read: {error}")))?;
    Ok(read.conversations)
}

/// Replaces the shards' conversations and returns how many are open. No timer is set afterwards.
pub fn fill(shards: &mut [MutexGuard<'_, Shard>], conversations: Vec<Conversation>) -> usize {
    for (number, shard) in shards.iter_mut().enumerate() {
        **shard = Shard::new(number, shard.open.clone());
    }
    let mut open = 0;
    let mut conversations = conversations;
    conversations.sort_by_key(|conversation| (conversation.closed_ms, conversation.id));
    for conversation in conversations {
        let Some(shard) = shards.get_mut(shard_of(conversation.id)) else { continue };
        open += usize::from(!conversation.is_closed());
        shard.adopt(Box::new(conversation));
    }
    open
}

/// Ids as text.
pub mod uid {
    use caxton_plugin::Uid;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the id's text.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(id: &Uid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    /// Reads the id's text.
    ///
    /// # Errors
    /// When the text is not an id.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uid, D::Error> {
        let text = String::deserialize(deserializer)?;
        Uid::parse(&text).ok_or_else(|| D::Error::custom("not an id"))
    }
}

/// Trace contexts as a list: trace, span, flags.
pub mod trace {
    use caxton_plugin::{TraceContext, Uid};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    /// Writes the list.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(at: &TraceContext, serializer: S) -> Result<S::Ok, S::Error> {
        (at.trace.to_string(), at.span, at.flags).serialize(serializer)
    }

    /// Reads the list.
    ///
    /// # Errors
    /// When it is not such a list.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TraceContext, D::Error> {
        let (text, span, flags) = <(String, u64, u8)>::deserialize(deserializer)?;
        let trace = Uid::parse(&text).ok_or_else(|| D::Error::custom("not an id"))?;
        Ok(TraceContext { trace, span, flags })
    }
}
