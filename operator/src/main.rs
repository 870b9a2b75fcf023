//! The `cloudigrade` command.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cloudigrade::cli::main().await
}
