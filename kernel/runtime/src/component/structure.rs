//! Counts what would make the compiler slow or large, before anything is validated or compiled.
//!
//! A module of 116 KiB with 6,000 locals and 6,000 blocks takes the compiler 1.1 GiB, one of 240 KiB more than 12 GiB
//! and ends the process. The limits let interpreters of 18 MiB pass.

use wasmparser::{CompositeInnerType, FunctionBody, Operator, Parser, Payload, TypeSectionReader};

use super::invalid;
use crate::error::ComponentError;

/// Functions of all modules together; 50,000 empty ones take the compiler 3 s and 300 MB, an interpreter has 13,000.
const FUNCTIONS_MAX: u64 = 40_000;
/// Bytes of one function's body; the largest interpreter loop seen has 150 KiB.
const FUNCTION_BYTES_MAX: u64 = 1 << 20;
/// Locals of one function.
const LOCALS_MAX: u64 = 10_000;
/// Locals times blocks of one function: the compiler keeps a value for each pair.
const LOCALS_TIMES_BLOCKS_MAX: u64 = 4_000_000;
/// The same, summed over all functions; an interpreter of 18 MiB has 1.4 million.
const LOCALS_TIMES_BLOCKS_TOTAL_MAX: u64 = 40_000_000;
/// Parameters and results of one function type. A block may have such a type too: a thousand blocks of a thousand
/// values, 8 KiB of code, take the compiler 4 GB.
const TYPE_VALUES_MAX: u64 = 100;
/// Blocks inside each other in one function.
const NESTING_MAX: u64 = 1_000;
/// Bytes of all custom sections together: names and debug information.
const CUSTOM_BYTES_MAX: u64 = 16 << 20;
/// Components and modules inside each other.
const DEPTH_MAX: u64 = 16;
/// Core modules, and components, in the whole file.
const MODULES_MAX: u64 = 64;
/// Types, imports, aliases, instances and adapters of the component itself.
const ITEMS_MAX: u64 = 100_000;

/// The custom section at the component's top level that has an agent's manifest as JSON.
pub const PACKAGE_SECTION: &str = "caxton:manifest";
/// Bytes of that manifest.
pub const PACKAGE_BYTES_MAX: usize = 64 << 10;

/// What stands at the component's rim.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    /// The manifest that is packed into it, as it stands there.
    pub(super) package: Option<Vec<u8>>,
}

#[derive(Default)]
struct Counts {
    depth: u64,
    modules: u64,
    functions: u64,
    locals_times_blocks: u64,
    custom_bytes: u64,
    items: u64,
}

/// Walks the whole file once, nested components included.
pub(super) fn scan(bytes: &[u8]) -> Result<Outline, ComponentError> {
    let mut outline = Outline::default();
    let mut counts = Counts::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error))?;
        count(&payload, &mut counts)?;
        if counts.depth == 0 {
            name(payload, &mut outline)?;
        }
    }
    Ok(outline)
}

fn bound(what: &str, found: u64, max: u64) -> Result<(), ComponentError> {
    if found > max {
        return Err(ComponentError::TooComplex { what: what.to_owned(), found, max });
    }
    Ok(())
}

fn count(payload: &Payload<'_>, counts: &mut Counts) -> Result<(), ComponentError> {
    match payload {
        Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
            counts.depth += 1;
            counts.modules += 1;
            bound("components inside each other", counts.depth, DEPTH_MAX)?;
            bound("modules and components", counts.modules, MODULES_MAX)
        }
        Payload::End(_) => {
            counts.depth = counts.depth.saturating_sub(1);
            Ok(())
        }
        Payload::TypeSection(section) => {
            counts.items += u64::from(section.count());
            bound("types, imports, aliases, instances and adapters", counts.items, ITEMS_MAX)?;
            check_types(section)
        }
        Payload::FunctionSection(section) => {
            counts.functions += u64::from(section.count());
            bound("functions", counts.functions, FUNCTIONS_MAX)
        }
        Payload::CustomSection(section) => {
            counts.custom_bytes += u64::try_from(section.data().len()).unwrap_or(u64::MAX);
            bound("bytes of custom sections", counts.custom_bytes, CUSTOM_BYTES_MAX)
        }
        Payload::CodeSectionEntry(body) => {
            counts.locals_times_blocks += check_function(body)?;
            let total = counts.locals_times_blocks;
            bound("locals times blocks in all functions", total, LOCALS_TIMES_BLOCKS_TOTAL_MAX)
        }
        other => {
            counts.items += u64::from(items(other));
            bound("types, imports, aliases, instances and adapters", counts.items, ITEMS_MAX)
        }
    }
}

