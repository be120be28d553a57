//! Reading and changing entries inside SQLite, each with its checksum.
//!
//! SQLite sees that a page is not built as it should be, and not that a byte of a value has changed. So every entry has
//! a 64-bit checksum over key and value, compared whenever the entry is read. It takes eight bytes at a step; entries that
//! version 1 of the file wrote have FNV-1a, which takes one.

use caxton_plugin::{Payload, StoreEntry, StoreOp, store_op};
use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

use crate::fault::Fault;

/// Most entries that a read makes room for beforehand.
const ROOM_ENTRIES: u32 = 1024;

/// The statements of one transaction.
pub(crate) struct Changing<'connection> {
    insert: Statement<'connection>,
    update: Statement<'connection>,
    remove: Statement<'connection>,
    truncate: Statement<'connection>,
}

impl<'connection> Changing<'connection> {
    pub(crate) fn new(connection: &'connection Connection) -> Result<Self, Fault> {
        Ok(Self {
            insert: connection
                .prepare("INSERT OR IGNORE INTO entries (key, value, sum) VALUES (?1, ?2, ?3)")?,
            update: connection.prepare("UPDATE entries SET value = ?2, sum = ?3 WHERE key = ?1")?,
            remove: connection.prepare("DELETE FROM entries WHERE key = ?1")?,
            truncate: connection.prepare("DELETE FROM entries WHERE key >= ?1 AND key < ?2")?,
        })
    }

    /// Applies one change and answers by how much the number of entries changed.
    pub(crate) fn apply(&mut self, change: &StoreOp) -> Result<i64, Fault> {
        let (key, value) = (change.key.as_slice(), change.value.as_slice());
        let removed = match change.kind {
            store_op::PUT => return self.put(key, value),
            store_op::REMOVE => self.remove.execute([key])?,
            _ => self.truncate.execute([key, value])?,
        };
        Ok(-i64::try_from(removed).unwrap_or(i64::MAX))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<i64, Fault> {
        let sum = sum(key, value);
        let inserted = self.insert.execute(params![key, value, sum])?;
        if inserted == 0 {
            self.update.execute(params![key, value, sum])?;
        }
        Ok(i64::from(inserted != 0))
    }
}

/// The value under a key.
pub(crate) fn get(connection: &Connection, key: &[u8]) -> Result<Option<Payload>, Fault> {
    let mut statement = connection.prepare("SELECT key, value, sum FROM entries WHERE key = ?1")?;
    let entry = statement.query_row([key], |row| Ok(entry(row))).optional()?;
    Ok(entry.transpose()?.map(|entry| entry.value))
}

/// Entries in order; see [`caxton_plugin::Store::read`].
pub(crate) fn read(
    connection: &Connection,
    from: &[u8],
    until: &[u8],
    entries_max: u32,
    bytes_max: u64,
) -> Result<Vec<StoreEntry>, Fault> {
    let sql =
        "SELECT key, value, sum FROM entries WHERE key >= ?1 AND (?2 OR key < ?3) ORDER BY key LIMIT ?4";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(params![from, until.is_empty(), until, entries_max])?;
    let mut found = Vec::with_capacity(entries_max.min(ROOM_ENTRIES) as usize);
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let entry = entry(row)?;
        bytes += entry.value.len() as u64;
        found.push(entry);
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(found)
}

/// Compares the checksum of every entry and answers how many there are.
pub(crate) fn verify(connection: &Connection) -> Result<i64, Fault> {
    let mut statement = connection.prepare("SELECT key, value, sum FROM entries")?;
    let mut rows = statement.query([])?;
    let mut entries = 0;
    while let Some(row) = rows.next()? {
        parts(row)?;
        entries += 1;
    }
    Ok(entries)
}

fn entry(row: &Row<'_>) -> Result<StoreEntry, Fault> {
    let (key, value) = parts(row)?;
    Ok(StoreEntry { key: key.to_vec().into(), value: Payload::from(value) })
}

fn parts<'row>(row: &'row Row<'_>) -> Result<(&'row [u8], &'row [u8]), Fault> {
    let wrong_type = |_| Fault::Damaged("an entry is not made of bytes".to_owned());
    let key = row.get_ref(0)?.as_blob().map_err(wrong_type)?;
    let value = row.get_ref(1)?.as_blob().map_err(wrong_type)?;
    let found = row.get_ref(2)?.as_i64();
    if found != Ok(sum(key, value)) && found != Ok(sum_of_version_1(key, value)) {
        let message = format!("the entry under the key {} has another checksum than it had", hex(key));
        return Err(Fault::Damaged(message));
    }
    Ok((key, value))
}

/// 64 bits over the key, the value and their lengths. Each step can be undone, so a change within eight bytes is always
/// found, and any other with the odds of 64 bits.
fn sum(key: &[u8], value: &[u8]) -> i64 {
    let step = |sum: u64, word: u64| {
        let sum = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        sum ^ (sum >> 32)
    };
    let part = |sum: u64, part: &[u8]| {
        let (words, rest) = part.as_chunks::<8>();
        let sum = words.iter().fold(sum, |sum, word| step(sum, u64::from_le_bytes(*word)));
        let rest = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        step(step(sum, rest), part.len() as u64)
    };
    part(part(0xcbf2_9ce4_8422_2325, key), value).cast_signed()
}

/// FNV-1a, 64 bits, over the key's length, the key and the value.
fn sum_of_version_1(key: &[u8], value: &[u8]) -> i64 {
    let length = (key.len() as u64).to_le_bytes();
    let bytes = length.iter().chain(key).chain(value);
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    sum.cast_signed()
}

fn hex(key: &[u8]) -> String {
    key.iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_knows_where_the_key_ends() {
        assert_ne!(sum(b"ab", b"c"), sum(b"a", b"bc"));
    }

    #[test]
    fn the_checksum_knows_every_bit_and_every_zero_at_the_end() {
        let value: Vec<u8> = (0..37).collect();
        let whole = sum(b"key", &value);
        for bit in 0..value.len() * 8 {
            let mut other = value.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(sum(b"key", &other), whole, "{bit}");
        }
        assert_ne!(sum(b"key", &[0; 7]), sum(b"key", &[0; 8]));
    }

    #[test]
    fn the_checksum_is_the_same_for_good() {
        // It is stored, so another result would be damage.
        assert_eq!(sum(b"key", b"a value of some length"), 6_843_770_813_834_440_136);
    }

    #[test]
    fn the_checksum_of_version_1_is_fnv_1a() {
        // Of eight zero bytes, as an empty key and value have: each step only multiplies.
        let expected =
            (0..8).fold(0xcbf2_9ce4_8422_2325_u64, |sum, _| sum.wrapping_mul(0x0000_0100_0000_01b3));
        assert_eq!(sum_of_version_1(b"", b""), expected.cast_signed());
    }
}
