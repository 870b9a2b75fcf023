//! `houndigrade`: what is on this disk?

mod cli;
mod deliver;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{CommandFactory, Parser, error::ErrorKind};
use houndigrade::report::{Image, Report, Verdict};
use houndigrade::source::{BlockSource, Deadline, DiskFile, Snapshot, ebs_client};
use houndigrade::{Disk, inspect};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::cli::{Arguments, Location};

/// At least one image could not be read.
const UNREADABLE: u8 = 3;
/// Before the second attempt to deliver the result; it doubles from then on.
const DELIVERY_PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();

    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("starting: {error}")),
    };
    let code = runtime.block_on(run(&arguments));
    // An inspection past its time limit may still hold a thread: leave it behind.
    runtime.shutdown_background();
    code
}

async fn run(arguments: &Arguments) -> ExitCode {
    let targets = match arguments.targets() {
        Ok(targets) => targets,
        Err(message) => Arguments::command()
            .error(ErrorKind::ValueValidation, message)
            .exit(),
    };
    let mut by_image: BTreeMap<&str, Vec<Location>> = BTreeMap::new();
    for (image, location) in targets {
        by_image.entry(image).or_default().push(location);
    }
    let mut images = BTreeMap::new();
    for (id, locations) in by_image {
        let image = inspect_image(locations, arguments.timeout).await;
        for error in &image.errors {
            warn!(image = id, "{error}");
        }
        info!(image = id, verdict = ?image.verdict, stats = ?image.stats, "inspected");
        images.insert(id.to_owned(), image);
    }
    let report = Report::new(arguments.cloud.name(), images);
    deliver(arguments, &report).await
}

/// Inspects the disks of one image on a thread of their own, within `timeout`.
async fn inspect_image(locations: Vec<Location>, timeout: Duration) -> Image {
    let until = Instant::now() + timeout;
    let work = async {
        let mut disks = Vec::new();
        for location in locations {
            disks.push(open(location, until).await);
        }
        tokio::task::spawn_blocking(|| inspect(disks)).await
    };
    // The sources refuse to answer after the limit, which ends all but a reader that spins without reading: it gets a second.
    match tokio::time::timeout_at((until + Duration::from_secs(1)).into(), work).await {
        Ok(Ok(image)) => image,
        Ok(Err(_)) => unreadable("the inspection failed; the log says where".into()),
        Err(_) => unreadable(format!("the time limit of {} s is over", timeout.as_secs())),
    }
}

async fn open(location: Location, until: Instant) -> Disk {
    let (name, source) = match location {
        Location::Path(path) => (
            path.display().to_string(),
            DiskFile::open(&path).map(limited(until)),
        ),
        Location::Snapshot { id, region } => {
            let client =
                ebs_client(houndigrade::source::SnapshotAccess { region, role: None }).await;
            let snapshot = Snapshot::open(client, &id, 64 << 20).await;
            (id, snapshot.map(limited(until)))
        }
    };
    Disk { name, source }
}

fn limited<S: BlockSource + 'static>(until: Instant) -> impl FnOnce(S) -> Arc<dyn BlockSource> {
    move |source| Arc::new(Deadline::new(Arc::new(source), until))
}

fn unreadable(error: String) -> Image {
    Image {
        errors: vec![error],
        ..Image::default()
    }
}

async fn deliver(arguments: &Arguments, report: &Report) -> ExitCode {
    let json = if arguments.pretty {
        serde_json::to_string_pretty(report)
    } else {
        serde_json::to_string(report)
    };
    let json = match json {
        Ok(json) => json,
        Err(error) => return failed(&format!("writing the result as JSON: {error}")),
    };
    if let Err(error) = writeln!(io::stdout(), "{json}") {
        return failed(&format!("writing the result to standard output: {error}"));
    }
    if let Ok(url) = std::env::var(deliver::URL)
        && let Err(error) = deliver::put(&url, &json, DELIVERY_PAUSE).await
    {
        return failed(&format!("delivering the result: {error}"));
    }
    if report
        .images
        .values()
        .any(|image| image.verdict == Verdict::Unknown)
    {
        return ExitCode::from(UNREADABLE);
    }
    ExitCode::SUCCESS
}

fn failed(message: &str) -> ExitCode {
    tracing::error!("{message}");
    ExitCode::FAILURE
}
