use rstest::rstest;
use serde_json::json;

use super::*;

fn result(entry: Value) -> InspectionResult {
    let delivered = json!({"cloud": "aws", "errors": [], "images": {"ami-1": entry}});
    parse(delivered.to_string().as_bytes(), "ami-1").unwrap()
}

#[rstest]
#[case::evidence(json!({"verdict": "rhel", "rhel_found": true, "rhel_release_files_found": true, "rhel_signed_packages_found": false,
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
    let result = result(entry);
    assert_eq!(result.unreadable, None);
    assert_eq!(Some(result.verdict.rhel), rhel);
    assert_eq!(result.verdict.distribution.as_deref(), distribution);
    assert_eq!(result.verdict.version.as_deref(), version);
    assert_eq!(result.verdict.reasons, [reason]);
}

#[rstest]
#[case::unsupported(&["UnsupportedFileSystem"], "UnsupportedFileSystem", "0: UnsupportedFileSystem!", true)]
#[case::volume(&["UnsupportedVolume"], "UnsupportedFileSystem", "0: UnsupportedVolume!", true)]
#[case::encrypted(&["Encrypted"], "Encrypted", "0: Encrypted!", true)]
#[case::empty_disk(&["NoDistribution"], "NoDistribution", "0: NoDistribution!", true)]
#[case::unrecognised(&["Unrecognised"], "Unreadable", "0: Unrecognised!", false)]
#[case::damaged(&["Damaged"], "Unreadable", "0: Damaged!", false)]
#[case::limit(&["LimitExceeded"], "Unreadable", "0: LimitExceeded!", false)]
#[case::memory(&["MemoryExceeded"], "Unreadable", "0: MemoryExceeded!", false)]
#[case::missing(&["Missing"], "Unreadable", "0: Missing!", false)]
#[case::timeout(&["Timeout"], "Unreadable", "0: Timeout!", false)]
#[case::call(&["Unreadable"], "Unreadable", "0: Unreadable!", false)]
#[case::bug(&["ReaderFailed"], "Unreadable", "0: ReaderFailed!", false)]
#[case::of_a_later_version(&["EatenByDog"], "Unreadable", "0: EatenByDog!", false)]
#[case::the_first_is_named(&["Timeout", "Damaged"], "Unreadable", "0: Timeout!", false)]
#[case::a_permanent_one_decides(&["Timeout", "UnsupportedVolume"], "UnsupportedFileSystem", "1: UnsupportedVolume!", true)]
#[case::silent(&[], "Unreadable", "houndigrade could not read the disk and did not say why", false)]
fn an_unreadable_disk_is_never_called_another_linux(
    #[case] codes: &[&str],
    #[case] reason: &'static str,
    #[case] message: &str,
    #[case] permanent: bool,
) {
    let problem = |(path, code): (usize, &&str)| json!({"code": code, "path": path.to_string(), "message": format!("{code}!\u{1b}")});
    let problems: Vec<_> = codes.iter().enumerate().map(problem).collect();
    let entry = json!({"verdict": "unknown", "readable": true, "problems": problems});
    assert_eq!(
        result(entry).unreadable,
        Some(Unreadable {
            reason,
            message: message.into(),
            permanent
        })
    );
}

/// The words of an error may change; they decide nothing.
#[test]
fn texts_are_not_matched() {
    let entry = json!({"errors": ["unsupported file system", "no Linux distribution was found"],
        "problems": [{"code": "Unreadable", "message": "unsupported file system"}]});
    assert!(!result(entry).unreadable.unwrap().permanent);
}

#[test]
fn a_stored_entry_has_the_verdict_that_was_delivered() {
    let entry = json!({"verdict": "rhel", "rhel_found": true, "rhel_product_certs_found": true});
    let result = result(entry);
    assert_eq!(stored_verdict(&result.entry), result.verdict);
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
    let result = result(json!({"verdict": "rhel", "rhel_found": true,
        "distribution": {"id": "x".repeat(500)}, "syspurpose": {"ro\0le": ["a\0b"]},
        "evidence": vec![json!({"path": "/etc/x", "detail": detail}); 50]}));
    assert_eq!(
        result.verdict.distribution.map(|id| id.len()),
        Some(LONGEST_WORD)
    );
    assert_eq!(result.verdict.reasons.len(), MOST_REASONS);
    assert!(
        result
            .verdict
            .reasons
            .iter()
            .all(|r| r.len() <= LONGEST_SENTENCE && !r.contains('\u{1b}'))
    );
    assert_eq!(result.entry["syspurpose"], json!({"role": ["ab"]}));
}
