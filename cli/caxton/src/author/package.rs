//! A package: a component with its manifest inside, as JSON in a custom section.
//!
//! The section stands at the top level of the component, where every tool that does not know it skips it. What a package
//! may hold is the server's to judge; here it is written and read.

use std::ops::Range;

use serde_json::Value;
use wasm_encoder::{CustomSection, Section as _};
use wasmparser::{Parser, Payload};

/// The section's name.
pub const SECTION: &str = "caxton:manifest";
/// The bytes before the first section of a component: magic, version, layer.
const HEADER: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// What a component says of itself at its top level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The names that it exports.
    pub exports: Vec<String>,
    /// The packaged manifests: where each section lies, and what it holds.
    manifests: Vec<(Range<u64>, Range<u64>)>,
}

/// Why a file is no component.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Something else than WebAssembly, or a core module.
    #[error("it is not a WebAssembly component")]
    Other,
    /// Not well formed.
    #[error("it is not a well-formed component: {0}")]
    Malformed(#[from] wasmparser::BinaryReaderError),
}

/// Reads the top level of a component.
///
/// # Errors
/// It is none.
pub fn outline(component: &[u8]) -> Result<Outline, Fault> {
    if !component.starts_with(&HEADER) {
        return Err(Fault::Other);
    }
    let mut outline = Outline::default();
    let mut depth = 0_usize;
    // Where the next section begins: its identity and size stand before its contents.
    let mut begins = HEADER.len() as u64;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload?;
        match &payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(at) => {
                depth = depth.saturating_sub(1);
                begins = *at;
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports.clone() {
                    outline.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                outline
                    .manifests
                    .push((begins..section.range().end, section.data_offset()..section.range().end));
            }
            _ => {}
        }
        if depth == 0
            && let Some((_, range)) = payload.as_section()
        {
            begins = range.end;
        }
    }
    Ok(outline)
}

impl Outline {
    /// The world of `caxton:agent` whose exports these are; empty when it is none.
    pub fn world(&self) -> &'static str {
        let has = |interface: &str| {
            self.exports.iter().any(|name| name.starts_with(&format!("caxton:agent/{interface}@")))
        };
        match (has("handler"), has("timers"), has("snapshot")) {
            (true, true, true) => "durable-agent",
            (true, true, false) => "timed-agent",
            (true, false, _) => "agent",
            (false, ..) => "",
        }
    }
}

/// The component with this manifest, and with no other.
///
/// # Errors
/// It is no component.
pub fn pack(component: &[u8], manifest: &Value) -> Result<Vec<u8>, Fault> {
    let mut packed = bare(component)?;
    let data = manifest.to_string();
    // A custom section is written alike in modules and in components.
    CustomSection { name: SECTION.into(), data: data.as_bytes().into() }.append_to(&mut packed);
    Ok(packed)
}

/// The manifest that is packed into a component; none when there is none that is JSON.
pub fn read(component: &[u8]) -> Option<Value> {
    let outline = outline(component).ok()?;
    let (_, data) = outline.manifests.first()?;
    serde_json::from_slice(bytes(component, data)).ok()
}

/// The component without its package.
fn bare(component: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut bare = Vec::with_capacity(component.len());
    let mut at = 0;
    for (section, _) in outline(component)?.manifests {
        bare.extend_from_slice(bytes(component, &(at..section.start)));
        at = section.end;
    }
    bare.extend_from_slice(bytes(component, &(at..component.len() as u64)));
    Ok(bare)
}

fn bytes<'a>(component: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    component.get(index(range.start)..index(range.end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wasm_encoder::Module;

    use super::*;

    /// A component with a module in it, a section of our name inside of the module, and a section of another name.
    fn component() -> Vec<u8> {
        let mut module = Module::new();
        module.section(&CustomSection { name: SECTION.into(), data: b"{\"name\":\"inner\"}".into() });
        let module = module.finish();
        let mut component = HEADER.to_vec();
        component.extend([1, u8::try_from(module.len()).unwrap()]);
        component.extend(module);
        CustomSection { name: "other".into(), data: b"x".into() }.append_to(&mut component);
        component
    }

    #[test]
    fn what_was_packed_is_read_and_the_component_is_as_it_was() {
        let plain = component();
        assert_eq!(read(&plain), None, "the module's own section is not the component's");
        let first = pack(&plain, &json!({"name": "a"})).unwrap();
        assert_eq!(read(&first), Some(json!({"name": "a"})));
        let second = pack(&first, &json!({"name": "b"})).unwrap();
        assert_eq!(read(&second), Some(json!({"name": "b"})));
        assert_eq!(second.len(), first.len());
        assert_eq!(bare(&second).unwrap(), plain);
    }

    #[test]
    fn packing_the_same_twice_gives_the_same_bytes() {
        let manifest = json!({"name": "a", "config": {"b": 1, "a": 2}});
        let packed = pack(&component(), &manifest).unwrap();
        assert_eq!(pack(&packed, &manifest).unwrap(), packed);
    }

    #[test]
    fn what_is_no_component_is_refused() {
        for other in [&b""[..], b"\0asm\x01\0\0\0", b"ELF", &component()[..12]] {
            assert!(pack(other, &json!({})).is_err());
        }
    }
}
