//! Repositories of RHEL that yum or dnf would install from.

use std::collections::HashSet;

use super::{Findings, ini};
use crate::filesystem::{FileSystemError, Root};
use houndigrade_report::{EnabledRepos, Evidence, Problem, Repository};
use ini::{Ini, IniSection};

/// Configuration with directories of repositories, and possibly repositories.
const CONFIGURATION: [&str; 2] = ["/etc/dnf/dnf.conf", "/etc/yum.conf"];
/// Directories that yum and dnf read without a configuration. As in the original, they are read in any case.
const DIRECTORIES: [&str; 3] = [
    "/etc/yum.repos.d",
    "/etc/yum/repos.d",
    "/etc/distro.repos.d",
];
/// Words in the names of RHEL's repositories, in lower case.
const RHEL: [&str; 2] = ["rhel", "red hat"];
/// Values that yum and dnf take for yes. A repository without the key is enabled.
const YES: [&str; 4] = ["1", "yes", "true", "on"];

/// Largest file read, in bytes: `redhat.repo` of a machine entitled to everything has half a MiB.
const MAX_SIZE: usize = 4 << 20;
const MAX_DIRECTORIES: usize = 16;
const MAX_FILES: usize = 256;
const MAX_REPOSITORIES: usize = 1000;
/// Longest name reported, in characters.
const MAX_NAME: usize = 200;

pub(super) fn check(root: &Root<'_>, findings: &mut Findings) {
    let mut search = Search {
        root,
        found: Vec::new(),
        known: HashSet::new(),
        notes: Vec::new(),
        problems: Vec::new(),
    };
    if let Err(error) = search.run() {
        search.problem(&error);
    }
    let Search {
        found,
        notes,
        problems,
        ..
    } = search;
    let known = !found.is_empty() || problems.is_empty();
    let messages = problems.iter().map(|problem| &*problem.message);
    let status: Vec<&str> = messages.chain(notes.iter().map(String::as_str)).collect();
    let status = status.join("; ");
    findings.problems.extend(problems);
    findings
        .evidence
        .extend(found.iter().map(|(path, repository)| Evidence {
            fact: "rhel_enabled_repos".into(),
            path: path.clone(),
            detail: format!("[{}] {}", repository.repo, repository.name),
        }));
    findings.facts.rhel_enabled_repos = EnabledRepos {
        rhel_found: known.then_some(!found.is_empty()),
        rhel_enabled_repos: found
            .into_iter()
            .map(|(_, repository)| repository)
            .collect(),
        status: (!status.is_empty()).then_some(status),
    };
}

struct Search<'a> {
    root: &'a Root<'a>,
    /// Enabled repositories of RHEL, each with the file it was seen in first.
    found: Vec<(String, Repository)>,
    known: HashSet<Repository>,
    /// Files that yum and dnf would skip too.
    notes: Vec<String>,
    /// Files that could not be read.
    problems: Vec<Problem>,
}

impl Search<'_> {
    /// Reads all files. An unreadable file is skipped with a problem; the errors returned are limits and those of directories.
    fn run(&mut self) -> Result<(), FileSystemError> {
        let mut directories: Vec<String> = DIRECTORIES.map(str::to_owned).into();
        for path in CONFIGURATION {
            let Some(configuration) = self.read(path)? else {
                continue;
            };
            match configuration
                .sections()
                .find(|section| section.name == "main")
            {
                Some(main) => directories.extend(configured(main)),
                None => self.notes.push(format!("{path} has no section [main]")),
            }
        }
        let mut seen: Vec<&String> = Vec::new();
        let mut files = 0;
        for directory in &directories {
            if seen.contains(&directory) {
                continue;
            }
            seen.push(directory);
            within(
                seen.len(),
                MAX_DIRECTORIES,
                directory,
                "repository directories",
            )?;
            for name in self.root.names(directory)? {
                if name.ends_with(".repo") {
                    files += 1;
                    within(files, MAX_FILES, directory, "repository files")?;
                    self.read(&format!("{directory}/{name}"))?;
                }
            }
        }
        Ok(())
    }

    /// Reads a file and records its repositories; `None` if there is no file, or none that can be used.
    fn read(&mut self, path: &str) -> Result<Option<Ini>, FileSystemError> {
        let text = match self.text(path) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.problem(&error);
                return Ok(None);
            }
        };
        let file = match Ini::parse(&text, &["enabled", "name", "reposdir"]) {
            Ok(file) => file,
            Err(malformed) => {
                self.notes.push(format!("{path} is skipped: {malformed}"));
                return Ok(None);
            }
        };
        for repository in file.sections().filter_map(enabled_rhel) {
            if self.known.insert(repository.clone()) {
                within(
                    self.known.len(),
                    MAX_REPOSITORIES,
                    path,
                    "RHEL repositories",
                )?;
                self.found.push((path.into(), repository));
            }
        }
        Ok(Some(file))
    }

    fn text(&self, path: &str) -> Result<Option<String>, FileSystemError> {
        let Some(bytes) = self.root.head(path, MAX_SIZE + 1)? else {
            return Ok(None);
        };
        within(bytes.len(), MAX_SIZE, path, "bytes")?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn problem(&mut self, error: &FileSystemError) {
        let message = format!("reading enabled repositories: {error}");
        self.problems.push(Problem::new(error.code(), message));
    }
}

/// Fails if there are more than `limit`.
fn within(count: usize, limit: usize, path: &str, of: &'static str) -> Result<(), FileSystemError> {
    if count <= limit {
        return Ok(());
    }
    Err(FileSystemError::Limit {
        path: path.into(),
        limit,
        of,
    })
}

/// Returns the directories of `reposdir`: separated by commas as dnf has it, or spaces as yum has it, some in quotes.
fn configured(main: IniSection<'_>) -> impl Iterator<Item = String> {
    let directories = main.get("reposdir").unwrap_or_default();
    directories
        .split([',', ' ', '\t', '\n'])
        .map(|directory| directory.trim_matches(['"', '\'']).trim_end_matches('/'))
        .filter(|directory| !directory.is_empty())
        .map(str::to_owned)
}

fn enabled_rhel(section: IniSection<'_>) -> Option<Repository> {
    let name = section.get("name")?;
    let enabled = section
        .get("enabled")
        .is_none_or(|value| YES.iter().any(|yes| value.eq_ignore_ascii_case(yes)));
    let lower = name.to_lowercase();
    (enabled && RHEL.iter().any(|rhel| lower.contains(rhel))).then(|| Repository {
        repo: section.name.chars().take(MAX_NAME).collect(),
        name: name.chars().take(MAX_NAME).collect(),
    })
}

#[cfg(test)]
mod tests;
