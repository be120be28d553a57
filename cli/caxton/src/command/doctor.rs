//! `caxton doctor`: what is wrong with a server, and what to do about it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    caxtond,
    client::Client,
    doctor::{Evidence, Finding, Severity, bundle, findings},
    failure::{Exit, Failure},
    output::{Format, Output},
    text::safe,
};

const EXAMPLES: &str = "\
Asks the server, looks at this machine, and tells each finding with what to do. It changes nothing and asks nothing. The \
exit code is 9 when a finding is critical.

A bundle has the status, the configuration with masked secrets, lists, events and logs, and what was found. It never has \
contents of messages. Given a bundle, that is judged instead of a server.

Examples:
  caxton doctor
  caxton doctor -f caxton.toml
  caxton doctor --bundle caxton.tar.gz
  caxton doctor caxton.tar.gz -o json";

/// The arguments of `caxton doctor`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Doctor {
    /// A bundle to judge instead of a server
    #[arg(value_name = "BUNDLE", conflicts_with_all = ["file", "bundle"])]
    judged: Option<PathBuf>,
    /// The server's configuration, checked too
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write what was gathered to this file, tar.gz
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

impl Doctor {
    /// Looks and tells.
    ///
    /// # Errors
    /// With exit code 9 when a finding is critical; when a bundle cannot be read or written.
    pub fn run(
        &self,
        client: impl FnOnce() -> Result<Client, Failure>,
        output: &Output,
    ) -> Result<(), Failure> {
        let evidence = match &self.judged {
            Some(path) => bundle::read(path)?,
            None => self.gather(&client()?),
        };
        let found = findings::all(&evidence);
        let report = report(&found);
        if let Some(path) = &self.bundle {
            bundle::write(path, &evidence, &report)?;
            output.note(&format!("the bundle is {}", path.display()));
        }
        match output.format {
            Format::Json => output.document(&report)?,
            Format::Jsonl => {
                found.iter().try_for_each(|finding| output.line(&finding.document().to_string()))?
            }
            Format::Name => found.iter().try_for_each(|finding| output.line(finding.check))?,
            Format::Table | Format::Wide if found.is_empty() => output.line("nothing is wrong")?,
            Format::Table | Format::Wide => {
                found.iter().try_for_each(|finding| output.line(&lines(finding)))?
            }
        }
        match found.iter().filter(|finding| finding.severity == Severity::Critical).count() {
            0 => Ok(()),
            count => {
                let what = if count == 1 {
                    "1 finding is critical".to_owned()
                } else {
                    format!("{count} findings are critical")
                };
                Err(Failure::new(Exit::Failed, what, "", "do what the findings say, then look again"))
            }
        }
    }

    fn gather(&self, client: &Client) -> Evidence {
        let folder =
            self.file.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
        let mut evidence = Evidence::gather(client, folder.unwrap_or(Path::new(".")));
        if let Some(file) = &self.file {
            evidence.add_check(check(file));
        }
        evidence
    }
}

/// What `caxtond check` says of a configuration.
fn check(file: &Path) -> Value {
    match caxtond::command().args(["check".as_ref(), "-f".as_ref(), file.as_os_str()]).output() {
        Ok(ran) => {
            let output = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
            json!({"valid": ran.status.success(), "output": output})
        }
        Err(error) => json!({"valid": null, "output": format!("caxtond cannot be run: {error}")}),
    }
}

fn report(found: &[Finding]) -> Value {
    let worst = found.iter().map(|finding| finding.severity).max();
    json!({"kind": "caxton.doctor/v1", "worst": worst.map(Severity::as_str),
        "items": found.iter().map(Finding::document).collect::<Vec<_>>()})
}

/// `critical  ready: the server is not ready` and what to do below.
fn lines(finding: &Finding) -> String {
    let Finding { check, severity, what, fix } = finding;
    let mut lines = what.lines();
    let first = safe(lines.next().unwrap_or_default()).into_owned();
    let more: String = lines.map(|line| format!("\n            {}", safe(line))).collect();
    format!("{:<8}  {check}: {first}{more}\n          fix: {}", severity.as_str(), safe(fix))
}
