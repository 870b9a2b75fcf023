//! The checks, which read files of an image.

mod distribution;
mod ini;
mod product_certs;
mod release_files;
mod repositories;
mod signed_packages;
pub mod system_purpose;
#[cfg(test)]
mod tests;

use crate::filesystem::{FileSystemError, Root};
use houndigrade_report::{Distribution, Evidence, Facts, Problem};

/// The results of all checks below one root.
#[derive(Debug, Default)]
pub struct Findings {
    /// The results of the checks, as the report shows them.
    pub facts: Facts,
    /// The Linux distribution installed.
    pub distribution: Option<Distribution>,
    /// The reasons to say RHEL.
    pub evidence: Vec<Evidence>,
    /// The checks that could not be made. The others' results stand.
    pub problems: Vec<Problem>,
}

/// Makes all checks. `partition` is named where a check finds nothing.
pub fn gather(root: &Root<'_>, partition: &str) -> Findings {
    let mut findings = Findings::default();
    release_files::check(root, partition, &mut findings);
    product_certs::check(root, &mut findings);
    repositories::check(root, &mut findings);
    system_purpose::check(root, &mut findings);
    signed_packages::check(root, partition, &mut findings);
    findings
}

impl Findings {
    /// Records the problem of a check that could not be made, and returns its message.
    fn keep<T>(&mut self, what: &str, result: Result<T, FileSystemError>) -> Result<T, String> {
        result.map_err(|error| {
            let message = format!("reading {what}: {error}");
            self.problems.push(Problem::new(error.code(), &*message));
            message
        })
    }
}
