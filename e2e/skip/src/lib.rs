//! Skipped tests. Every skip passes through [`skip`], so that none is silent: `e2e/test` ends with their names.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::{env, io, thread};

/// The reasons to skip a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A tool, loop devices, or the right to mount: machines can have them.
    Tool,
    /// Data that are not part of this repository.
    ReferenceData,
}

/// Records that the running test is skipped: as a line of the file that `CLOUDIGRADE_SKIPPED` names, otherwise on standard error,
/// past the capture of the test harness.
///
/// # Panics
/// With `CI=true`, unless reference data are missing: there, a test that does not run has failed.
#[expect(clippy::unwrap_used, reason = "support of tests panics, as tests do")]
pub fn skip(missing: Missing, reason: &str) {
    let current = thread::current();
    let test = current.name().unwrap_or("a test");
    let in_ci = env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(
        !in_ci || missing == Missing::ReferenceData,
        "{test} must run in CI: {reason}"
    );
    let line = format!("SKIPPED {test}: {}\n", reason.trim().replace('\n', " "));
    let written = match env::var_os("CLOUDIGRADE_SKIPPED") {
        Some(path) => File::options()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(line.as_bytes())),
        None => io::stderr().write_all(line.as_bytes()),
    };
    written.unwrap();
}

/// Returns the folder with the reference data called `name`: where `REFERENCE_NAME` says, or beside the checkout. Skips the test
/// without it.
pub fn reference_data(name: &str) -> Option<PathBuf> {
    let folder = env::var_os(format!("REFERENCE_{}", name.to_uppercase()))
        .map_or_else(|| format!("../../shared/{name}").into(), PathBuf::from);
    if !folder.is_dir() {
        let reason = format!("there is no {}", folder.display());
        skip(Missing::ReferenceData, &reason);
        return None;
    }
    Some(folder)
}
