//! The handshake: a fixed record in a section of the library file that says what the plugin is, readable without
//! running any of its code.
//!
//! [`export_module!`](crate::export_module) puts one [`Handshake`] into the section [`SECTION`]. It holds bytes only,
//! numbers in little-endian order, texts padded with zeros, so that it reads the same on every machine.
//! [`Handshake::parse`] takes the section's bytes; finding the section in the file is the server's part.

use crate::{ABI_MAJOR, ABI_MINOR};

/// The section of the library that holds the handshake.
pub const SECTION: &str = ".caxton";
/// The first bytes of a handshake.
pub const MAGIC: [u8; 8] = *b"CAXTON\x01\n";
/// Longest manifest, in bytes; a longer one does not compile.
pub const MANIFEST_BYTES_MAX: usize = 8192;
/// Longest compiler version, target triple and symbol name, in bytes. Package names have at most 64 characters.
pub const TEXT_BYTES_MAX: usize = 128;
/// The compiler that built this crate, and so the plugin or server around it: `rustc 1.95.0 (…)`.
pub const RUSTC: &str = env!("CAXTON_ABI_RUSTC");
/// The target triple that this crate was built for.
pub const TARGET: &str = env!("CAXTON_ABI_TARGET");

/// What lies in the section [`SECTION`] of a plugin.
#[repr(C)]
pub struct Handshake {
    magic: [u8; 8],
    size: [u8; 4],
    abi_major: [u8; 2],
    abi_minor: [u8; 2],
    panic_unwind: u8,
    reserved: [u8; 3],
    manifest_len: [u8; 4],
    rustc: [u8; TEXT_BYTES_MAX],
    target: [u8; TEXT_BYTES_MAX],
    symbol: [u8; TEXT_BYTES_MAX],
    manifest: [u8; MANIFEST_BYTES_MAX],
}

/// A handshake's content as text and numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeInfo {
    /// Major version of the boundary that the plugin speaks.
    pub abi_major: u16,
    /// Minor version of it.
    pub abi_minor: u16,
    /// False when the plugin was built with `panic = "abort"`.
    pub panic_unwind: bool,
    /// The compiler, `rustc 1.95.0 (…)`.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// The symbol of the exported module.
    pub symbol: String,
    /// The manifest, a JSON document that has not been checked.
    pub manifest: String,
}

/// Why bytes are not a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// The first bytes are not [`MAGIC`].
    Magic,
    /// The record is shorter than it says, or than the fields that every version has.
    Truncated {
        /// Bytes needed.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// A field is not printable UTF-8, or a length is beyond its field.
    Field(&'static str),
}

impl std::fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Magic => write!(f, "the section does not begin with the handshake's magic bytes"),
            Self::Truncated { expected, found } => {
                write!(f, "the handshake needs {expected} bytes and has {found}")
            }
            Self::Field(name) => write!(f, "the handshake's field `{name}` is damaged"),
        }
    }
}

impl std::error::Error for HandshakeError {}

impl Handshake {
    /// Makes the record at compile time. A text or manifest longer than its field is a compile error.
    pub const fn new(symbol: &str, manifest: &str, panic_unwind: bool) -> Self {
        Self {
            magic: MAGIC,
            size: (size_of::<Self>() as u32).to_le_bytes(),
            abi_major: ABI_MAJOR.to_le_bytes(),
            abi_minor: ABI_MINOR.to_le_bytes(),
            panic_unwind: panic_unwind as u8,
            reserved: [0; 3],
            manifest_len: (manifest.len() as u32).to_le_bytes(),
            rustc: padded(RUSTC),
            target: padded(TARGET),
            symbol: padded(symbol),
            manifest: padded(manifest),
        }
    }

