//! houndigrade's result. It was made beside an untrusted disk, so nothing in it is believed beyond this image,
//! and no text of it goes anywhere at full length.

use serde::Deserialize;
use serde_json::Value;

use cloudigrade_api::VerdictStatus;

/// Largest result taken.
pub(super) const LARGEST: usize = 4 * 1024 * 1024;

/// Longest text taken over into the status, in characters, and how many pieces of evidence.
const LONGEST_WORD: usize = 64;
const LONGEST_SENTENCE: usize = 256;
const MOST_REASONS: usize = 8;

/// What houndigrade says of content that no further attempt makes readable.
const UNSUPPORTED: [&str; 2] = ["unsupported file system", "unsupported LVM2 segments"];
const NO_DISTRIBUTION: &str = "no Linux distribution was found";

/// The result for one image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Report {
    /// houndigrade's entry for the image (§6.5), as it is kept.
    pub(super) entry: Value,
    /// What it says, as far as it says something.
    pub(super) verdict: VerdictStatus,
    /// Set when it says nothing.
    pub(super) unreadable: Option<Unreadable>,
}

/// Why a disk could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) reason: &'static str,
    /// What houndigrade said.
    pub(super) message: String,
    /// No further attempt will change it.
    pub(super) lasting: bool,
}

#[derive(Deserialize)]
struct Delivered {
    images: serde_json::Map<String, Value>,
}

/// What matters of an entry; the rest is kept unread.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    /// `rhel`, `not_rhel`, `unknown`
    verdict: String,
    rhel_found: bool,
    rhel_release_files_found: Option<bool>,
    rhel_product_certs_found: Option<bool>,
    rhel_enabled_repos_found: Option<bool>,
    rhel_signed_packages_found: Option<bool>,
    rhel_version: Option<String>,
    distribution: Option<Distribution>,
    evidence: Vec<Evidence>,
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct Distribution {
    id: String,
    version: Option<String>,
    name: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize)]
struct Evidence {
    path: String,
    detail: String,
}

/// Reads what was delivered for `image`.
///
/// # Errors
/// When it is not houndigrade's JSON or says nothing about `image`.
pub(super) fn parse(delivered: &[u8], image: &str) -> Result<Report, String> {
    let mut delivered: Delivered =
        serde_json::from_slice(delivered).map_err(|error| error.to_string())?;
    let mut entry = delivered
        .images
        .remove(image)
        .ok_or_else(|| format!("it has no entry for {image}"))?;
    strip_nul(&mut entry);
    let read = Entry::deserialize(&entry).map_err(|error| error.to_string())?;
    let verdict = verdict(&read);
    let unreadable =
        (!verdict.rhel && read.verdict != "not_rhel").then(|| unreadable(&read.errors));
    Ok(Report {
        entry,
        verdict,
        unreadable,
    })
}

/// The verdict in an entry that was kept; of one in an older shape only what it has.
pub(crate) fn kept(entry: &Value) -> VerdictStatus {
    verdict(&Entry::deserialize(entry).unwrap_or_default())
}

/// Any evidence makes it RHEL (§7).
fn verdict(entry: &Entry) -> VerdictStatus {
    let checks = [
        (
            entry.rhel_release_files_found,
            "a release file names Red Hat",
        ),
        (
            entry.rhel_product_certs_found,
            "a RHEL product certificate is installed",
        ),
        (
            entry.rhel_enabled_repos_found,
            "a RHEL repository is enabled",
        ),
        (
            entry.rhel_signed_packages_found,
            "packages are signed by Red Hat",
        ),
    ];
    let mut found = checks
        .into_iter()
        .filter(|(found, _)| *found == Some(true))
        .map(|(_, what)| what)
        .peekable();
    let rhel = entry.rhel_found || found.peek().is_some();
    let distribution = entry.distribution.as_ref();
    let reasons = if !rhel {
        let system = distribution.and_then(|d| d.name.as_ref().zip(d.path.as_ref()));
        let says = system
            .map(|(name, path)| format!("; {path} says {name}"))
            .unwrap_or_default();
        vec![printable(
            &format!("no evidence of RHEL{says}"),
            LONGEST_SENTENCE,
        )]
    } else if entry.evidence.is_empty() {
        found.map(str::to_owned).collect()
    } else {
        let evidence = entry.evidence.iter().take(MOST_REASONS);
        evidence
            .map(|e| printable(&format!("{}: {}", e.path, e.detail), LONGEST_SENTENCE))
            .collect()
    };
    let version = distribution
        .and_then(|d| d.version.as_ref())
        .or(entry.rhel_version.as_ref());
    VerdictStatus {
        distribution: distribution.map(|d| printable(&d.id, LONGEST_WORD)),
        version: version.map(|version| printable(version, LONGEST_WORD)),
        rhel,
        reasons,
    }
}

fn unreadable(errors: &[String]) -> Unreadable {
    let is_unsupported = |error: &&String| UNSUPPORTED.iter().any(|words| error.contains(words));
    let unsupported = errors.iter().find(is_unsupported);
    let said = unsupported.or(errors.first()).map_or(
        "houndigrade could not read the disk and did not say why",
        |e| e,
    );
    let message = printable(said, LONGEST_SENTENCE);
    let (reason, lasting) = match unsupported {
        Some(_) => ("UnsupportedFileSystem", true),
        None if matches!(errors, [only] if only == NO_DISTRIBUTION) => ("NoDistribution", true),
        None => ("Unreadable", false),
    };
    Unreadable {
        reason,
        message,
        lasting,
    }
}

