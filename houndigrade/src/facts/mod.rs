//! What the files of an image say about it.

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

/// All that was found below one root.
#[derive(Debug, Default)]
pub struct Findings {
    /// The results of the checks, as the report shows them.
    pub facts: Facts,
    /// Which Linux it is.
    pub distribution: Option<Distribution>,
    /// The reasons to say RHEL.
    pub evidence: Vec<Evidence>,
    /// Checks that could not be made. The others' results stand.
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
    /// Keeps the value of a check that could be made, and the reason of one that could not.
    fn keep<T>(&mut self, what: &str, result: Result<T, FileSystemError>) -> Result<T, String> {
        result.map_err(|error| {
            let message = format!("reading {what}: {error}");
            self.problems.push(Problem::new(error.code(), &*message));
            message
        })
    }
}
