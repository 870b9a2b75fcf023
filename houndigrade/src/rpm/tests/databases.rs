//! Databases made by real tools, with `rpm`'s answers: see `databases.sh`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use skip::{Missing, skip};

use crate::rpm::DatabaseFormat;
use crate::test_disks::{memory, run};

/// Packages in the larger ones, before every seventh is taken out.
pub(crate) const COUNT: usize = 700;

pub(crate) struct AllMade {
    pub(crate) databases: BTreeMap<&'static str, Made>,
    /// Ids of the keys that signed.
    pub(crate) rsa: String,
    pub(crate) ed25519: String,
}

#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) format: DatabaseFormat,
    pub(crate) file: Vec<u8>,
    pub(crate) wal: Option<Vec<u8>>,
    /// Name and key ids of each package, sorted.
    pub(crate) answer: Option<Vec<(String, BTreeSet<String>)>>,
}

/// Returns the databases, which are made once for all tests. Skips the test without the tools.
pub(crate) fn made() -> Option<&'static AllMade> {
    static MADE: OnceLock<Result<AllMade, String>> = OnceLock::new();
    match MADE.get_or_init(make) {
        Ok(made) => Some(made),
        Err(missing) => {
            skip(Missing::Tool, missing);
            None
        }
    }
}

fn make() -> Result<AllMade, String> {
    let folder = memory();
    let script = "src/rpm/tests/databases.sh";
    let arguments = [script, folder.path().to_str().unwrap(), &COUNT.to_string()];
    let output = run("sh", &arguments, "").ok_or("there is no sh")?;
    if let Some(missing) = output.strip_prefix("missing: ") {
        return Err(missing.into());
    }
    let names = [
        ("sqlite", DatabaseFormat::Sqlite),
        ("sqlite-many", DatabaseFormat::Sqlite),
        ("sqlite-512", DatabaseFormat::Sqlite),
        ("sqlite-65536", DatabaseFormat::Sqlite),
        ("sqlite-wal", DatabaseFormat::Sqlite),
        ("ndb-many", DatabaseFormat::Ndb),
        ("berkeley-many", DatabaseFormat::Berkeley),
        ("berkeley-big-endian", DatabaseFormat::Berkeley),
    ];
    let load = |(name, format)| (name, load(&folder.path().join(name), format));
    let key = |name| {
        fs::read_to_string(folder.path().join(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    Ok(AllMade {
        databases: names.map(load).into(),
        rsa: key("rsa.key"),
        ed25519: key("ed25519.key"),
    })
}

fn load(folder: &Path, format: DatabaseFormat) -> Made {
    let answer = fs::read_to_string(folder.join("answer")).ok();
    Made {
        format,
        file: fs::read(folder.join(format.file_name())).unwrap(),
        wal: fs::read(folder.join("rpmdb.sqlite-wal")).ok(),
        answer: answer.map(|answer| {
            let mut packages: Vec<_> = answer.lines().map(package).collect();
            packages.sort();
            packages
        }),
    }
}

/// Parses `bash|(none)|RSA/SHA256, …, Key ID 199e2f91fd431d51|(none)|(none)`.
fn package(line: &str) -> (String, BTreeSet<String>) {
    let (name, signatures) = line.split_once('|').unwrap();
    let keys = signatures
        .split("Key ID ")
        .skip(1)
        .map(|rest| rest[..16].to_owned());
    (name.to_owned(), keys.collect())
}
