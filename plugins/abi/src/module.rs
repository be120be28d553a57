//! How a library exports its module and how the server takes it: the layout check both ways, then the module itself.
//!
//! `abi_stable` checks in one direction only: it refuses a plugin whose interface is an older minor than the server's.
//! [`open`] accepts a plugin when either side's interface is a superset of the other's. It also avoids
//! `RootModule::load_from_file`, which keeps one module per type and would return the first plugin for every later
//! one.

use abi_stable::{
    StableAbi,
    abi_stability::abi_checking::{CheckingGlobals, check_layout_compatibility_with_globals},
    declare_root_module_statics,
    library::{AbiHeaderRef, CheckTypeLayout, LibHeader, LibraryError, RootModule, RootModuleResult},
    marker_type::ErasedPrefix,
    package_version_strings,
    prefix_type::{PrefixRefTrait, PrefixTypeTrait},
    sabi_types::VersionStrings,
    std_types::RResult,
    type_layout::TypeLayout,
};

use crate::plugin::{CreateArgs, PResult, PluginBox, PluginModule, PluginModuleRef};

impl RootModule for PluginModuleRef {
    declare_root_module_statics! {PluginModuleRef}
    const BASE_NAME: &'static str = "caxton_plugin";
    const NAME: &'static str = "caxton_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// The description of a type and of all types in it.
type Layout = &'static TypeLayout;

/// What a plugin library implements; [`export_module!`](crate::export_module) does it.
pub trait Export {
    /// Creates an instance. Must not unwind.
    extern "C" fn create(args: CreateArgs) -> PResult<PluginBox>;
}

/// The static that a library exports: the module with the description of every type that it mentions.
pub type Exported = LibHeader;

/// Makes the static that a library exports.
pub const fn export<E: Export>() -> Exported {
    // SAFETY: `construct` returns a `PrefixRef<PluginModule>` with its type erased, as `LibHeader` asks for.
    unsafe { LibHeader::from_constructor::<PluginModuleRef>(construct::<E>, CheckTypeLayout::Yes) }
}

extern "C" fn construct<E: Export>() -> RootModuleResult {
    let module: PluginModuleRef = PluginModule { create: E::create }.leak_into_prefix();
    // SAFETY: only the static type is erased; `open` names it again after the layout check.
    RResult::ROk(unsafe { module.to_prefix_ref().cast::<ErasedPrefix>() })
}

/// Why a module was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The library was built with another version of the layout description itself.
    Header(String),
    /// The types differ; the texts are long dumps of types, one for each direction.
    Layout {
        /// The server's types are expected, the plugin's found.
        server_expects: String,
        /// The plugin's types are expected, the server's found.
        plugin_expects: String,
    },
    /// The library's constructor failed.
    Construct(String),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(text) | Self::Construct(text) => f.write_str(text),
            Self::Layout { server_expects, .. } => f.write_str(server_expects),
        }
    }
}

impl std::error::Error for OpenError {}

/// Takes the module that a loaded library exports: checks the layouts of every type both ways.
///
/// # Safety
/// `exported` is the address of an [`Exported`] static of a library that is never unloaded.
///
/// # Errors
/// When the library's types are not those of this crate.
pub unsafe fn open(exported: *const ()) -> Result<PluginModuleRef, OpenError> {
    if exported.is_null() {
        return Err(OpenError::Header("the exported module's address is null".to_owned()));
    }
    // SAFETY: `AbiHeaderRef` is a transparent non-null reference; the caller vouches for the static behind it.
    let header = unsafe { std::mem::transmute::<*const (), AbiHeaderRef>(exported) };
    let header = header.upgrade().map_err(|error| OpenError::Header(header_text(error)))?;
    let Some(theirs) = header.layout() else {
        return Err(OpenError::Header("the library carries no description of its types".to_owned()));
    };
    check_both_ways(<PluginModuleRef as StableAbi>::LAYOUT, theirs)?;
    // SAFETY: one of the two checks found every type that both sides use compatible.
    unsafe { header.unchecked_layout::<PluginModuleRef>() }
        .map_err(|error| OpenError::Construct(error.to_string()))
}