/// Text that cannot play tricks on a terminal, cut to `most` characters.
fn printable(text: &str, most: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(most)
        .collect()
}

/// Postgres keeps no NUL in JSON.
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
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn report(entry: Value) -> Report {
        let delivered = json!({"cloud": "aws", "errors": [], "images": {"ami-1": entry}});
        parse(delivered.to_string().as_bytes(), "ami-1").unwrap()
    }

    #[rstest]
    #[case::evidence(json!({"verdict": "rhel", "rhel_found": true, "rhel_release_files_found": true, "rhel_signed_packages_found": null,
        "distribution": {"id": "rhel", "version": "9.4", "name": "Red Hat Enterprise Linux 9.4", "path": "/etc/os-release"},
        "evidence": [{"fact": "rhel_release_files", "path": "/etc/redhat-release", "detail": "Red Hat Enterprise Linux release 9.4 (Plow)"}]}),
        Some(true), Some("rhel"), Some("9.4"), "/etc/redhat-release: Red Hat Enterprise Linux release 9.4 (Plow)")]
    #[case::evidence_beside_errors(json!({"verdict": "rhel", "rhel_found": true, "rhel_product_certs_found": true, "errors": ["sda2: broken"]}),
        Some(true), None, None, "a RHEL product certificate is installed")]
    #[case::one_check_is_enough(json!({"rhel_found": false, "rhel_signed_packages_found": true, "rhel_version": "8.4"}),
        Some(true), None, Some("8.4"), "packages are signed by Red Hat")]
    #[case::another_linux(json!({"verdict": "not_rhel", "rhel_found": false,
        "distribution": {"id": "debian", "version": "12", "name": "Debian GNU/Linux 12 (bookworm)", "path": "/etc/os-release"}}),
        Some(false), Some("debian"), Some("12"), "no evidence of RHEL; /etc/os-release says Debian GNU/Linux 12 (bookworm)")]
    fn verdicts(
        #[case] entry: Value,
        #[case] rhel: Option<bool>,
        #[case] distribution: Option<&str>,
        #[case] version: Option<&str>,
        #[case] reason: &str,
    ) {
        let report = report(entry);
        assert_eq!(report.unreadable, None);
        assert_eq!(Some(report.verdict.rhel), rhel);
        assert_eq!(report.verdict.distribution.as_deref(), distribution);
        assert_eq!(report.verdict.version.as_deref(), version);
        assert_eq!(report.verdict.reasons, [reason]);
    }

    #[rstest]
    #[case::unsupported(json!({"verdict": "unknown", "errors": ["p1: unsupported file system: ntfs"]}),
        "UnsupportedFileSystem", "p1: unsupported file system: ntfs", true)]
    #[case::the_lasting_one_is_named(json!({"verdict": "unknown", "errors": ["p1: timed out", "p2: unsupported file system: ntfs"]}),
        "UnsupportedFileSystem", "p2: unsupported file system: ntfs", true)]
    #[case::volume(json!({"verdict": "unknown", "errors": ["/dev/vg/root: unsupported LVM2 segments: thin"]}),
        "UnsupportedFileSystem", "/dev/vg/root: unsupported LVM2 segments: thin", true)]
    #[case::may_pass(json!({"verdict": "unknown", "errors": ["GetSnapshotBlock: throttled"]}), "Unreadable", "GetSnapshotBlock: throttled", false)]
    #[case::empty_disk(json!({"verdict": "unknown", "readable": true, "errors": ["no Linux distribution was found"]}),
        "NoDistribution", "no Linux distribution was found", true)]
    #[case::silent(json!({}), "Unreadable", "houndigrade could not read the disk and did not say why", false)]
    fn an_unreadable_disk_is_never_called_another_linux(
        #[case] entry: Value,
        #[case] reason: &'static str,
        #[case] message: &str,
        #[case] lasting: bool,
    ) {
        assert_eq!(
            report(entry).unreadable,
            Some(Unreadable {
                reason,
                message: message.into(),
                lasting
            })
        );
    }

    #[rstest]
    #[case::no_json("<html>")]
    #[case::no_images(r#"{"cloud": "aws"}"#)]
    #[case::another_image(r#"{"images": {"ami-2": {"rhel_found": true, "verdict": "rhel"}}}"#)]
    #[case::wrong_types(r#"{"images": {"ami-1": {"rhel_found": "yes"}}}"#)]
    fn what_is_no_result_is_refused(#[case] delivered: &str) {
        assert!(parse(delivered.as_bytes(), "ami-1").is_err());
    }

    #[test]
    fn hostile_text_is_cut_and_cleaned() {
        let detail = "\u{1b}[2J".repeat(500);
        let report = report(json!({"verdict": "rhel", "rhel_found": true,
            "distribution": {"id": "x".repeat(500)}, "syspurpose": {"ro\0le": ["a\0b"]},
            "evidence": vec![json!({"path": "/etc/x", "detail": detail}); 50]}));
        assert_eq!(
            report.verdict.distribution.map(|id| id.len()),
            Some(LONGEST_WORD)
        );
        assert_eq!(report.verdict.reasons.len(), MOST_REASONS);
        assert!(
            report
                .verdict
                .reasons
                .iter()
                .all(|r| r.len() <= LONGEST_SENTENCE && !r.contains('\u{1b}'))
        );
        assert_eq!(report.entry["syspurpose"], json!({"role": ["ab"]}));
    }
}
