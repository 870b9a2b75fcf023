//! The result as text, for a person at a terminal.

use std::fmt::Write;

use houndigrade::report::{InspectedImage, InspectedPartition, Report, Stats, Verdict};
use indicatif::BinaryBytes;

/// Columns of the labels.
const INDENT: usize = 16;
/// Characters of a text that a disk contains, at most.
const LONGEST: usize = 300;

/// Returns the verdict on each image, its evidence, and the work it took.
pub(crate) fn summary(report: &Report) -> String {
    let images = report.images.iter().map(|(id, image)| of_image(id, image));
    images.collect::<Vec<_>>().join("\n")
}

fn of_image(id: &str, image: &InspectedImage) -> String {
    let mut text = format!("{}: {}\n", clean(id), verdict(image));
    section(&mut text, "distribution", distribution(image));
    let evidence = image
        .evidence
        .iter()
        .map(|found| vec![found.fact.clone(), found.path.clone(), found.detail.clone()]);
    section(&mut text, "evidence", table(evidence.collect()));
    section(&mut text, "partitions", table(partitions(image)));
    section(&mut text, "errors", errors(image));
    section(&mut text, "work", vec![work(&image.stats)]);
    text
}

fn verdict(image: &InspectedImage) -> String {
    match (image.verdict, &image.rhel_version) {
        (Verdict::Rhel, Some(version)) => clean(&format!("RHEL {version}")),
        (Verdict::Rhel, None) => "RHEL".into(),
        (Verdict::NotRhel, _) => "not RHEL".into(),
        (Verdict::Unknown, _) => "unknown, because of the errors".into(),
    }
}

fn distribution(image: &InspectedImage) -> Vec<String> {
    let Some(found) = &image.distribution else {
        return vec!["none found".into()];
    };
    let name = found.name.as_ref().unwrap_or(&found.id);
    vec![clean(&format!("{name}, from {}", found.path))]
}

/// Returns name, file system and outcome of each partition.
fn partitions(image: &InspectedImage) -> Vec<Vec<String>> {
    let all = image.drives.values().flatten();
    all.map(|(name, partition)| {
        let filesystem = partition.filesystem.as_deref().unwrap_or("-");
        vec![name.clone(), filesystem.into(), outcome(partition)]
    })
    .collect()
}

fn outcome(partition: &InspectedPartition) -> String {
    let facts = &partition.facts;
    let checks = [
        ("release files", facts.rhel_release_files.rhel_found),
        ("product certificates", facts.rhel_product_certs.rhel_found),
        ("enabled repositories", facts.rhel_enabled_repos.rhel_found),
        ("signed packages", facts.rhel_signed_packages.rhel_found),
    ];
    let found: Vec<_> = checks
        .iter()
        .filter(|(_, found)| *found == Some(true))
        .map(|(name, _)| *name)
        .collect();
    match (&partition.skipped, &partition.error) {
        (Some(reason), _) => format!("skipped: {reason}"),
        (None, Some(error)) if found.is_empty() => format!("failed: {error}"),
        (None, Some(error)) => format!("RHEL by {}; failed: {error}", found.join(", ")),
        (None, None) if found.is_empty() => "nothing of RHEL".into(),
        (None, None) => format!("RHEL by {}", found.join(", ")),
    }
}

/// Returns the errors that no partition shows.
fn errors(image: &InspectedImage) -> Vec<String> {
    let of_partitions: Vec<_> = image
        .drives
        .values()
        .flatten()
        .filter_map(|(name, partition)| Some(format!("{name}: {}", partition.error.as_ref()?)))
        .collect();
    let others = image
        .errors
        .iter()
        .filter(|error| !of_partitions.contains(error));
    others.map(|error| clean(error)).collect()
}

fn work(stats: &Stats) -> String {
    let stages = stats.stages;
    format!(
        "{} in {} reads, {} ms: opening {}, volumes {}, systems {}, facts {}",
        BinaryBytes(stats.bytes_read),
        stats.blocks_read,
        stats.milliseconds,
        stages.open,
        stages.volumes,
        stages.systems,
        stages.facts,
    )
}