fn items(payload: &Payload<'_>) -> u32 {
    match payload {
        Payload::ImportSection(section) => section.count(),
        Payload::ExportSection(section) => section.count(),
        Payload::InstanceSection(section) => section.count(),
        Payload::CoreTypeSection(section) => section.count(),
        Payload::ComponentInstanceSection(section) => section.count(),
        Payload::ComponentAliasSection(section) => section.count(),
        Payload::ComponentTypeSection(section) => section.count(),
        Payload::ComponentCanonicalSection(section) => section.count(),
        Payload::ComponentImportSection(section) => section.count(),
        Payload::ComponentExportSection(section) => section.count(),
        _ => 0,
    }
}

fn name(payload: Payload<'_>, outline: &mut Outline) -> Result<(), ComponentError> {
    match payload {
        Payload::ComponentImportSection(section) => {
            for import in section {
                let import = import.map_err(|error| invalid(&error))?;
                outline.imports.push(import.name.full_name().into_owned());
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section {
                let export = export.map_err(|error| invalid(&error))?;
                outline.exports.push(export.name.full_name().into_owned());
            }
        }
        Payload::CustomSection(section) if section.name() == PACKAGE_SECTION => {
            let bytes = section.data().len();
            if bytes > PACKAGE_BYTES_MAX {
                let reason = format!("it has {bytes} bytes, at most {PACKAGE_BYTES_MAX} are read");
                return Err(ComponentError::Package { reason });
            }
            if outline.package.replace(section.data().to_vec()).is_some() {
                let reason = format!("the component has two sections `{PACKAGE_SECTION}`, expected one");
                return Err(ComponentError::Package { reason });
            }
        }
        _ => {}
    }
    Ok(())
}

/// Holds the types of a core module against their bound.
fn check_types(section: &TypeSectionReader<'_>) -> Result<(), ComponentError> {
    for group in section.clone() {
        for subtype in group.map_err(|error| invalid(&error))?.types() {
            if let CompositeInnerType::Func(function) = &subtype.composite_type.inner {
                let values = function.params().len() + function.results().len();
                let values = u64::try_from(values).unwrap_or(u64::MAX);
                bound("parameters and results in one type", values, TYPE_VALUES_MAX)?;
            }
        }
    }
    Ok(())
}

/// Holds one function against its bounds; returns its locals times its blocks.
fn check_function(body: &FunctionBody<'_>) -> Result<u64, ComponentError> {
    let range = body.range();
    let here = |what: &str, found: u64, max: u64| match found > max {
        true => bound(&format!("{what} in the function at byte {:#x}", range.start), found, max),
        false => Ok(()),
    };
    here("bytes", range.end.saturating_sub(range.start), FUNCTION_BYTES_MAX)?;
    let mut locals: u64 = 0;
    for declared in body.get_locals_reader().map_err(|error| invalid(&error))? {
        let (count, _) = declared.map_err(|error| invalid(&error))?;
        locals += u64::from(count);
        here("locals", locals, LOCALS_MAX)?;
    }
    let (mut blocks, mut depth): (u64, u64) = (0, 0);
    let mut operators = body.get_operators_reader().map_err(|error| invalid(&error))?;
    while !operators.eof() {
        match operators.read().map_err(|error| invalid(&error))? {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                blocks += 1;
                depth += 1;
                here("nested blocks", depth, NESTING_MAX)?;
            }
            Operator::End => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let pairs = locals.saturating_mul(blocks);
    let what = format!("locals times blocks ({locals} times {blocks})");
    here(&what, pairs, LOCALS_TIMES_BLOCKS_MAX)?;
    Ok(pairs)
}