    /// Reads a record from the section's bytes. Versions are not judged here: the record's first part is the same in
    /// every version, so that a plugin of another major can be named in the refusal.
    ///
    /// # Errors
    /// When the bytes are not a whole handshake.
    pub fn parse(section: &[u8]) -> Result<HandshakeInfo, HandshakeError> {
        let mut rest = section;
        if take::<8>(&mut rest, section)? != MAGIC {
            return Err(HandshakeError::Magic);
        }
        let size = u32::from_le_bytes(take(&mut rest, section)?) as usize;
        if size > section.len() {
            return Err(HandshakeError::Truncated { expected: size, found: section.len() });
        }
        let abi_major = u16::from_le_bytes(take(&mut rest, section)?);
        let abi_minor = u16::from_le_bytes(take(&mut rest, section)?);
        let [panic_unwind, ..] = take::<4>(&mut rest, section)?;
        let manifest_len = u32::from_le_bytes(take(&mut rest, section)?) as usize;
        let rustc = text(&take::<TEXT_BYTES_MAX>(&mut rest, section)?, "rustc")?;
        let target = text(&take::<TEXT_BYTES_MAX>(&mut rest, section)?, "target")?;
        let symbol = text(&take::<TEXT_BYTES_MAX>(&mut rest, section)?, "symbol")?;
        let manifest = rest.get(..manifest_len).ok_or(HandshakeError::Field("manifest"))?;
        let manifest =
            std::str::from_utf8(manifest).map_err(|_| HandshakeError::Field("manifest"))?.to_owned();
        let panic_unwind = panic_unwind == 1;
        Ok(HandshakeInfo { abi_major, abi_minor, panic_unwind, rustc, target, symbol, manifest })
    }
}

/// Copies a text into a field of zeros.
#[allow(clippy::indexing_slicing, clippy::panic, reason = "runs at compile time: a fault is a compile error")]
const fn padded<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    assert!(bytes.len() <= N, "a text of the handshake is longer than its field; shorten plugin.json");
    let mut field = [0; N];
    let mut index = 0;
    while index < bytes.len() {
        field[index] = bytes[index];
        index += 1;
    }
    field
}

fn take<const N: usize>(rest: &mut &[u8], section: &[u8]) -> Result<[u8; N], HandshakeError> {
    let Some((field, tail)) = rest.split_first_chunk::<N>() else {
        let expected = size_of::<Handshake>();
        return Err(HandshakeError::Truncated { expected, found: section.len() });
    };
    *rest = tail;
    Ok(*field)
}

/// The text of a padded field. Control characters are refused, because the texts end on terminals.
fn text(field: &[u8], name: &'static str) -> Result<String, HandshakeError> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let text = field.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let printable = text.filter(|text| !text.contains(char::is_control));
    printable.map(str::to_owned).ok_or(HandshakeError::Field(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record's bytes in the order of its fields.
    fn bytes(handshake: &Handshake) -> Vec<u8> {
        [
            &handshake.magic[..],
            &handshake.size,
            &handshake.abi_major,
            &handshake.abi_minor,
            &[handshake.panic_unwind],
            &handshake.reserved,
            &handshake.manifest_len,
            &handshake.rustc,
            &handshake.target,
            &handshake.symbol,
            &handshake.manifest,
        ]
        .concat()
    }

    static SAMPLE: Handshake = Handshake::new("caxton_module_x", r#"{"name":"x"}"#, true);

    #[test]
    fn what_was_written_is_read_again() {
        let info = Handshake::parse(&bytes(&SAMPLE)).unwrap();
        assert_eq!(info.manifest, r#"{"name":"x"}"#);
        assert_eq!(info.symbol, "caxton_module_x");
        assert_eq!((info.abi_major, info.abi_minor), (ABI_MAJOR, ABI_MINOR));
        assert!(info.panic_unwind);
        assert!(info.rustc.starts_with("rustc 1."), "{}", info.rustc);
        assert!(info.target.contains('-'), "{}", info.target);
    }

    #[test]
    fn the_record_has_no_padding() {
        assert_eq!(bytes(&SAMPLE).len(), size_of::<Handshake>());
    }

    #[test]
    fn every_shortened_record_is_refused() {
        let whole = bytes(&SAMPLE);
        for length in 8..whole.len() {
            assert!(
                matches!(Handshake::parse(&whole[..length]), Err(HandshakeError::Truncated { .. })),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn other_magic_is_refused() {
        let mut damaged = bytes(&SAMPLE);
        damaged[0] ^= 1;
        assert_eq!(Handshake::parse(&damaged), Err(HandshakeError::Magic));
    }

    #[test]
    fn control_characters_in_a_text_are_refused() {
        let mut damaged = bytes(&SAMPLE);
        damaged[24] = 0x1b;
        assert_eq!(Handshake::parse(&damaged), Err(HandshakeError::Field("rustc")));
    }

    #[test]
    fn a_manifest_length_beyond_its_field_is_refused() {
        let mut damaged = bytes(&SAMPLE);
        damaged[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Handshake::parse(&damaged), Err(HandshakeError::Field("manifest")));
    }
}