/// Rows with their columns aligned.
fn table(rows: Vec<Vec<String>>) -> Vec<String> {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| clean(cell)).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Appends a label with lines beside it; nothing without lines.
fn section(text: &mut String, label: &str, lines: Vec<String>) {
    for (number, line) in lines.iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {label:width$}{line}", width = INDENT - 2);
    }
}

/// Replaces control and direction characters: a hostile disk must not move, hide or turn text on the terminal.
fn clean(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: char| {
        if c.is_control() || turns(c) {
            '\u{fffd}'
        } else {
            c
        }
    };
    let mut clean: String = text.chars().take(LONGEST).map(shown).collect();
    if text.chars().nth(LONGEST).is_some() {
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use houndigrade::report::{Distribution, Evidence, Stages};

    use super::*;

    fn partition(
        filesystem: Option<&str>,
        skipped: Option<&str>,
        error: Option<&str>,
    ) -> InspectedPartition {
        InspectedPartition {
            filesystem: filesystem.map(str::to_owned),
            skipped: skipped.map(str::to_owned),
            error: error.map(str::to_owned),
            ..InspectedPartition::default()
        }
    }

    fn evidence(fact: &str, path: &str, detail: &str) -> Evidence {
        Evidence {
            fact: fact.into(),
            path: path.into(),
            detail: detail.into(),
        }
    }

    #[test]
    fn tells_what_was_found_where_and_what_it_took() {
        let mut root = partition(Some("ext4"), None, None);
        root.facts.rhel_release_files.rhel_found = Some(true);
        root.facts.rhel_product_certs.rhel_found = Some(true);
        let rhel = InspectedImage {
            verdict: Verdict::Rhel,
            rhel_version: Some("9.4".into()),
            distribution: Some(Distribution {
                id: "rhel".into(),
                version: Some("9.4".into()),
                name: Some("Red Hat Enterprise Linux 9.4 (Plow)".into()),
                path: "/etc/os-release".into(),
            }),
            evidence: vec![
                evidence(
                    "rhel_release_files",
                    "/etc/redhat-release",
                    "Red Hat Enterprise Linux 9.4",
                ),
                evidence(
                    "rhel_product_certs",
                    "/etc/pki/product/69.pem",
                    "RHEL product certificate",
                ),
            ],
            errors: vec!["disk.img2: unsupported file system: ntfs".into()],
            drives: [(
                "disk.img".to_owned(),
                [
                    (
                        "disk.img1".to_owned(),
                        partition(None, Some("BIOS boot"), None),
                    ),
                    (
                        "disk.img2".to_owned(),
                        partition(Some("ntfs"), None, Some("unsupported file system: ntfs")),
                    ),
                    ("disk.img3".to_owned(), root),
                ]
                .into(),
            )]
            .into(),
            stats: Stats {
                blocks_read: 31,
                bytes_read: 200 * 1024,
                milliseconds: 12,
                stages: Stages {
                    open: 1,
                    volumes: 2,
                    systems: 3,
                    facts: 4,
                },
            },
            ..InspectedImage::default()
        };
        let gone = InspectedImage {
            errors: vec!["/no/disk: No such file or directory".into()],
            ..InspectedImage::default()
        };
        let images = [("ami-1".to_owned(), rhel), ("ami-2".to_owned(), gone)].into();
        insta::assert_snapshot!(summary(&Report::new("aws", images)));
    }

    #[test]
    fn a_disk_cannot_speak_to_the_terminal() {
        let image = InspectedImage {
            distribution: Some(Distribution {
                id: "x".into(),
                name: Some(format!("\u{1b}[2J\u{202e}evil\n{}", "x".repeat(500))),
                ..Distribution::default()
            }),
            ..InspectedImage::default()
        };
        let text = summary(&Report::new("aws", [("a".to_owned(), image)].into()));
        assert!(text.contains("\u{fffd}[2J\u{fffd}evil\u{fffd}x"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() < 350),
            "{text}"
        );
    }
}
