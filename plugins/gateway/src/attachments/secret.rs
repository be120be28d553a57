//! Ids that nobody can guess: whoever has an attachment's id speaks for its agent.

use std::{fs::File, io::Read};

use caxton_plugin::{Code, Error, Uid};

/// 122 bits from the operating system, in the form of RFC 9562's version 4.
///
/// # Errors
/// When the operating system gives none.
pub(super) fn id() -> Result<Uid, Error> {
    let mut bytes = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes));
    read.map_err(|error| Error::new(Code::INTERNAL, format!("the system gives no random bytes: {error}")))?;
    let random = u128::from_ne_bytes(bytes);
    Ok(Uid::from_u128(random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62))
}
