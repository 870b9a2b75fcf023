use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::filesystem::testing::InMemoryFileSystem;
use houndigrade_report::Distribution;

fn findings(files: &[(&'static str, &'static str)]) -> Findings {
    let memory = InMemoryFileSystem(
        files
            .iter()
            .map(|&(path, contents)| (path, Ok(contents)))
            .collect(),
    );
    gather(&Root::new(&memory), "disk1")
}

fn distribution(
    id: &str,
    version: Option<&str>,
    name: Option<&str>,
    path: &str,
) -> Option<Distribution> {
    Some(Distribution {
        id: id.into(),
        version: version.map(str::to_owned),
        name: name.map(str::to_owned),
        path: path.into(),
    })
}

const OWN: &str = "/etc/os-release";
const VENDOR: &str = "/usr/lib/os-release";

#[rstest]
#[case::quoted(
    &[(OWN, "NAME=\"x\"\nID=\"rhel\"\nVERSION_ID=\"8.4\"\nPRETTY_NAME='Red Hat Enterprise Linux 8.4'\n")],
    distribution("rhel", Some("8.4"), Some("Red Hat Enterprise Linux 8.4"), OWN))]
#[case::bare(&[(OWN, "ID=arch\nNAME=Arch")], distribution("arch", None, Some("Arch"), OWN))]
#[case::own_before_vendor(&[(OWN, "ID=own"), (VENDOR, "ID=vendor")], distribution("own", None, None, OWN))]
#[case::vendor_alone(&[(VENDOR, "ID=flatcar\nVERSION_ID=4081.2.0")], distribution("flatcar", Some("4081.2.0"), None, VENDOR))]
#[case::empty_values(&[(OWN, "ID=void\nVERSION_ID=\"\"\nPRETTY_NAME=")], distribution("void", None, None, OWN))]
#[case::no_id(&[(OWN, "NAME=Mine")], distribution("linux", None, Some("Mine"), OWN))]
#[case::longer_keys_are_other_keys(&[(OWN, "ID_LIKE=debian\nID=mint")], distribution("mint", None, None, OWN))]
#[case::before_os_release(
    &[("/etc/redhat-release", "CentOS release 6.10 (Final)\n")],
    distribution("centos", Some("6.10"), Some("CentOS release 6.10 (Final)"), "/etc/redhat-release"))]
#[case::rhel_6(
    &[("/etc/redhat-release", "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n")],
    distribution("rhel", Some("6.10"), Some("Red Hat Enterprise Linux Server release 6.10 (Santiago)"), "/etc/redhat-release"))]
#[case::garbage(&[(OWN, "\u{0}\u{1}==\n=\"")], None)]
#[case::unknown_file(&[("/etc/my-release", "5")], None)]
#[case::nothing(&[], None)]
fn distributions(
    #[case] files: &[(&'static str, &'static str)],
    #[case] expected: Option<Distribution>,
) {
    assert_eq!(findings(files).distribution, expected);
}

#[test]
fn a_disk_cannot_make_the_result_larger_than_its_reader_takes() {
    let long: &str = Box::leak("\0".repeat(64 * 1024).into_boxed_str());
    let rhel: &str = Box::leak(format!("{}é Red Hat", "x".repeat(8 * 1024)).into_boxed_str());
    let names =
        (0..63).map(|number| &*Box::leak(format!("/etc/{number}-release").into_boxed_str()));
    let mut files: Vec<_> = names.map(|name| (name, long)).collect();
    files.push(("/etc/redhat-release", rhel));
    let facts = findings(&files).facts;
    assert_eq!(
        facts.rhel_release_files.rhel_found,
        Some(true),
        "read, though not quoted"
    );
    let size = serde_json::to_vec(&facts).unwrap().len();
    assert!(
        size < 2 * 1024 * 1024,
        "{size} bytes; the operator takes 4 MiB"
    );
}

