//! `/etc/*-release`: who made this system, in its own words (spec §6.3).

use super::{Findings, distribution};
use crate::filesystem::{Error, Root};
use crate::report::{Evidence, ReleaseFile, ReleaseFiles};

/// Release files are a few hundred bytes; more than this of one is not read.
const MAX_SIZE: usize = 64 * 1024;
/// A system has three or four of them.
const MAX_FILES: usize = 64;
/// What RHEL's release files contain, and those of its rebuilds do not.
const RED_HAT: &str = "Red Hat";

pub(super) fn check(root: &Root<'_>, partition: &str, findings: &mut Findings) {
    let files = match findings.keep("release files", read(root)) {
        Ok(files) => files,
        Err(problem) => {
            findings.facts.rhel_release_files = ReleaseFiles {
                status: Some(problem),
                ..ReleaseFiles::default()
            };
            return;
        }
    };
    // An image may keep os-release in /usr/lib alone, where the original did not look.
    let vendor = findings
        .keep(
            distribution::VENDOR_PATH,
            text(root, distribution::VENDOR_PATH),
        )
        .ok()
        .flatten();

    findings.distribution = distribution::of(&files, vendor.as_deref());
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
    findings.facts.rhel_release_files = ReleaseFiles {
        rhel_found: Some(files.iter().any(|file| file.rhel_found)),
        status: files
            .is_empty()
            .then(|| format!("No release files found on {partition}")),
        release_files: files,
    };
}

fn read(root: &Root<'_>) -> Result<Vec<ReleaseFile>, Error> {
    let mut files = Vec::new();
    for name in root.names("/etc")? {
        if !name.ends_with("-release") {
            continue;
        }
        if files.len() == MAX_FILES {
            return Err(Error::Limit {
                path: "/etc".into(),
                limit: MAX_FILES,
                of: "release files",
            });
        }
        let path = format!("/etc/{name}");
        if let Some(contents) = text(root, &path)? {
            files.push(ReleaseFile {
                rhel_found: contents.contains(RED_HAT),
                rhel_release_file: path,
                rhel_release_file_contents: contents,
            });
        }
    }
    Ok(files)
}

fn text(root: &Root<'_>, path: &str) -> Result<Option<String>, Error> {
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
