//! `/etc/*-release`: the maker of the system, in its own words.

use super::{Findings, distribution};
use crate::filesystem::{FileSystemError, Root};
use houndigrade_report::{Evidence, ReleaseFile, ReleaseFiles};

/// Release files are a few hundred bytes; more than this of one is not read.
const MAX_SIZE: usize = 64 * 1024;
/// Bytes of one that the result quotes: with those of all files, and JSON's escapes, it stays below what its reader takes.
const MAX_QUOTED: usize = 4 * 1024;
/// A system has three or four of them.
const MAX_FILES: usize = 64;
/// Words of RHEL's release files that are not in those of its rebuilds.
const RED_HAT: &str = "Red Hat";

pub(super) fn check(root: &Root<'_>, partition: &str, findings: &mut Findings) {
    let names = match findings.keep("release files", names(root)) {
        Ok(names) => names,
        Err(problem) => {
            findings.facts.rhel_release_files = ReleaseFiles {
                status: Some(problem),
                ..ReleaseFiles::default()
            };
            return;
        }
    };
    let problems_before = findings.problems.len();
    // One that can't be read, because it is a symlink to a missing /usr, does not take the others along.
    let files: Vec<_> = names
        .into_iter()
        .filter_map(|path| findings.keep(&path, read(root, &path)).ok().flatten())
        .collect();
    let unread = findings.problems.get(problems_before);
    let unread = unread.map(|problem| problem.message.clone());
    // An image may keep os-release in /usr/lib alone, where the original did not look.
    let vendor = findings
        .keep(
            distribution::VENDOR_PATH,
            text(root, distribution::VENDOR_PATH),
        )
        .ok()
        .flatten();

    findings.distribution = distribution::identify(&files, vendor.as_deref());
    findings.facts.os_version = distribution::os_version(&files);
    findings.evidence.extend(
        files
            .iter()
            .filter(|file| file.rhel_found)
            .map(|file| Evidence {
                fact: "rhel_release_files".into(),
                path: file.rhel_release_file.clone(),
                detail: first_line_with(&file.rhel_release_file_contents, RED_HAT),
            }),
    );
    let is_rhel = files.iter().any(|file| file.rhel_found);
    let none = || format!("No release files found on {partition}");
    findings.facts.rhel_release_files = ReleaseFiles {
        rhel_found: (is_rhel || unread.is_none()).then_some(is_rhel),
        status: unread.or_else(|| files.is_empty().then(none)),
        release_files: files.into_iter().map(quoted).collect(),
    };
}

/// Returns the paths of the release files.
fn names(root: &Root<'_>) -> Result<Vec<String>, FileSystemError> {
    let mut names = root.names("/etc")?;
    names.retain(|name| name.ends_with("-release"));
    if names.len() > MAX_FILES {
        return Err(FileSystemError::Limit {
            path: "/etc".into(),
            limit: MAX_FILES,
            of: "release files",
        });
    }
    Ok(names.iter().map(|name| format!("/etc/{name}")).collect())
}

fn read(root: &Root<'_>, path: &str) -> Result<Option<ReleaseFile>, FileSystemError> {
    let contents = text(root, path)?;
    Ok(contents.map(|contents| ReleaseFile {
        rhel_release_file: path.into(),
        rhel_found: contents.contains(RED_HAT),
        rhel_release_file_contents: contents,
    }))
}

/// Cuts the contents, once everything is known that they say.
fn quoted(mut file: ReleaseFile) -> ReleaseFile {
    let contents = &mut file.rhel_release_file_contents;
    contents.truncate(contents.floor_char_boundary(MAX_QUOTED));
    file
}

fn text(root: &Root<'_>, path: &str) -> Result<Option<String>, FileSystemError> {
    let head = root.head(path, MAX_SIZE)?;
    Ok(head.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn first_line_with(text: &str, words: &str) -> String {
    text.lines()
        .find(|line| line.contains(words))
        .unwrap_or_default()
        .trim()
        .chars()
        .take(200)
        .collect()
}
