//! Writes a folder of CloudTrail log files whose truth is known, for `cloudigrade replay --accounts`.
//!
//! ```text
//! cargo run --release -p metering --example generate_cloudtrail -- --out /tmp/trail
//! ```

use std::fs::{File, create_dir_all, write};
use std::io::{BufWriter, Write, stdout};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use clap::Parser;
use metering::generator::{Config, GeneratedAccount, Totals, Truth};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Generates accounts, their history and the log files of it.
#[derive(Parser)]
struct Arguments {
    /// Folder to write `AWSLogs/`, `accounts.yaml` and `truth.json` to
    #[arg(long)]
    out: PathBuf,
    /// The same seed gives the same files
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// AWS accounts
    #[arg(long, default_value_t = 4)]
    accounts: u32,
    /// Accounts of one organization
    #[arg(long, default_value_t = 2)]
    accounts_per_org: u32,
    /// Regions each account uses, 1 to 8
    #[arg(long, default_value_t = 2)]
    regions: usize,
    /// Instances of each account; each has some ten records
    #[arg(long, default_value_t = 50)]
    instances: u32,
    /// Days, from the first of January 2026 on
    #[arg(long, default_value_t = 31)]
    days: u32,
    /// Share of the records that matter
    #[arg(long, default_value_t = 0.05)]
    relevant: f64,
    /// Most records in a file
    #[arg(long, default_value_t = 500)]
    records_per_file: usize,
    /// Share of the relevant records that are delivered twice
    #[arg(long, default_value_t = 0.02)]
    duplicates: f64,
    /// Share of the relevant records that are delivered a day or two late
    #[arg(long, default_value_t = 0.02)]
    late: f64,
    /// Share of the files that are there a second time, damaged
    #[arg(long, default_value_t = 0.01)]
    damaged: f64,
    /// Threads
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    jobs: usize,
}

#[derive(serde::Serialize)]
struct Made {
    totals: Totals,
    #[serde(flatten)]
    truth: Truth,
}

fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
    let config = Config {
        seed: arguments.seed,
        accounts: arguments.accounts,
        accounts_per_org: arguments.accounts_per_org,
        regions: arguments.regions,
        instances: arguments.instances,
        days: arguments.days,
        relevant: arguments.relevant,
        records_per_file: arguments.records_per_file,
        duplicates: arguments.duplicates,
        late: arguments.late,
        damaged: arguments.damaged,
        ..Config::default()
    };
    let begun = Instant::now();
    let next = AtomicU32::new(0);
    let parts: Result<Vec<_>, Error> = std::thread::scope(|scope| {
        let work = || write_accounts(&config, &arguments.out, &next);
        let threads: Vec<_> = (0..arguments.jobs.max(1))
            .map(|_| scope.spawn(work))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread panicked")?)
            .collect()
    });
    let mut totals = Totals::default();
    let mut truths = Vec::new();
    for (part, truth) in parts? {
        totals.add(&part);
        truths.extend(truth);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let mut manifests = String::new();
    for number in 0..config.accounts {
        manifests.push_str("---\n");
        manifests.push_str(&GeneratedAccount::manifest_of(&config, number));
    }
    write(arguments.out.join("accounts.yaml"), manifests)?;
    let truth = Truth::merge(truths, config.first, config.days);
    let made = Made { totals, truth };
    let mut file = BufWriter::new(File::create(arguments.out.join("truth.json"))?);
    serde_json::to_writer(&mut file, &made)?;
    file.flush()?;
    writeln!(
        stdout(),
        "{} files, {} records, {} events, {} runs, {:.0} MB in {seconds:.1} s: {:.0} MB/s",
        made.totals.files + made.totals.damaged_files,
        made.totals.records,
        made.truth.events.len(),
        made.truth.runs.len(),
        made.totals.bytes as f64 / 1e6,
        made.totals.bytes as f64 / 1e6 / seconds,
    )?;
    Ok(())
}

/// Writes the files of one account after the other, until none is left.
fn write_accounts(
    config: &Config,
    out: &Path,
    next: &AtomicU32,
) -> Result<(Totals, Vec<Truth>), Error> {
    let mut totals = Totals::default();
    let mut truths = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= config.accounts {
            return Ok((totals, truths));
        }
        let account = GeneratedAccount::new(config, number);
        let mut files = account.files();
        for file in files.by_ref() {
            let path = out.join(&file.key);
            create_dir_all(path.parent().unwrap_or(out))?;
            write(path, file.gzip()?)?;
        }
        totals.add(files.totals());
        truths.push(account.truth());
    }
}
