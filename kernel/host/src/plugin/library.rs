//! Loads a plugin's library: exactly the bytes that were checked, both layout checks, never unloaded.
//!
//! The dynamic loader knows libraries by path and inode and returns the old one for a path whose file was replaced, and
//! checking a file before loading it by path leaves a gap in which it can be exchanged. So the bytes are read once,
//! checked, written to a sealed memory file, and loaded from there. The memory file stays open for the life of the
//! process: its number is part of the path by which the loader knows the library. Where `/proc` is not mounted, a
//! uniquely named file takes its place.
//!
//! The only file of this crate with unsafe code.
#![allow(unsafe_code)]

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsRawFd, IntoRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use caxton_abi::{
    module,
    plugin::{CreateArgs, PluginBox, PluginModuleRef},
};
use libloading::os::unix::{Library as RawLibrary, RTLD_LOCAL, RTLD_NOW};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::{
    Failure, Inspection, LoadError,
    handshake::{inspect_bytes, read_file},
};

/// Longest part of a layout error that is shown, in bytes; the whole has more than 100 kB of type descriptions.
const LAYOUT_ERROR_BYTES_MAX: usize = 300;

/// A loaded library. It stays mapped until the process ends.
#[derive(Clone)]
pub struct Library {
    inspection: Inspection,
    module: PluginModuleRef,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library").field("inspection", &self.inspection).finish_non_exhaustive()
    }
}

impl Library {
    /// What its file says.
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Creates an instance; runs the plugin's code on this thread.
    pub(super) fn create(&self, args: CreateArgs) -> Result<PluginBox, Failure> {
        (self.module.create())(args).into_result().map_err(Failure::from)
    }
}

/// Loads a plugin. Each call maps a library of its own, also for the same file.
///
/// `expected_digest` is SHA-256 in hexadecimal, with or without `sha256:` in front.
///
/// # Errors
/// When the file is not what it should be; none of its code ran unless the error is [`LoadError::Loader`] or
/// [`LoadError::LayoutMismatch`].
pub fn load(path: &Path, expected_digest: Option<&str>) -> Result<Library, LoadError> {
    let bytes = read_file(path)?;
    let inspection = inspect_bytes(path, &bytes)?;
    if let Some(expected) = expected_digest {
        check_digest(&inspection, expected)?;
    }
    inspection.judge()?;
    let plugin = inspection.manifest.title();
    let loader = |why: String| LoadError::Loader { plugin: plugin.clone(), why };
    let raw = open_bytes(&bytes, path).map_err(|why| loader(why.replace('\n', " ")))?;
    let symbol = CString::new(inspection.symbol.as_str())
        .map_err(|_| loader("the symbol's name is damaged".to_owned()))?;
    let exported = address_of(raw, &symbol)
        .map_err(|_| loader(format!("it does not export `{}`", inspection.symbol)))?;
    // SAFETY: the handshake of this same file names the symbol, which `export_module!` defines as an `Exported`
    // static; the library is leaked, so it is never unloaded.
    let module = unsafe { module::open(exported) }.map_err(|error| LoadError::LayoutMismatch {
        plugin: plugin.clone(),
        rustc: inspection.rustc.clone(),
        first: first_difference(&error.to_string()),
    })?;
    Ok(Library { inspection, module })
}

pub(crate) fn check_digest(inspection: &Inspection, expected: &str) -> Result<(), LoadError> {
    let hexadecimal = expected.strip_prefix("sha256:").unwrap_or(expected);
    if hexadecimal.eq_ignore_ascii_case(&inspection.sha256) {
        return Ok(());
    }
    Err(LoadError::DigestMismatch {
        path: inspection.path.clone(),
        expected: hexadecimal.to_owned(),
        found: inspection.sha256.clone(),
    })
}

/// Maps the bytes as a library and leaks it.
fn open_bytes(bytes: &[u8], path: &Path) -> Result<&'static RawLibrary, String> {
    let shown =
        |text: String, loaded: &Path| text.replace(&*loaded.to_string_lossy(), &path.to_string_lossy());
    if Path::new("/proc/self/fd").is_dir() {
        let memory = sealed_copy(bytes).map_err(|error| format!("no memory file: {error}"))?;
        let loaded = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
        let library = open_file(&loaded).map_err(|text| shown(text, &loaded))?;
        // Stays open for the life of the process; see the module's comment.
        let _kept_open = memory.into_raw_fd();
        return Ok(library);
    }
    open_stored(bytes).map_err(|(text, loaded)| shown(text, &loaded))
}

