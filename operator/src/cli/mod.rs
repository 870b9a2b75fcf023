//! `cloudigrade`: one binary, a subcommand a job.

mod crds;
mod dead_letters;
mod explain;
mod migrate;
mod output;
mod prune;
mod replay;
mod report;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::RunConfig;
use crate::telemetry::{self, LogFormat};

/// Meters Linux use in public clouds from Kubernetes.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "Every option can be set by the environment variable that its help names.\nExit status: 0 done, 1 failed, 2 wrong usage."
)]
struct Cli {
    /// Format of the log on stderr
    #[arg(
        long,
        global = true,
        env = "CLOUDIGRADE_LOG_FORMAT",
        value_enum,
        default_value_t
    )]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator: reconcile resources, take in log files
    Run(Box<RunConfig>),
    /// Bring the database schema up to date
    Migrate(migrate::MigrateArgs),
    /// Print the custom resource definitions as YAML
    Crds(crds::CrdsArgs),
    /// Show usage: RHEL instances running at once, and hours by distribution
    Report(report::ReportArgs),
    /// Show where a number comes from
    Explain(explain::ExplainArgs),
    /// Record log files from a folder or a bucket: backfill, audits
    Replay(replay::ReplayArgs),
    /// Delete old events and entries of the ledger; runs and usage stay
    Prune(prune::PruneArgs),
    /// Look at messages that could not be processed, and process them again
    DeadLetters(dead_letters::DeadLettersArgs),
}

impl Command {
    /// Filter of its log: commands that print a result log only what goes wrong.
    fn log_filter(&self) -> &'static str {
        match self {
            Self::Run(_) | Self::Migrate(_) => "info,kube=warn",
            _ => "warn",
        }
    }
}

/// Runs the command line; errors are printed on stderr.
pub async fn main() -> ExitCode {
    let Cli {
        log_format,
        command,
    } = Cli::parse();
    telemetry::start_logging(log_format, command.log_filter());
    let result = match command {
        Command::Run(config) => run::run(*config).await,
        Command::Migrate(args) => migrate::run(&args).await,
        Command::Crds(args) => crds::run(&args),
        Command::Report(args) => report::run(&args).await,
        Command::Explain(args) => explain::run(&args).await,
        Command::Replay(args) => replay::run(&args).await,
        Command::Prune(args) => prune::run(&args).await,
        Command::DeadLetters(args) => dead_letters::run(&args).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cloudigrade: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Error of a command, for a person.
type CommandError = Box<dyn std::error::Error + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_of_services_are_in_no_error_if_one_of_them_is_wrong() {
        let psks = r#"{"a": "short", "b": "very-secret-key-of-b"}"#;
        let needed = [
            "--database-url",
            "postgres:///cloudigrade?host=/nowhere",
            "--trail-bucket=t",
            "--queue-url=q",
            "--results-bucket=r",
            "--houndigrade-image=h",
        ];
        let arguments = ["cloudigrade", "run", "--psks", psks];
        let cli = Cli::try_parse_from(arguments.iter().chain(&needed)).unwrap();
        assert!(!format!("{cli:?}").contains("very-secret"));
        let Command::Run(config) = cli.command else {
            panic!("another command");
        };
        let error = run::run(*config).await.unwrap_err().to_string();
        assert!(
            error.contains("the key of a has fewer than 16 characters"),
            "{error}"
        );
        assert!(!error.contains("very-secret"), "{error}");
    }
}
