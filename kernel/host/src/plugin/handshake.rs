//! Looks at a library file without running it: is it for this machine, what does its handshake say.
//!
//! Everything here works on bytes. The file is hostile until proven otherwise: it is bounded, and every offset in it is
//! checked by the parser.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use caxton_abi::handshake::{Handshake, HandshakeInfo, SECTION, TARGET};
use object::{
    Object, ObjectSection,
    read::elf::{ElfFile64, FileHeader},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::LoadError;

/// Largest library file, in bytes. Our largest plugin has 4 MB, its debug build 60 MB.
pub const LIBRARY_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The ELF machine that this server runs on (System V ABI, `e_machine`).
const MACHINE: (object::elf::Machine, &str) = if cfg!(target_arch = "x86_64") {
    (object::elf::EM_X86_64, "x86-64")
} else if cfg!(target_arch = "aarch64") {
    (object::elf::EM_AARCH64, "aarch64")
} else if cfg!(target_arch = "riscv64") {
    (object::elf::EM_RISCV, "riscv64")
} else {
    (object::elf::EM_NONE, "an unknown machine")
};

/// What a library file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The file that was read.
    pub path: PathBuf,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Major version of the boundary that it speaks.
    pub abi_major: u16,
    /// Minor version of it.
    pub abi_minor: u16,
    /// False when it was built with `panic = "abort"`.
    pub panic_unwind: bool,
    /// Its compiler.
    pub rustc: String,
    /// Its target triple.
    pub target: String,
    /// The symbol of its module.
    pub symbol: String,
    /// Its manifest.
    pub manifest: Manifest,
}

/// A plugin's manifest, `plugin.json`; the SDK's `manifest` module documents the keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// What the plugin is called.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One sentence.
    #[serde(default)]
    pub description: String,
    /// Ports that it offers, `endpoint/1`.
    #[serde(default)]
    pub provides: Vec<String>,
    /// Families of control operations that it answers.
    #[serde(default)]
    pub verbs: Vec<String>,
    /// Ports that another plugin must offer.
    #[serde(default)]
    pub requires: Vec<String>,
    /// True when it brings a tokio runtime.
    #[serde(default)]
    pub runtime: bool,
    /// Its configuration keys.
    #[serde(default)]
    pub config: ConfigSchema,
}

/// The configuration keys of a plugin, a subset of JSON Schema.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigSchema {
    /// The keys, each with `type`, `default`, `description` and `enum`.
    pub properties: BTreeMap<String, Value>,
    /// Keys that must be there.
    pub required: Vec<String>,
}

impl Manifest {
    /// Name and version for messages: `` `router` 2.1.0 ``.
    pub fn title(&self) -> String {
        format!("`{}` {}", self.name, self.version)
    }
}

/// Looks at a file. None of its code runs. Does not judge versions, so that a plugin for another server can be shown.
///
/// # Errors
/// When it cannot be read, is not a library for this machine, or carries no handshake.
pub fn inspect(path: &Path) -> Result<Inspection, LoadError> {
    let bytes = read_file(path)?;
    inspect_bytes(path, &bytes)
}

/// SHA-256 of a file in lower-case hexadecimal, without holding the file in memory.
///
/// # Errors
/// It cannot be read.
pub fn digest(path: &Path) -> Result<String, LoadError> {
    let mut file = open(path)?.take(LIBRARY_BYTES_MAX + 1);
    let mut hasher = Sha256::new();
    let mut part = [0; 64 << 10];
    loop {
        let read = file.read(&mut part);
        match read.map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            count => hasher.update(part.get(..count).unwrap_or_default()),
        }
    }
}

fn open(path: &Path) -> Result<File, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    // Opening a pipe would wait for a writer, and a device may never end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(not_a_library(path, "no regular file".to_owned()));
    }
    File::open(path).map_err(unreadable)
}

/// Reads a bounded file.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(LIBRARY_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIBRARY_BYTES_MAX {
        let found = format!("larger than {LIBRARY_BYTES_MAX} bytes");
        return Err(not_a_library(path, found));
    }
    Ok(bytes)
}

/// Looks at a file's bytes.
///
/// # Errors
/// As [`inspect`], apart from reading the file.
pub fn inspect_bytes(path: &Path, bytes: &[u8]) -> Result<Inspection, LoadError> {
    let section = handshake_section(path, bytes)?;
    let damaged = |why: String| LoadError::NoHandshake { path: path.to_owned(), why };
    let HandshakeInfo { abi_major, abi_minor, panic_unwind, rustc, target, symbol, manifest } =
        Handshake::parse(section).map_err(|error| damaged(error.to_string()))?;
    let manifest = manifest_of(&manifest).map_err(damaged)?;
    Ok(Inspection {
        path: path.to_owned(),
        sha256: sha256(bytes),
        bytes: bytes.len() as u64,
        abi_major,
        abi_minor,
        panic_unwind,
        rustc,
        target,
        symbol,
        manifest,
    })
}

fn manifest_of(text: &str) -> Result<Manifest, String> {
    let invalid = |error: serde_json::Error| format!("its manifest is not valid: {error}");
    let document: Value = serde_json::from_str(text).map_err(invalid)?;
    if !is_printable(&document) {
        return Err("its manifest has control characters".to_owned());
    }
    serde_json::from_value(document).map_err(invalid)
}

