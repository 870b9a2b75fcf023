//! The disk of a machine, in a sparse file: partitioned, formatted and filled by the kernel, as an installer does it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use skip::{Missing, skip};
use tempfile::TempDir;

use super::kernel::KernelMount;
use super::{MIB, Tree, memory, run, text};
use crate::source::DiskFile;

/// Bytes of a disk: a partition, or a logical volume in one piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl Region {
    /// This region of a file as a device.
    pub(crate) fn attach(self, file: &Path) -> Option<LoopDevice> {
        let Self { offset, size } = self;
        let options = [format!("--offset={offset}"), format!("--sizelimit={size}")];
        LoopDevice::attach(file, &options)
    }
}

pub(crate) struct Machine {
    folder: TempDir,
}

impl Machine {
    /// Makes a disk of zeros.
    pub(crate) fn new(mib: usize) -> Self {
        let machine = Self { folder: memory() };
        let file = File::create(machine.path()).unwrap();
        file.set_len((mib * MIB) as u64).unwrap();
        machine
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Copies its present state, mounted or not.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new(0);
        let (from, to) = (self.path(), copy.path());
        run("cp", &["--sparse=always", text(&from), text(&to)], "").unwrap();
        copy
    }

    pub(crate) fn source(&self) -> DiskFile {
        DiskFile::open(&self.path()).unwrap()
    }

    /// Makes the partitions of an `sfdisk` script, and returns where they lie. Skips the test without the tool.
    pub(crate) fn partition(&self, script: &str) -> Option<Vec<Region>> {
        let path = self.path();
        let quietly = ["--quiet", "--no-reread", "--no-tell-kernel", text(&path)];
        run("sfdisk", &quietly, script)?;
        let table: Value =
            serde_json::from_str(&run("sfdisk", &["--json", text(&path)], "")?).unwrap();
        let partitions = table["partitiontable"]["partitions"].as_array().unwrap();
        let bytes = |sectors: &Value| sectors.as_u64().unwrap() * 512;
        let region = |partition: &Value| Region {
            offset: bytes(&partition["start"]),
            size: bytes(&partition["size"]),
        };
        Some(partitions.iter().map(region).collect())
    }

    /// Runs `mkfs` or the like on a region. Skips the test without the tool or the right to use loop devices.
    pub(crate) fn format(&self, region: Region, command: &str) -> Option<()> {
        let device = region.attach(&self.path())?;
        let mut words = command.split_whitespace();
        let tool = words.next().unwrap();
        let arguments: Vec<_> = words.chain([device.name()]).collect();
        run(tool, &arguments, "").map(drop)
    }

    /// Mounts the file system in a region with `options` of `mount -o`.
    pub(crate) fn mount(&self, region: Region, options: &str) -> Option<KernelMount> {
        let Region { offset, size } = region;
        let options = format!("offset={offset},sizelimit={size},{options}");
        KernelMount::new(&self.path(), &options)
    }

    /// Formats a region and copies a tree there.
    pub(crate) fn install(&self, region: Region, mkfs: &str, tree: &Tree) -> Option<()> {
        self.format(region, mkfs)?;
        tree.copy_to(self.mount(region, "rw")?.path());
        Some(())
    }

    /// Does the same, followed by a power cut: synced files are in the journal, and not yet in their place.
    pub(crate) fn install_and_crash(&self, region: Region, mkfs: &str, tree: &Tree) -> Option<()> {
        self.format(region, mkfs)?;
        let mount = self.mount(region, "rw")?;
        tree.copy_to(mount.path());
        let root = text(mount.path());
        run(
            "find",
            &[root, "-xdev", "-type", "f", "-exec", "sync", "{}", "+"],
            "",
        )?;
        run("xfs_io", &["-x", "-c", "shutdown -f", root], "").map(drop)
    }

    pub(crate) fn write(&self, region: Region, bytes: &[u8]) {
        assert!(bytes.len() as u64 <= region.size);
        let file = File::options().write(true).open(self.path()).unwrap();
        file.write_all_at(bytes, region.offset).unwrap();
    }
}

/// A file, or a region of it, as a device as long as this lives.
pub(crate) struct LoopDevice(String);

impl LoopDevice {
    /// Attaches a file with options of `losetup`. Skips the test without the right to use loop devices.
    pub(crate) fn attach(file: &Path, options: &[String]) -> Option<Self> {
        let output = Command::new("losetup")
            .args(["--find", "--show"])
            .args(options)
            .arg(file)
            .output()
            .unwrap();
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            skip(Missing::Tool, &format!("no loop device: {why}"));
            return None;
        }
        Some(Self(
            String::from_utf8(output.stdout).unwrap().trim().into(),
        ))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}
