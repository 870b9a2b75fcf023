//! Reads houndigrade's result. It was made beside an untrusted disk: texts are cut and cleaned, and nothing in it is believed beyond
//! this image.

use cloudigrade_api::VerdictStatus;
use houndigrade_report::{InspectedImage, ProblemCode, Verdict};
use serde::Deserialize;
use serde_json::Value;

/// Largest result that is read, in bytes.
pub(super) const LARGEST: usize = 4 * 1024 * 1024;

/// Longest texts in the status, in characters, and most pieces of evidence.
const LONGEST_WORD: usize = 64;
const LONGEST_SENTENCE: usize = 256;
const MOST_REASONS: usize = 8;

/// The result for one image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct InspectionResult {
    /// houndigrade's entry for the image, as Postgres stores it.
    pub(super) entry: Value,
    /// The verdict, as far as there is one.
    pub(super) verdict: VerdictStatus,
    /// Set if there is none.
    pub(super) unreadable: Option<Unreadable>,
}

/// Why a disk could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) reason: &'static str,
    /// houndigrade's words.
    pub(super) message: String,
    /// No further attempt will change it.
    pub(super) permanent: bool,
}

/// Reads the entry for `image` from the delivered JSON.
///
/// # Errors
/// When it is not houndigrade's JSON or has no entry for `image`.
pub(super) fn parse(delivered: &[u8], image: &str) -> Result<InspectionResult, String> {
    let mut delivered: Value =
        serde_json::from_slice(delivered).map_err(|error| error.to_string())?;
    let mut entry = delivered
        .get_mut("images")
        .and_then(|images| images.get_mut(image))
        .map(Value::take)
        .ok_or_else(|| format!("it has no entry for {image}"))?;
    strip_nul(&mut entry);
    let inspected = InspectedImage::deserialize(&entry).map_err(|error| error.to_string())?;
    let verdict = verdict(&inspected);
    let is_known = verdict.rhel || inspected.verdict == Verdict::NotRhel;
    let unreadable = (!is_known).then(|| unreadable(&inspected));
    Ok(InspectionResult {
        entry,
        verdict,
        unreadable,
    })
}

/// Returns the verdict in a stored entry.
pub(crate) fn stored_verdict(entry: &Value) -> VerdictStatus {
    verdict(&InspectedImage::deserialize(entry).unwrap_or_default())
}

/// Any evidence makes it RHEL (`docs/design/original.md`).
fn verdict(inspected: &InspectedImage) -> VerdictStatus {
    let checks = [
        (
            inspected.rhel_release_files_found,
            "a release file names Red Hat",
        ),
        (
            inspected.rhel_product_certs_found,
            "a RHEL product certificate is installed",
        ),
        (
            inspected.rhel_enabled_repos_found,
            "a RHEL repository is enabled",
        ),
        (
            inspected.rhel_signed_packages_found,
            "packages are signed by Red Hat",
        ),
    ];
    let mut found = checks
        .into_iter()
        .filter_map(|(found, reason)| found.then_some(reason))
        .peekable();
    let rhel = inspected.rhel_found || found.peek().is_some();
    let distribution = inspected.distribution.as_ref();
    let reasons = if !rhel {
        let system = distribution.and_then(|d| Some((d.name.as_ref()?, &d.path)));
        let says = system
            .map(|(name, path)| format!("; {path} says {name}"))
            .unwrap_or_default();
        vec![printable(
            &format!("no evidence of RHEL{says}"),
            LONGEST_SENTENCE,
        )]
    } else if inspected.evidence.is_empty() {
        found.map(str::to_owned).collect()
    } else {
        let evidence = inspected.evidence.iter().take(MOST_REASONS);
        evidence
            .map(|e| printable(&format!("{}: {}", e.path, e.detail), LONGEST_SENTENCE))
            .collect()
    };
    let version = distribution
        .and_then(|d| d.version.as_ref())
        .or(inspected.rhel_version.as_ref());
    VerdictStatus {
        distribution: distribution.map(|d| printable(&d.id, LONGEST_WORD)),
        version: version.map(|version| printable(version, LONGEST_WORD)),
        rhel,
        reasons,
    }
}

/// Of several problems, a permanent one decides: with it, a further attempt is no use.
fn unreadable(inspected: &InspectedImage) -> Unreadable {
    let problems = &inspected.problems;
    let permanent = problems.iter().find(|problem| is_permanent(problem.code));
    let Some(problem) = permanent.or(problems.first()) else {
        return Unreadable {
            reason: reason(ProblemCode::Unknown),
            message: "houndigrade could not read the disk and did not say why".into(),
            permanent: false,
        };
    };
    Unreadable {
        reason: reason(problem.code),
        message: printable(&problem.to_string(), LONGEST_SENTENCE),
        permanent: permanent.is_some(),
    }
}

/// No further attempt will change it.
fn is_permanent(code: ProblemCode) -> bool {
    match code {
        ProblemCode::UnsupportedFileSystem
        | ProblemCode::UnsupportedVolume
        | ProblemCode::Encrypted
        | ProblemCode::NoDistribution => true,
        ProblemCode::Unrecognised
        | ProblemCode::Damaged
        | ProblemCode::LimitExceeded
        | ProblemCode::MemoryExceeded
        | ProblemCode::Missing
        | ProblemCode::Timeout
        | ProblemCode::Unreadable
        | ProblemCode::ReaderFailed
        | ProblemCode::Unknown => false,
    }
}

/// Returns the reason in the conditions.
fn reason(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::UnsupportedFileSystem | ProblemCode::UnsupportedVolume => {
            "UnsupportedFileSystem"
        }
        ProblemCode::Encrypted => "Encrypted",
        ProblemCode::NoDistribution => "NoDistribution",
        ProblemCode::Unrecognised
        | ProblemCode::Damaged
        | ProblemCode::LimitExceeded
        | ProblemCode::MemoryExceeded
        | ProblemCode::Missing
        | ProblemCode::Timeout
        | ProblemCode::Unreadable
        | ProblemCode::ReaderFailed
        | ProblemCode::Unknown => "Unreadable",
    }
}

/// Returns the text without control characters, cut to `most` characters.
fn printable(text: &str, most: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(most)
        .collect()
}

/// Removes what Postgres refuses in JSON.
fn strip_nul(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(items) => items.iter_mut().for_each(strip_nul),
        Value::Object(map) => {
            if map.keys().any(|key| key.contains('\0')) {
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(key, value)| (key.replace('\0', ""), value))
                    .collect();
            }
            map.values_mut().for_each(strip_nul);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
