//! The generated world, and the folder of its log files.

use std::collections::BTreeSet;
use std::fmt::{Display, Formatter};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::ToSpan;
use jiff::civil::{Date, date};
use metering::generator::{Config, GeneratedAccount, Totals, Truth};
use tempfile::TempDir;

use super::Failure;

/// Long over, so that all of it counts.
const FIRST: Date = date(2025, 1, 1);

pub(crate) struct TruthWorld {
    pub(crate) seed: u64,
    pub(crate) first: Date,
    pub(crate) last: Date,
    pub(crate) days: u32,
    pub(crate) truth: Truth,
    pub(crate) totals: Totals,
    /// Keys of the files that can be read
    pub(crate) good: Vec<String>,
    /// Keys of the damaged files
    pub(crate) damaged: BTreeSet<String>,
    folder: TempDir,
}

impl TruthWorld {
    /// Makes a world of the size `TRUTH_WORLD`, accounts and days, like `200x365`. `TRUTH_SEED` repeats an earlier one.
    pub(crate) fn from_environment() -> Result<Self, Failure> {
        let size = std::env::var("TRUTH_WORLD").unwrap_or_else(|_| "20x30".into());
        Self::of_size(&size)
    }

    /// A world of accounts and days, like `200x365`.
    pub(crate) fn of_size(size: &str) -> Result<Self, Failure> {
        let (accounts, days) = size
            .split_once('x')
            .and_then(|(accounts, days)| Some((accounts.parse().ok()?, days.parse().ok()?)))
            .ok_or_else(|| format!("a world of {size}: give accounts and days, like 200x365"))?;
        let seed = match std::env::var("TRUTH_SEED") {
            Ok(seed) => u64::from_str(&seed)?,
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        };
        Self::make(&Config {
            seed,
            accounts,
            accounts_per_org: 3,
            first: FIRST,
            days,
            restarts: 2.0 + f64::from(days) / 30.0,
            relevant: 0.3,
            records_per_file: 50,
            duplicates: 0.1,
            late: 0.1,
            failed: 0.02,
            broken: 0.01,
            damaged: 0.03,
            ..Config::default()
        })
    }

    fn make(config: &Config) -> Result<Self, Failure> {
        let mut world = Self {
            seed: config.seed,
            first: config.first,
            last: config
                .first
                .checked_add((i64::from(config.days) - 1).days())?,
            days: config.days,
            truth: Truth::default(),
            totals: Totals::default(),
            good: Vec::new(),
            damaged: BTreeSet::new(),
            folder: TempDir::new()?,
        };
        let (mut truths, mut manifests) = (Vec::new(), String::new());
        for number in 0..config.accounts {
            let account = GeneratedAccount::new(config, number);
            let mut files = account.files();
            for file in files.by_ref() {
                put(&world.folder.path().join(&file.key), &file.gzip()?)?;
                if file.is_damaged() {
                    world.damaged.insert(file.key);
                } else {
                    world.good.push(file.key);
                }
            }
            world.totals.add(files.totals());
            truths.push(account.truth());
            manifests.push_str("---\n");
            manifests.push_str(&GeneratedAccount::manifest_of(config, number));
        }
        world.truth = Truth::merge(truths, config.first, config.days);
        put(&world.accounts(), manifests.as_bytes())?;
        Ok(world)
    }

    /// The folder of the log files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Path of the manifests of the accounts.
    pub(crate) fn accounts(&self) -> PathBuf {
        self.folder.path().join("accounts.yaml")
    }

    /// Folders that hold all files between them, in an order of this worker's and this attempt's own.
    pub(crate) fn locations(&self, worker: u64, attempt: u32) -> Result<Vec<PathBuf>, Failure> {
        let folders = self.folder.path().join("AWSLogs").read_dir()?;
        let mut folders = folders
            .map(|folder| folder.map(|folder| folder.path()))
            .collect::<Result<Vec<_>, _>>()?;
        folders.sort_by_cached_key(|folder| {
            let account = folder.file_name();
            self.random((worker, attempt, account))
        });
        Ok(folders)
    }

    /// A pseudo-random number, the same for the same question and seed.
    pub(crate) fn random(&self, question: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, question).hash(&mut hasher);
        hasher.finish()
    }
}

impl Display for TruthWorld {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { truth, totals, .. } = self;
        write!(
            f,
            "{} files and {} damaged ones, {} MB, {} records, {} events, {} runs",
            self.good.len(),
            self.damaged.len(),
            totals.bytes / 1_000_000,
            totals.records,
            truth.events.len(),
            truth.runs.len(),
        )
    }
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    Ok(std::fs::write(path, bytes)?)
}
