//! A bundle: the evidence and the findings in one tar.gz, a JSON document each, to be read elsewhere.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Write},
    path::Path,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::Value;

use super::Evidence;
use crate::failure::{Exit, Failure};

/// The folder in the archive.
const FOLDER: &str = "caxton-bundle";
/// More is not read of one document.
const DOCUMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// More documents are not read.
const DOCUMENTS_MAX: usize = 64;

/// Writes the evidence and a report of it to `path`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, evidence: &Evidence, report: &Value) -> Result<(), Failure> {
    let written = File::create(path).and_then(|file| pack(file, evidence, report));
    written.map_err(|error| {
        let what = format!("cannot write the bundle {}", path.display());
        Failure::new(Exit::Failure, what, error.to_string(), "check the folder and its permissions")
    })
}

fn pack(file: impl Write, evidence: &Evidence, report: &Value) -> io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    let documents = evidence.documents.iter().map(|(name, document)| (name.as_str(), document));
    for (name, document) in documents.chain([("report", report)]) {
        let text = format!("{document:#}\n");
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, format!("{FOLDER}/{name}.json"), text.as_bytes())?;
    }
    archive.into_inner()?.finish()?.flush()
}

/// Reads the evidence of a bundle back; nothing is unpacked to disk.
///
/// # Errors
/// With exit code 3 when it is no bundle.
pub fn read(path: &Path) -> Result<Evidence, Failure> {
    let invalid = |error: io::Error| {
        let what = format!("cannot read the bundle {}", path.display());
        Failure::new(
            Exit::Invalid,
            what,
            error.to_string(),
            "name a file that `caxton doctor --bundle` wrote",
        )
    };
    let documents = File::open(path).and_then(unpack).map_err(invalid)?;
    if documents.is_empty() {
        return Err(invalid(io::Error::new(io::ErrorKind::InvalidData, "it has no documents")));
    }
    Ok(Evidence { documents })
}

fn unpack(file: File) -> io::Result<BTreeMap<String, Value>> {
    let mut documents = BTreeMap::new();
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    for entry in archive.entries()?.take(DOCUMENTS_MAX) {
        let entry = entry?;
        let name =
            entry.path()?.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name == "report" {
            continue;
        }
        let mut bytes = Vec::new();
        entry.take(DOCUMENT_BYTES_MAX).read_to_end(&mut bytes)?;
        documents.insert(name, serde_json::from_slice(&bytes)?);
    }
    Ok(documents)
}
