use std::io;

use rstest::rstest;

use super::*;
use crate::facts::gather;
use crate::filesystem::testing::InMemoryFileSystem;
use crate::filesystem::{FileSystem, FileType, OpenFile};
use crate::test_disks::texts;

const RHUI: &str = "[rhui]\nname=Red Hat Enterprise Linux 7 (RPMs)\nenabled=1\n";
const OTHER: &str = "[extra]\nname=Extras of RHEL\nenabled=1\n";
const DISABLED: &str = "[debug]\nname=Red Hat Enterprise Linux 7 (Debug)\nenabled=0\n";
const EPEL: &str = "[epel]\nname=Extra Packages for Enterprise Linux 7\nenabled=1\n";
const BROKEN: &str = "no section\n";

fn memory(files: &[(&'static str, &'static str)]) -> InMemoryFileSystem {
    InMemoryFileSystem(
        files
            .iter()
            .map(|&(path, contents)| (path, Ok(contents)))
            .collect(),
    )
}

fn enabled(files: &[(&'static str, &'static str)]) -> EnabledRepos {
    gather(&Root::new(&memory(files)), "disk1")
        .facts
        .rhel_enabled_repos
}

fn ids(repos: &EnabledRepos) -> Vec<&str> {
    let repos = repos.rhel_enabled_repos.iter();
    repos.map(|repository| &*repository.repo).collect()
}

#[rstest]
#[case::default_directory(&[("/etc/yum.repos.d/a.repo", RHUI)], &["rhui"])]
#[case::directory_of_dnf(&[("/etc/distro.repos.d/a.repo", RHUI)], &["rhui"])]
#[case::other_names(&[("/etc/yum.repos.d/a.repo.rpmsave", RHUI)], &[])]
#[case::other_repositories(&[("/etc/yum.repos.d/a.repo", EPEL)], &[])]
#[case::disabled(&[("/etc/yum.repos.d/a.repo", DISABLED)], &[])]
#[case::in_the_configuration(&[("/etc/yum.conf", "[main]\n[rhui]\nname=RHEL\nenabled=1")], &["rhui"])]
#[case::configured_directory(
    &[("/etc/dnf/dnf.conf", "[main]\nreposdir=/srv/repos"), ("/srv/repos/a.repo", RHUI)], &["rhui"])]
#[case::in_quotes_and_commas(
    &[("/etc/dnf/dnf.conf", "[main]\nreposdir=\"/a\",\"/b\""), ("/a/a.repo", RHUI), ("/b/b.repo", OTHER)], &["rhui", "extra"])]
#[case::in_spaces_and_lines(
    &[("/etc/yum.conf", "[main]\nreposdir = /a/ ,/b\n  /c"), ("/a/a.repo", RHUI), ("/b/b.repo", EPEL), ("/c/c.repo", OTHER)],
    &["rhui", "extra"])]
#[case::not_that_of_another_section(&[("/etc/yum.conf", "[main]\n[x]\nreposdir=/a"), ("/a/a.repo", RHUI)], &[])]
#[case::out_of_the_image(&[("/etc/yum.conf", "[main]\nreposdir=/../../a"), ("/a/a.repo", RHUI)], &["rhui"])]
#[case::twice(&[("/etc/yum.repos.d/a.repo", RHUI), ("/etc/yum.repos.d/b.repo", RHUI)], &["rhui"])]
#[case::directory_twice(
    &[("/etc/yum.conf", "[main]\nreposdir=/etc/yum.repos.d"), ("/etc/yum.repos.d/a.repo", RHUI)], &["rhui"])]
#[case::nothing(&[], &[])]
fn repositories_are_found(
    #[case] files: &[(&'static str, &'static str)],
    #[case] expected: &[&str],
) {
    let repos = enabled(files);
    assert_eq!(ids(&repos), expected);
    assert_eq!(repos.rhel_found, Some(!expected.is_empty()));
    assert_eq!(repos.status, None);
}

#[rstest]
#[case("enabled=1", true)]
#[case("enabled = True", true)]
#[case("enabled: yes", true)]
#[case("ENABLED=on", true)]
#[case::unless_it_says_no("", true)]
#[case("enabled=0", false)]
#[case("enabled=false", false)]
#[case("enabled=", false)]
#[case("enabled=10", false)]
fn enabled_is_what_dnf_takes_for_enabled(#[case] line: &str, #[case] expected: bool) {
    let text = format!("[a]\nname=RHEL\n{line}\n").leak();
    let repos = enabled(&[("/etc/yum.repos.d/a.repo", text)]);
    assert_eq!(repos.rhel_found, Some(expected));
}