/// Accepts when one side's types hold everything that the other side's have.
fn check_both_ways(ours: Layout, theirs: Layout) -> Result<(), OpenError> {
    // Fresh globals each time: what one plugin's older types lack must not count against the next plugin.
    let check =
        |expected, found| check_layout_compatibility_with_globals(expected, found, &CheckingGlobals::new());
    let Err(server_expects) = check(ours, theirs) else { return Ok(()) };
    let Err(plugin_expects) = check(theirs, ours) else { return Ok(()) };
    Err(OpenError::Layout {
        server_expects: server_expects.to_string(),
        plugin_expects: plugin_expects.to_string(),
    })
}

fn header_text(error: LibraryError) -> String {
    match error {
        LibraryError::InvalidAbiHeader(found) => format!(
            "abi_stable {}.{} expected, {}.{} found",
            abi_stable::library::AbiHeader::VALUE.abi_major,
            abi_stable::library::AbiHeader::VALUE.abi_minor,
            found.abi_major,
            found.abi_minor
        ),
        other => other.to_string(),
    }
}

/// Exports a plugin module: the handshake in its section and the module under a symbol that contains the crate's
/// name, so that several plugins can also be linked into one program. The create function is
/// `fn(CreateArgs, manifest: &'static str) -> PResult<PluginBox>` and must not unwind.
#[macro_export]
macro_rules! export_module {
    ($manifest:expr, $create:expr) => {
        const _: () = {
            const MANIFEST: &str = $manifest;
            const SYMBOL: &str = ::core::concat!("caxton_module_", ::core::env!("CARGO_CRATE_NAME"));

            struct Library;
            impl $crate::module::Export for Library {
                extern "C" fn create(
                    args: $crate::plugin::CreateArgs,
                ) -> $crate::plugin::PResult<$crate::plugin::PluginBox> {
                    $create(args, MANIFEST)
                }
            }

            #[used]
            #[unsafe(link_section = ".caxton")]
            #[unsafe(export_name = ::core::concat!("caxton_handshake_", ::core::env!("CARGO_CRATE_NAME")))]
            static HANDSHAKE: $crate::handshake::Handshake =
                $crate::handshake::Handshake::new(SYMBOL, MANIFEST, ::core::cfg!(panic = "unwind"));

            #[unsafe(export_name = ::core::concat!("caxton_module_", ::core::env!("CARGO_CRATE_NAME")))]
            static MODULE: $crate::module::Exported = $crate::module::export::<Library>();
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same module in several minors, as a server and its plugins would have it.
    macro_rules! minor {
        ($name:ident, $record:ty, { $($added:ident: $type:ty),* }) => {
            #[allow(dead_code, reason = "only the descriptions are used")]
            mod $name {
                use abi_stable::StableAbi;

                #[repr(C)]
                #[derive(StableAbi)]
                pub struct Record {
                    pub value: $record,
                }

                #[repr(C)]
                #[derive(StableAbi)]
                #[sabi(kind(Prefix(prefix_ref = ModuleRef)))]
                #[sabi(missing_field(option))]
                pub struct Module {
                    #[sabi(last_prefix_field)]
                    pub first: extern "C" fn(Record),
                    $(pub $added: $type,)*
                }
            }
        };
    }
    minor!(old, u32, {});
    minor!(new, u32, { second: extern "C" fn(u32) });
    minor!(other, u64, {});

    const OLD: Layout = <old::ModuleRef as StableAbi>::LAYOUT;
    const NEW: Layout = <new::ModuleRef as StableAbi>::LAYOUT;
    const OTHER: Layout = <other::ModuleRef as StableAbi>::LAYOUT;

    #[test]
    fn a_newer_minor_on_either_side_is_compatible() {
        assert_eq!(check_both_ways(OLD, NEW), Ok(()));
        assert_eq!(check_both_ways(NEW, OLD), Ok(()));
    }

    #[test]
    fn an_older_plugin_does_not_count_against_the_next() {
        assert_eq!(check_both_ways(NEW, OLD), Ok(()));
        assert_eq!(check_both_ways(NEW, NEW), Ok(()));
    }

    #[test]
    fn a_changed_record_is_refused_with_both_directions() {
        let Err(OpenError::Layout { server_expects, plugin_expects }) = check_both_ways(OLD, OTHER) else {
            panic!("accepted")
        };
        assert!(server_expects.contains("Error:"), "{server_expects}");
        assert!(plugin_expects.contains("Error:"), "{plugin_expects}");
    }
}
