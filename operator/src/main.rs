//! The `cloudigrade` command.

use std::process::ExitCode;

/// Stack of each thread. Unoptimized builds move whole futures, and those of the AWS SDK are large.
const STACK: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(cloudigrade::cli::main()),
        Err(error) => {
            eprintln!("cloudigrade: starting: {error}");
            ExitCode::FAILURE
        }
    }
}