#[rstest]
#[case::repository_file(
    &[("/etc/yum.repos.d/a.repo", BROKEN), ("/etc/yum.repos.d/b.repo", RHUI)],
    "/etc/yum.repos.d/a.repo is skipped: line 1 is outside of any section")]
#[case::configuration(
    &[("/etc/yum.conf", "[main]\nbroken\n"), ("/etc/yum.repos.d/b.repo", RHUI)],
    "/etc/yum.conf is skipped: line 2 is neither a section, a key with a value, nor a comment")]
#[case::no_main(
    &[("/etc/yum.conf", ""), ("/etc/yum.repos.d/b.repo", RHUI)],
    "/etc/yum.conf has no section [main]")]
fn a_broken_file_costs_itself_alone(
    #[case] files: &[(&'static str, &'static str)],
    #[case] status: &str,
) {
    let found = gather(&Root::new(&memory(files)), "disk1");
    let repos = found.facts.rhel_enabled_repos;
    assert_eq!(ids(&repos), ["rhui"]);
    assert_eq!(repos.status.as_deref(), Some(status));
    assert_eq!(found.problems, []);
}

#[test]
fn what_was_found_is_evidence() {
    let found = gather(
        &Root::new(&memory(&[("/etc/yum.repos.d/a.repo", RHUI)])),
        "disk1",
    );
    let evidence = Evidence {
        fact: "rhel_enabled_repos".into(),
        path: "/etc/yum.repos.d/a.repo".into(),
        detail: "[rhui] Red Hat Enterprise Linux 7 (RPMs)".into(),
    };
    assert_eq!(found.evidence, [evidence]);
}

#[rstest]
#[case::file("x".repeat(MAX_SIZE + 1), "/etc/yum.repos.d/a.repo: more than 4194304 bytes")]
#[case::repositories(
    (0..=MAX_REPOSITORIES).map(|i| format!("[{i}]\nname=RHEL\n")).collect(),
    "/etc/yum.repos.d/a.repo: more than 1000 RHEL repositories")]
fn limits_are_errors(#[case] text: String, #[case] error: &str) {
    let memory = memory(&[("/etc/yum.repos.d/a.repo", text.leak())]);
    let found = gather(&Root::new(&memory), "disk1");
    let problem = format!("reading enabled repositories: {error}");
    assert_eq!(texts(&found.problems), [&*problem]);
    assert_eq!(
        found.facts.rhel_enabled_repos.status.as_deref(),
        Some(&*problem)
    );
}

/// A file system with one file that can't be read.
struct Scratched(InMemoryFileSystem, &'static str);

impl FileSystem for Scratched {
    fn file_type(&self, path: &str) -> Result<Option<FileType>, FileSystemError> {
        self.0.file_type(path)
    }
    fn link_target(&self, path: &str) -> Result<String, FileSystemError> {
        self.0.link_target(path)
    }
    fn open(&self, path: &str) -> Result<Box<dyn OpenFile + '_>, FileSystemError> {
        if path == self.1 {
            return Err(io::Error::other("bad sector").into());
        }
        self.0.open(path)
    }
    fn names(&self, path: &str, limit: usize) -> Result<Vec<String>, FileSystemError> {
        self.0.names(path, limit)
    }
}

#[rstest]
#[case::beside_others(RHUI, Some(true))]
#[case::and_nothing_else(EPEL, None)]
fn an_unreadable_file_is_an_error(#[case] other: &'static str, #[case] rhel: Option<bool>) {
    let memory = memory(&[
        ("/etc/yum.repos.d/a.repo", OTHER),
        ("/etc/yum.repos.d/b.repo", other),
    ]);
    let scratched = Scratched(memory, "/etc/yum.repos.d/a.repo");
    let found = gather(&Root::new(&scratched), "disk1");
    assert_eq!(found.facts.rhel_enabled_repos.rhel_found, rhel);
    assert_eq!(
        texts(&found.problems),
        ["reading enabled repositories: bad sector"]
    );
}
