//! Disks for tests, made with the tools that make real ones: `mke2fs -d` and `sfdisk`, with no mount and no privilege.

pub(crate) mod kernel;
pub(crate) mod machine;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::test_runner::Config as ProptestConfig;
use skip::{Missing, skip};
use tempfile::TempDir;

use crate::source::BlockSource;
use houndigrade_report::{Problem, Stats};

pub(crate) const MIB: usize = 1024 * 1024;

/// A disk in memory.
pub(crate) struct MemoryDisk(pub(crate) Vec<u8>);

impl BlockSource for MemoryDisk {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let range = usize::try_from(offset)
            .ok()
            .and_then(|start| self.0.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(range.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

/// Returns the number of random cases to try: `usual`, or that of `PROPTEST_CASES`.
pub(crate) fn random_cases(usual: u32) -> ProptestConfig {
    let told = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: told.and_then(|cases| cases.parse().ok()).unwrap_or(usual),
        ..ProptestConfig::default()
    }
}

/// Returns the problems as the report's `errors` show them.
pub(crate) fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// Makes a folder in memory, if possible: the kernel and LVM wait for the disk after every sync.
pub(crate) fn memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A directory tree that becomes a file system.
pub(crate) struct Tree(TempDir);

impl Tree {
    pub(crate) fn new() -> Self {
        Self(memory())
    }

    pub(crate) fn file(self, path: &str, contents: impl AsRef<[u8]>) -> Self {
        fs::write(self.place(path), contents).unwrap();
        self
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        symlink(target, self.place(path)).unwrap();
        self
    }

    /// Copies the tree to a folder.
    pub(crate) fn copy_to(&self, folder: &Path) {
        let from = format!("{}/.", text(self.0.path()));
        run(
            "cp",
            &["--recursive", "--no-dereference", &from, text(folder)],
            "",
        )
        .unwrap();
    }

    fn place(&self, path: &str) -> PathBuf {
        let place = self.0.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    }

    /// Returns the tree as a file system of `kind`: `ext2`, `ext3` or `ext4`. Skips the test without the tool.
    pub(crate) fn file_system(&self, kind: &str, size: usize) -> Option<Vec<u8>> {
        let image = memory();
        let image = image.path().join("image");
        let kib = format!("{}k", size / 1024);
        run(
            "mke2fs",
            &[
                "-q",
                "-t",
                kind,
                "-d",
                text(self.0.path()),
                text(&image),
                &kib,
            ],
            "",
        )?;
        Some(fs::read(image).unwrap())
    }
}

/// Makes the smallest RHEL.
pub(crate) fn rhel() -> Tree {
    Tree::new()
        .file("/etc/redhat-release", "Red Hat Enterprise Linux release 9.4 (Plow)\n")
        .file(
            "/usr/lib/os-release",
            "NAME=\"Red Hat Enterprise Linux\"\nID=\"rhel\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 9.4 (Plow)\"\n",
        )
        .link("/etc/os-release", "../usr/lib/os-release")
}

/// Makes the smallest Debian.
pub(crate) fn debian() -> Tree {
    Tree::new()
        .file(
            "/usr/lib/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n",
        )
        .link("/etc/os-release", "/usr/lib/os-release")
}

/// Makes an empty disk of `size` bytes with the partitions of an `sfdisk` script. Skips the test without the tool.
pub(crate) fn partitioned(size: usize, script: &str) -> Option<Vec<u8>> {
    let mut image = tempfile::NamedTempFile::new().unwrap();
    image.write_all(&vec![0; size]).unwrap();
    run(
        "sfdisk",
        &[
            "--quiet",
            "--no-reread",
            "--no-tell-kernel",
            text(image.path()),
        ],
        script,
    )?;
    Some(fs::read(image.path()).unwrap())
}

/// Puts `contents` on the disk, `at` bytes from its beginning.
pub(crate) fn place(disk: &mut [u8], at: usize, contents: &[u8]) {
    disk[at..at + contents.len()].copy_from_slice(contents);
}

/// Returns the file system with new contents for the first block of the file at `path`, which are in its journal and nowhere else:
/// the state of a disk after a power cut, or in a snapshot of a running machine.
pub(crate) fn with_dirty_journal(image: &[u8], path: &str, contents: &[u8]) -> Option<Vec<u8>> {
    let folder = memory();
    let (disk, block) = (folder.path().join("image"), folder.path().join("block"));
    fs::write(&disk, image).unwrap();
    fs::write(&block, contents).unwrap();
    let blocks = run(
        "debugfs",
        &["-R", &format!("blocks {path}"), text(&disk)],
        "",
    )?;
    let number = blocks.split_whitespace().next().unwrap();
    let script = format!("jo -c\njw -b {number} {}\njc\n", text(&block));
    run("debugfs", &["-w", "-f", "/dev/stdin", text(&disk)], &script)?;
    Some(fs::read(disk).unwrap())
}

/// Runs a tool with `input`, and returns its output. `None` if there is no such tool.
pub(crate) fn run(tool: &str, arguments: &[&str], input: &str) -> Option<String> {
    // Both are in sbin, which is not on every path.
    let path = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    let command = Command::new(tool)
        .args(arguments)
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match command {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            skip(Missing::Tool, &format!("{tool} is not installed"));
            return None;
        }
        Err(error) => panic!("{tool}: {error}"),
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{tool} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