#[test]
fn release_files_that_name_red_hat_are_evidence() {
    let found = findings(&[
        (
            "/etc/redhat-release",
            "Red Hat Enterprise Linux release 8.4 (Ootpa)\n",
        ),
        ("/etc/os-release", "ID=rhel\nVERSION_ID=\"8.4\"\n"),
        ("/etc/lsb-release.d/x", "Red Hat"),
        ("/etc/unrelated", "Red Hat"),
    ]);
    let facts = found.facts;
    assert_eq!(facts.rhel_release_files.rhel_found, Some(true));
    let files: Vec<_> = facts
        .rhel_release_files
        .release_files
        .iter()
        .map(|file| (&*file.rhel_release_file, file.rhel_found))
        .collect();
    assert_eq!(
        files,
        [("/etc/os-release", false), ("/etc/redhat-release", true)]
    );
    assert_eq!(facts.os_version.as_deref(), Some("8.4"));
    let evidence = Evidence {
        fact: "rhel_release_files".into(),
        path: "/etc/redhat-release".into(),
        detail: "Red Hat Enterprise Linux release 8.4 (Ootpa)".into(),
    };
    assert_eq!(found.evidence, [evidence]);
}

#[test]
fn rebuilds_of_rhel_are_not_rhel() {
    let found = findings(&[(
        "/etc/os-release",
        "NAME=\"CentOS Linux\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nREDHAT_SUPPORT_PRODUCT=\"centos\"\n",
    )]);
    assert_eq!(found.evidence, []);
    assert_eq!(found.facts.rhel_release_files.rhel_found, Some(false));
}

#[rstest]
#[case::server("/etc/pki/product/69.pem", true)]
#[case::rhel_8("/etc/pki/product-default/479.pem", true)]
#[case::other_product("/etc/pki/product/70.pem", false)]
#[case::other_place("/etc/pki/69.pem", false)]
#[case::similar_name("/etc/pki/product/169.pem", false)]
fn product_certificates(#[case] path: &'static str, #[case] rhel: bool) {
    let found = findings(&[(path, "-----BEGIN CERTIFICATE-----")]);
    assert_eq!(found.facts.rhel_product_certs.rhel_found, Some(rhel));
    let paths: Vec<_> = found
        .evidence
        .iter()
        .map(|evidence| &*evidence.path)
        .collect();
    assert_eq!(paths, if rhel { vec![path] } else { vec![] });
}

#[test]
fn nothing_found_is_said_so() {
    let facts = serde_json::to_value(findings(&[]).facts).unwrap();
    assert_eq!(
        facts["rhel_release_files"]["status"],
        "No release files found on disk1"
    );
    assert_eq!(
        facts["rhel_signed_packages"],
        serde_json::json!({
            "rhel_found": false,
            "rhel_signed_package_count": 0,
            "status": "RPM DB directory on disk1 has no data",
        })
    );
}

#[rstest]
#[case::as_it_is("{\n  \"role\": \"Server\"\n}\n", true)]
#[case::malformed("{role", true)]
#[case::whitespace(" \n", true)]
#[case::empty("", false)]
#[case::as_large_as_allowed(&"x".repeat(1024), true)]
#[case::too_large(&"x".repeat(1025), false)]
fn system_purpose_files(#[case] text: &str, #[case] kept: bool) {
    let found = findings(&[(
        "/etc/rhsm/syspurpose/syspurpose.json",
        text.to_owned().leak(),
    )]);
    assert_eq!(
        found.facts.syspurpose_contents.as_deref(),
        kept.then_some(text)
    );
}

#[rstest]
#[case::object(r#" {"role": "Server"} "#, Some(json!({"role": "Server"})))]
#[case::other(r#"["Server"]"#, Some(json!(["Server"])))]
#[case::empty_object("{}", None)]
#[case::null("null", None)]
#[case::whitespace(" \n", None)]
#[case::malformed("{role", None)]
#[case::words_behind("{} x", None)]
#[case::deep(&"[".repeat(1024), None)]
fn system_purposes(#[case] text: &str, #[case] expected: Option<Value>) {
    assert_eq!(system_purpose::parse(text), expected);
}