/// A memory file that nobody can change any more.
fn sealed_copy(bytes: &[u8]) -> io::Result<OwnedFd> {
    let memory = memfd_create(c"caxton-plugin", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(memory);
    file.write_all(bytes)?;
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

/// Loads from a file of a name that was never used before; the file is removed once it is mapped.
fn open_stored(bytes: &[u8]) -> Result<&'static RawLibrary, (String, PathBuf)> {
    static STORED: AtomicU64 = AtomicU64::new(0);
    let number = STORED.fetch_add(1, Ordering::Relaxed);
    let name = format!("caxton-plugin-{}-{number}.so", std::process::id());
    let path = std::env::temp_dir().join(name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(bytes));
    let opened = match written {
        Ok(()) => open_file(&path),
        Err(error) => Err(format!("no copy at {}: {error}", path.display())),
    };
    // Nothing depends on the removal: the name is not used again.
    let _ = fs::remove_file(&path);
    opened.map_err(|text| (text, path))
}

fn open_file(path: &Path) -> Result<&'static RawLibrary, String> {
    // SAFETY: runs the library's initialisers. The caller checked that the file is a plugin for this machine, and a
    // native plugin is trusted as the server itself.
    let library = unsafe { RawLibrary::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    // Leaked: thread-locals and statics of the library may be used until the process ends.
    library.map(|library| &*Box::leak(Box::new(library))).map_err(|error| loaders_words(&error))
}

/// What the dynamic loader says, which the error keeps behind its own words.
fn loaders_words(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn address_of(library: &'static RawLibrary, symbol: &CString) -> Result<*const (), String> {
    // SAFETY: the symbol is read as an address only; nothing behind it is touched here.
    let found = unsafe { library.get::<*const ()>(symbol.as_bytes_with_nul()) };
    found.map(|symbol| *symbol).map_err(|error| loaders_words(&error))
}

/// The part of a layout error that tells something: from its first `Error:` line on, on one line, cut.
fn first_difference(text: &str) -> String {
    let start = text.find("Error:").unwrap_or(0);
    let words: Vec<&str> = text.get(start..).unwrap_or_default().split_whitespace().take(60).collect();
    let line = words.join(" ");
    let end = line.floor_char_boundary(LAYOUT_ERROR_BYTES_MAX);
    line.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A library of one C function that returns the number.
    fn c_library(number: u32) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("a.c"), folder.path().join("a.so"));
        fs::write(&source, format!("int answer(void) {{ return {number}; }}")).unwrap();
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap();
        assert!(built.success());
        fs::read(library).unwrap()
    }

    fn answer(library: &'static RawLibrary) -> i32 {
        // SAFETY: the function is defined with this signature above.
        let function = unsafe { library.get::<extern "C" fn() -> i32>(b"answer\0") }.unwrap();
        function()
    }

    #[test]
    fn each_load_maps_its_own_bytes() {
        let first = open_bytes(&c_library(1), Path::new("a.so")).unwrap();
        let second = open_bytes(&c_library(2), Path::new("a.so")).unwrap();
        assert_eq!((answer(first), answer(second)), (1, 2));
    }

    #[test]
    fn loads_from_a_stored_file_where_there_is_no_proc() {
        let first = open_stored(&c_library(3)).unwrap();
        let second = open_stored(&c_library(4)).unwrap();
        assert_eq!((answer(first), answer(second)), (3, 4));
    }

    #[test]
    fn the_loaders_words_name_the_plugins_file() {
        let error = open_bytes(b"\x7fELF damaged", Path::new("plugins/a.so")).unwrap_err();
        assert!(error.contains("plugins/a.so") && !error.contains("/proc/"), "{error}");
    }

    #[test]
    fn a_sealed_copy_cannot_be_changed() {
        let mut file = File::from(sealed_copy(b"bytes").unwrap());
        assert!(file.write_all(b"other").is_err());
        assert!(file.set_len(1).is_err());
    }

    #[test]
    fn a_long_layout_error_is_cut_to_its_first_difference() {
        let text = format!("\nchecking…\n\nError:too many fields\nExpected:\n 4\n{}", "x ".repeat(9999));
        let first = first_difference(&text);
        assert!(first.starts_with("Error:too many fields Expected: 4"), "{first}");
        assert!(first.len() <= LAYOUT_ERROR_BYTES_MAX);
    }
}
