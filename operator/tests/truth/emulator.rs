//! The AWS emulator of `e2e/aws`, with a process and a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use skip::{Missing, skip};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Failure;

/// Runs until it is dropped.
pub(crate) struct EmulatorProcess {
    state: TempDir,
    /// Address and credentials of the operator, as the SDK reads them
    pub(crate) variables: Vec<(String, String)>,
    _process: Child,
}

impl EmulatorProcess {
    /// Starts it with the own account in it; returns `None` if its Python is missing, which skips the test.
    pub(crate) async fn start() -> Result<Option<Self>, Failure> {
        let python = cache().join("venv/bin/python");
        if !python.exists() {
            skip(Missing::Tool, &format!("there is no {}", python.display()));
            return Ok(None);
        }
        let state = TempDir::new()?;
        let mut process = command("serve")
            .args(["--host", "127.0.0.1", "--port", "0", "--state"])
            .arg(state.path())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("the emulator has no output")?;
        let ready = BufReader::new(output).lines().next_line().await?;
        ready
            .filter(|line| line.contains("ready"))
            .ok_or("the emulator ended")?;
        let mut emulator = Self {
            state,
            variables: Vec::new(),
            _process: process,
        };
        emulator.seed(&["own"]).await?;
        let own = std::fs::read_to_string(emulator.state.path().join("own.env"))?;
        let pairs = own.lines().filter_map(|line| line.split_once('='));
        emulator.variables = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        Ok(Some(emulator))
    }

    /// Delivers the log files of a folder, some with repeated notifications.
    pub(crate) async fn deliver(&self, folder: &Path, seed: u64) -> Result<(), Failure> {
        let folder = folder.to_str().ok_or("the folder's path is not UTF-8")?;
        self.seed(&["logs", folder, "--seed", &seed.to_string()])
            .await
    }

    pub(crate) fn queue_url(&self) -> Result<String, Failure> {
        let mut variables = self.variables.iter();
        let (_, endpoint) = variables
            .find(|(name, _)| name == "AWS_ENDPOINT_URL")
            .ok_or("the emulator has no address")?;
        Ok(format!("{endpoint}/123456789012/cloudigrade-cloudtrail-s3"))
    }

    async fn seed(&self, arguments: &[&str]) -> Result<(), Failure> {
        let mut seed = command("seed");
        let seed = seed.args(arguments).arg("--state").arg(self.state.path());
        let output = seed.output().await?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!(
                "seed {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            )
            .into()),
        }
    }
}

/// A program of `e2e/aws`.
fn command(name: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../e2e/aws")
        .join(name);
    let mut command = Command::new(script);
    command.env("CLOUDIGRADE_CACHE", cache()).kill_on_drop(true);
    command
}

fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    std::env::var_os("CLOUDIGRADE_CACHE")
        .map_or_else(|| home().join(".cache/cloudigrade"), PathBuf::from)
}
