//! What a component says of itself, beside what the checks need: who made it, and the manifest packed into it.

use serde::Serialize;
use wasmparser::{CustomSectionReader, KnownCustom, Parser, Payload};

use super::{ComponentInfo, PACKAGE_SECTION, invalid, outline};
use crate::{error::ComponentError, options::RuntimeOptions};

/// Producers that are listed; tools write a handful.
const PRODUCERS_MAX: usize = 64;
/// Bytes of a producer's name and version.
const PRODUCER_BYTES_MAX: usize = 256;
/// Bytes of a manifest; the server takes a configuration of 1 MiB in it.
const MANIFEST_BYTES_MAX: usize = 2 << 20;

/// A component's file, looked at without compiling it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentInspection {
    /// What the checks found.
    pub info: ComponentInfo,
    /// Who made it, from the producers sections, each once.
    pub producers: Vec<Producer>,
    /// The manifest packed into it, as it stands there.
    pub manifest: Option<String>,
}

/// A language or tool that took part (tool conventions of WebAssembly, producers section).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// The tool.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// Looks at a component: every check that needs no compiler but validation, then its custom sections.
///
/// # Errors
/// The first check that fails; [`ComponentError::Invalid`] for a manifest that is no text.
pub fn inspect(bytes: &[u8], options: &RuntimeOptions) -> Result<ComponentInspection, ComponentError> {
    let info = outline(bytes, options)?;
    let (mut producers, mut manifest) = (Vec::new(), None);
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| invalid(&error))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == PACKAGE_SECTION => {
                manifest = Some(text(&section)?);
            }
            Payload::CustomSection(section) => produced(&section, &mut producers),
            _ => {}
        }
    }
    Ok(ComponentInspection { info, producers, manifest })
}

fn text(section: &CustomSectionReader<'_>) -> Result<String, ComponentError> {
    let offset = section.data_offset();
    let refused = |reason: String| ComponentError::Invalid { offset, reason };
    let data = section.data();
    if data.len() > MANIFEST_BYTES_MAX {
        let found = data.len();
        return Err(refused(format!(
            "its manifest has {found} bytes, at most {MANIFEST_BYTES_MAX} are read"
        )));
    }
    let text = std::str::from_utf8(data);
    text.map(str::to_owned).map_err(|error| refused(format!("its manifest is not UTF-8: {error}")))
}

/// A section that cannot be read says nothing; it is for people only.
fn produced(section: &CustomSectionReader<'_>, producers: &mut Vec<Producer>) {
    let KnownCustom::Producers(fields) = section.as_known() else { return };
    for field in fields.into_iter().flatten() {
        for value in field.values.into_iter().flatten() {
            let producer = Producer {
                field: field.name.to_owned(),
                name: value.name.to_owned(),
                version: value.version.to_owned(),
            };
            let short = producer.name.len() + producer.version.len() <= PRODUCER_BYTES_MAX;
            if short && producers.len() < PRODUCERS_MAX && !producers.contains(&producer) {
                producers.push(producer);
            }
        }
    }
}
