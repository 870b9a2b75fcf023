//! Installed packages that are signed by Red Hat.

use super::Findings;
use crate::filesystem::{self, Root};
use crate::rpm::{self, DatabaseFormat, KeyId};
use houndigrade_report::{Evidence, PackageDatabase, Problem, SignedPackages};

/// Directories of the database, in this order: all systems had it in the first once; the others (Fedora, SUSE, ostree) moved it
/// and leave a symlink.
const DIRECTORIES: [&str; 3] = ["/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm"];

/// The keys that Red Hat signs its products with, and those it did.
const RED_HAT: [KeyId; 5] = [
    KeyId::from_hex(0x199e_2f91_fd43_1d51),
    KeyId::from_hex(0x5326_8101_3701_7186),
    KeyId::from_hex(0x4568_9c88_2fa6_58e0),
    KeyId::from_hex(0x2191_80cd_db42_a60e),
    KeyId::from_hex(0x7514_f77d_8366_b0d9),
];

/// Begins a rollback journal of SQLite that was not ended.
const ROLLBACK: &[u8] = &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

pub(super) fn check(root: &Root<'_>, partition: &str, findings: &mut Findings) {
    let database = match findings.keep("the database of packages", find(root)) {
        Ok(Some(database)) => database,
        Ok(None) => {
            findings.facts.rhel_signed_packages = SignedPackages {
                rhel_found: Some(false),
                rhel_signed_package_count: Some(0),
                status: Some(format!("RPM DB directory on {partition} has no data")),
                ..SignedPackages::default()
            };
            return;
        }
        Err(problem) => {
            findings.facts.rhel_signed_packages.error = Some(problem);
            return;
        }
    };

    let count = count(root, &database);
    let (signed, packages) = (count.signed, count.packages);
    if let Some(example) = count.example {
        findings.evidence.push(Evidence {
            fact: "rhel_signed_packages".into(),
            path: database.path.clone(),
            detail: format!(
                "{signed} of {packages} packages are signed by Red Hat, for example {example}"
            ),
        });
    }
    let error = count.damage.map(|damage| {
        let path = &database.path;
        let more = match count.damages {
            0 | 1 => String::new(),
            damages => format!(", and {} more", damages - 1),
        };
        let message = format!("reading {path}: {damage}{more}; {packages} packages were read");
        findings
            .problems
            .push(Problem::new(damage.code(), &*message));
        message
    });
    findings.facts.rhel_signed_packages = SignedPackages {
        // Unread packages may be signed.
        rhel_found: (signed > 0 || error.is_none()).then_some(signed > 0),
        rhel_signed_package_count: Some(signed),
        package_count: Some(packages),
        database: Some(PackageDatabase {
            path: database.path,
            format: database.format.name().into(),
        }),
        status: None,
        error,
    };
}

struct FoundDatabase {
    format: DatabaseFormat,
    path: String,
}

/// Returns the first database that is not empty. A second one is of another time: counting both would count packages twice.
fn find(root: &Root<'_>) -> Result<Option<FoundDatabase>, filesystem::FileSystemError> {
    for directory in DIRECTORIES {
        for format in DatabaseFormat::ALL {
            let path = format!("{directory}/{}", format.file_name());
            if root.open(&path)?.is_some_and(|file| file.size() > 0) {
                return Ok(Some(FoundDatabase { format, path }));
            }
        }
    }
    Ok(None)
}

#[derive(Default)]
struct PackageCount {
    packages: u64,
    signed: u64,
    /// Name of the first package signed.
    example: Option<String>,
    /// The first damage met, and how many were.
    damage: Option<rpm::RpmError>,
    damages: u64,
}

impl PackageCount {
    fn add(&mut self, package: rpm::Package) {
        self.packages += 1;
        if package.issuers.iter().any(|key| RED_HAT.contains(key)) {
            self.signed += 1;
            self.example.get_or_insert(package.name);
        }
    }

    fn damaged(&mut self, damage: rpm::RpmError) {
        self.damages += 1;
        self.damage.get_or_insert(damage);
    }
}

fn count(root: &Root<'_>, database: &FoundDatabase) -> PackageCount {
    let mut count = PackageCount::default();
    match open(root, database) {
        Ok(packages) => {
            for package in packages {
                match package {
                    Ok(package) => count.add(package),
                    Err(damage) => {
                        let last = damage.is_final();
                        count.damaged(damage);
                        if last {
                            break;
                        }
                    }
                }
            }
        }
        Err(damage) => count.damaged(damage),
    }
    count
}

fn open<'a>(root: &Root<'a>, database: &FoundDatabase) -> Result<rpm::Packages<'a>, rpm::RpmError> {
    let FoundDatabase { format, path } = database;
    let file = root.open(path)?.ok_or_else(|| {
        rpm::RpmError::Damaged("it is there no more, so the file system is damaged".into())
    })?;
    let mut wal = None;
    if *format == DatabaseFormat::Sqlite {
        wal = root.open(&format!("{path}-wal"))?;
        if root
            .head(&format!("{path}-journal"), ROLLBACK.len())?
            .as_deref()
            == Some(ROLLBACK)
        {
            return Err(rpm::RpmError::Unsupported(
                "a change was broken off, and its rollback journal is still there".into(),
            ));
        }
    }
    rpm::packages(*format, file, wal)
}

#[cfg(test)]
mod tests;
