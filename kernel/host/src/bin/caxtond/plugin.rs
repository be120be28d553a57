//! `plugin`: looks at plugin libraries, and tests them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use caxton_abi::Code;
use caxton_host::{
    config::json,
    plugin::{self, Inspection},
    trial::{self, Bench, Report},
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use toml::Table;

use crate::{
    Output,
    output::{document, exit, failed, print},
};

/// Threads of a test: for the steps of the plugin's life, and for timeouts.
const THREADS: usize = 2;

#[derive(Subcommand)]
pub enum Command {
    /// Shows what a library is, without running any of its code.
    Inspect {
        /// The library.
        file: PathBuf,
        /// How to print it.
        #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
        output: Output,
    },
    /// Tests a library against docs/spec/plugin.md. Its code runs in this process.
    Test {
        /// The library.
        file: PathBuf,
        #[command(flatten)]
        keys: Keys,
        /// How to print what was found.
        #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
        output: Output,
    },
    /// Runs one check of a store, in a process that the test may kill.
    #[command(hide = true)]
    StoreCheck { file: PathBuf, check: String, config: String },
}

/// The plugin's own keys.
#[derive(Args)]
pub struct Keys {
    /// A TOML file with the plugin's own keys at its top level.
    #[arg(long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// A key of the plugin, in TOML: `--set listen='"127.0.0.1:0"'`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

impl Command {
    pub fn run(self) -> ExitCode {
        match self {
            Self::Inspect { file, output } => inspect(&file, output),
            Self::Test { file, keys, output } => test(&file, &keys, output),
            Self::StoreCheck { file, check, config } => store_check(&file, &check, &config),
        }
    }
}

impl Keys {
    fn read(&self) -> Result<Map<String, Value>, String> {
        let mut keys = Table::new();
        if let Some(file) = &self.config {
            let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            keys = text.parse().map_err(|error| format!("{}: {error}", file.display()))?;
        }
        for set in &self.sets {
            let set: Table = set.parse().map_err(|error| format!("--set {set}: {error}"))?;
            keys.extend(set);
        }
        Ok(keys.into_iter().map(|(key, value)| (key, json(value))).collect())
    }
}

/// Runs a test with a folder of its own as the working directory, where a plugin's relative paths then lie.
fn test(file: &Path, keys: &Keys, output: Output) -> ExitCode {
    let keys = match keys.read() {
        Ok(keys) => keys,
        Err(why) => return failed(Some(Code::PLUGIN_CONFIG_INVALID), &why, output, exit::CONFIG),
    };
    let prepared = std::path::absolute(file).and_then(|file| {
        let folder = tempfile::Builder::new().prefix("caxton-plugin-test-").tempdir()?;
        std::env::set_current_dir(folder.path())?;
        Ok((file, folder, threads()?))
    });
    let (file, _folder, threads) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return failed(None, &format!("the test cannot run: {error}"), output, exit::FAILURE),
    };
    let report = threads.block_on(trial::run(&file, keys));
    // A call that hangs is not waited for.
    threads.shutdown_timeout(Duration::from_millis(100));
    tell(&report, output);
    match report.failed {
        _ if !report.compatible => ExitCode::from(exit::INCOMPATIBLE),
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(exit::FAILED_TESTS),
    }
}

fn threads() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()
}

fn tell(report: &Report, output: Output) {
    match output {
        Output::Json => document(&serde_json::json!(report)),
        Output::Table => print(&report.text()),
    }
}

fn store_check(file: &Path, check: &str, config: &str) -> ExitCode {
    let checked = (|| {
        let config = serde_json::from_str(config).map_err(|error| error.to_string())?;
        let library = plugin::load(file, None).map_err(|error| error.to_string())?;
        let threads = threads().map_err(|error| error.to_string())?;
        let _entered = threads.enter();
        trial::check_again(&Bench::new(library, config)?, check)
    })();
    match checked {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => failed(None, &why, Output::Table, exit::FAILURE),
    }
}

fn inspect(file: &std::path::Path, output: Output) -> ExitCode {
    match plugin::inspect(file) {
        Ok(inspection) => {
            match output {
                Output::Json => document(&inspected(&inspection)),
                Output::Table => print(&table(&inspection)),
            }
            ExitCode::SUCCESS
        }
        Err(error) => failed(Some(error.code()), &error.to_string(), output, exit::INCOMPATIBLE),
    }
}

fn inspected(inspection: &Inspection) -> Value {
    let mut document = serde_json::to_value(inspection).unwrap_or_default();
    if let Some(fields) = document.as_object_mut() {
        fields.insert("kind".into(), "caxton.plugin.inspection/v1".into());
    }
    document
}

fn table(inspection: &Inspection) -> String {
    let manifest = &inspection.manifest;
    let list = |items: &[String]| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let mut rows = vec![
        ("name", format!("{} {}", manifest.name, manifest.version)),
        ("what", manifest.description.clone()),
        ("provides", list(&manifest.provides)),
        ("requires", list(&manifest.requires)),
        ("abi", format!("{}.{}", inspection.abi_major, inspection.abi_minor)),
        ("built", format!("{} for {}", inspection.rustc, inspection.target)),
        (
            "panics",
            if inspection.panic_unwind { "unwind" } else { "abort: this server refuses it" }.to_owned(),
        ),
        ("file", format!("{} ({} bytes)", inspection.path.display(), inspection.bytes)),
        ("digest", format!("sha256:{}", inspection.sha256)),
    ];
    for (key, schema) in &manifest.config.properties {
        let text = |field: &str| {
            schema.get(field).map(|value| value.as_str().map_or(value.to_string(), str::to_owned))
        };
        let default = text("default").map(|default| format!(" (default {default})")).unwrap_or_default();
        rows.push(("key", format!("{key}: {}{default}", text("description").unwrap_or_default())));
    }
    rows.iter().map(|(name, value)| format!("{name:<9} {value}\n")).collect()
}