/// True when no text has control characters: they end on terminals.
fn is_printable(document: &Value) -> bool {
    let plain = |text: &str| !text.contains(char::is_control);
    match document {
        Value::String(text) => plain(text),
        Value::Array(items) => items.iter().all(is_printable),
        Value::Object(entries) => entries.iter().all(|(key, value)| plain(key) && is_printable(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn not_a_library(path: &Path, found: String) -> LoadError {
    let expected = format!("an ELF shared library for {}", MACHINE.1);
    LoadError::NotALibrary { path: path.to_owned(), expected, found }
}

fn handshake_section<'data>(path: &Path, bytes: &'data [u8]) -> Result<&'data [u8], LoadError> {
    let refuse = |found: String| not_a_library(path, found);
    if !bytes.starts_with(b"\x7fELF") {
        return Err(refuse(kind_of(bytes).to_owned()));
    }
    let file = ElfFile64::<object::Endianness>::parse(bytes)
        .map_err(|error| refuse(format!("a damaged or 32-bit ELF file ({error})")))?;
    let (header, endian) = (file.elf_header(), file.endian());
    if header.is_little_endian() != cfg!(target_endian = "little") {
        return Err(refuse("an ELF file of the other byte order".to_owned()));
    }
    let machine = header.e_machine(endian);
    if machine != MACHINE.0 {
        return Err(refuse(format!("an ELF file for machine {}", machine.0)));
    }
    let kind = header.e_type(endian);
    if kind != object::elf::ET_DYN {
        return Err(refuse(format!("an ELF file of type {}, not a shared library", kind.0)));
    }
    let why = |why: String| LoadError::NoHandshake { path: path.to_owned(), why };
    let section =
        file.section_by_name(SECTION).ok_or_else(|| why(format!("it has no section `{SECTION}`")))?;
    section.data().map_err(|error| why(format!("its section `{SECTION}` cannot be read: {error}")))
}

/// Names what somebody pointed at instead of a library.
fn kind_of(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "an empty file",
        [b'\0', b'a', b's', b'm', ..] => "a WebAssembly file (agents are deployed, not loaded as plugins)",
        _ if std::str::from_utf8(bytes).is_ok() => "a text file",
        _ => "not an ELF file",
    }
}

impl Inspection {
    /// Judges whether this server can run the plugin.
    ///
    /// # Errors
    /// When it speaks another major version, was built for another target, or would end the server by a panic.
    pub fn judge(&self) -> Result<(), LoadError> {
        let plugin = self.manifest.title();
        if self.abi_major != caxton_abi::ABI_MAJOR {
            return Err(LoadError::AbiMismatch { plugin, found: (self.abi_major, self.abi_minor) });
        }
        if self.target != TARGET {
            return Err(LoadError::TargetMismatch { plugin, found: self.target.clone() });
        }
        if !self.panic_unwind {
            return Err(LoadError::PanicAbort { plugin });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::Code;

    use super::*;

    fn refusal(bytes: &[u8]) -> LoadError {
        inspect_bytes(Path::new("x.so"), bytes).unwrap_err()
    }

    #[test]
    fn files_that_are_no_libraries_are_named() {
        for (bytes, found) in [
            (&b""[..], "x.so is an empty file"),
            (b"\0asm\x0d\0\x01\0", "x.so is a WebAssembly file"),
            (b"# Caxton\n", "x.so is a text file"),
            (b"\xff\xfe\xfd", "x.so is not an ELF file"),
            (b"\x7fELF\x01\x01\x01", "x.so is a damaged or 32-bit ELF file"),
        ] {
            let error = refusal(bytes);
            assert_eq!(error.code(), Code::PLUGIN_NOT_A_LIBRARY);
            assert!(error.to_string().starts_with(found), "{error}");
        }
    }

    #[test]
    fn a_program_is_not_a_plugin() {
        let own = std::env::current_exe().unwrap();
        let error = inspect(&own).unwrap_err();
        assert!(matches!(error, LoadError::NoHandshake { .. } | LoadError::NotALibrary { .. }));
    }

    #[test]
    fn a_missing_file_is_unreadable() {
        let error = inspect(Path::new("no/such/file.so")).unwrap_err();
        assert_eq!(error.code(), Code::CONFIG_UNREADABLE);
    }

    #[test]
    fn every_cut_of_an_elf_file_is_refused_or_read_but_never_panics() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let own = &own[..own.len().min(4096)];
        for length in 0..own.len() {
            let _ = inspect_bytes(Path::new("x.so"), &own[..length]);
        }
    }

    #[test]
    fn a_manifest_that_would_steer_a_terminal_is_refused() {
        let text =
            r#"{"name":"x","version":"1.0.0","config":{"properties":{"a":{"description":"\u001b[2J"}}}}"#;
        assert_eq!(manifest_of(text).unwrap_err(), "its manifest has control characters");
        assert!(manifest_of(&text.replace("\\u001b", "")).is_ok());
    }

    #[test]
    fn a_manifest_without_a_name_is_refused() {
        let error = manifest_of(r#"{"version":"1.0.0"}"#).unwrap_err();
        assert_eq!(error, "its manifest is not valid: missing field `name`");
    }

    #[test]
    fn the_digest_is_sha256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
