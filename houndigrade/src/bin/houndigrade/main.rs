//! `houndigrade`: says which Linux is on a disk.

mod cli;
mod images;
mod location;
mod output;
mod progress;
mod summary;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, error::ErrorKind};
use houndigrade::report::{Report, Verdict};
use tracing_subscriber::EnvFilter;

use crate::cli::Arguments;
use crate::images::inspect_all;
use crate::output::Output;
use crate::progress::Progress;
use crate::summary::summary;

/// At least one image could not be read.
const UNREADABLE: u8 = 3;

/// Crates that would log requests, external ids included, at lower levels.
const NOT_TO_LOG: [&str; 2] = ["aws_smithy_runtime=info", "aws_smithy_runtime_api=info"];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let progress = Progress::new();
    log(&progress);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("starting: {error}")),
    };
    let code = runtime.block_on(run(&arguments, &progress));
    // An inspection past its time limit may still hold a thread: leave it behind.
    runtime.shutdown_background();
    code
}

/// Sets up logging. A person at a terminal sees progress and the result, so success is not logged.
fn log(progress: &Progress) {
    let terminal = io::stderr().is_terminal();
    let usual = if terminal { "warn" } else { "info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let filter = NOT_TO_LOG
        .iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(progress.clone())
        .with_ansi(terminal)
        .init();
}

async fn run(arguments: &Arguments, progress: &Progress) -> ExitCode {
    let images = match arguments.images() {
        Ok(images) => images,
        Err(message) => Arguments::command()
            .error(ErrorKind::ValueValidation, message)
            .exit(),
    };
    let (jobs, limits) = arguments.limits(images.len());
    let images = inspect_all(images, jobs, limits, progress).await;
    let report = Report::new(arguments.cloud.name(), images);
    if let Err(message) = write_outputs(arguments, &report).await {
        return failed(&message);
    }
    let unreadable = |verdict| verdict == Verdict::Unknown;
    if report
        .images
        .values()
        .any(|image| unreadable(image.verdict))
    {
        return ExitCode::from(UNREADABLE);
    }
    ExitCode::SUCCESS
}

/// Writes the result to all outputs. A failed one does not keep the others from it.
async fn write_outputs(arguments: &Arguments, report: &Report) -> Result<(), String> {
    let json = if arguments.pretty {
        serde_json::to_string_pretty(report)
    } else {
        serde_json::to_string(report)
    };
    let json = json.map_err(|error| format!("writing the result as JSON: {error}"))?;
    let mut failures = Vec::new();
    if arguments.summary {
        let summary = summary(report);
        let printed = match arguments.json_to() {
            Some(Output::Stdout) => io::stderr().write_all(summary.as_bytes()),
            _ => io::stdout().write_all(summary.as_bytes()),
        };
        if let Err(error) = printed {
            failures.push(format!("printing the summary: {error}"));
        }
    }
    for output in arguments
        .json_to()
        .into_iter()
        .chain(&Output::from_environment())
    {
        failures.extend(output.write(&json).await.err());
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("; "))
    }
}

fn failed(message: &str) -> ExitCode {
    tracing::error!("{message}");
    ExitCode::FAILURE
}
