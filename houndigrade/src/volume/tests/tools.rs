//! Groups made by the real tools on loop devices. No device-mapper is needed: nothing is activated.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use skip::{Missing, skip};
use tempfile::TempDir;

use super::super::*;
use crate::source::DiskFile;
use crate::test_disks::machine::{LoopDevice, Region};
use crate::test_disks::{MIB, memory};

/// Makes a volume and leaves it alone.
pub(crate) const CREATE: &str = "lvcreate -an -Zn -Wn -y";

/// Physical volumes in files, or in partitions of them, attached to loop devices as long as this lives. The tools see no other
/// devices, and leave nothing on the machine.
pub(crate) struct Tools {
    // In this order they are dropped.
    devices: Vec<LoopDevice>,
    folder: TempDir,
}

fn require_lvm() -> Option<()> {
    if Command::new("lvm").arg("version").output().is_err() {
        skip(Missing::Tool, "lvm is not installed");
        return None;
    }
    Some(())
}

impl Tools {
    /// Makes disks of so many MiB. Skips the test without the tools or the right to use loop devices.
    pub(crate) fn new(sizes: &[usize]) -> Option<Self> {
        Self::with_sectors(sizes, 512)
    }

    pub(crate) fn with_sectors(sizes: &[usize], sector: u32) -> Option<Self> {
        require_lvm()?;
        let mut tools = Self {
            folder: memory(),
            devices: Vec::new(),
        };
        for (number, size) in sizes.iter().enumerate() {
            let file = tools.file(number);
            File::create(&file)
                .unwrap()
                .set_len((size * MIB) as u64)
                .unwrap();
            let device = LoopDevice::attach(&file, &[format!("--sector-size={sector}")])?;
            tools.devices.push(device);
        }
        Some(tools)
    }

    /// Attaches existing partitions: the file of their disk, and their place on it.
    pub(crate) fn on(partitions: &[(PathBuf, Region)]) -> Option<Self> {
        require_lvm()?;
        let attach = |(file, region): &(PathBuf, Region)| region.attach(file);
        Some(Self {
            folder: memory(),
            devices: partitions.iter().map(attach).collect::<Option<_>>()?,
        })
    }

    /// Makes a disk with the group `vg` and volumes of two extents each.
    pub(crate) fn one_disk(names: &[&str]) -> Option<Self> {
        let tools = Self::new(&[16])?;
        tools.lvms(&["pvcreate @0", "vgcreate -s 1m vg @0"]);
        for name in names {
            tools.lvm(&format!("{CREATE} -n {name} -l 2 vg"));
        }
        Some(tools)
    }

    pub(crate) fn file(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("disk{number}"))
    }

    /// Returns the path of a loop device.
    pub(crate) fn device(&self, number: usize) -> &str {
        self.devices[number].name()
    }

    /// Runs `lvm` with a command line, in which `@0` is the first device. Returns its output.
    pub(crate) fn lvm(&self, command: &str) -> String {
        let folder = self.folder.path().to_str().unwrap();
        let accepted: Vec<String> = self
            .devices
            .iter()
            .map(|device| format!("\"a|^{}$|\"", device.name()))
            .collect();
        let filter = format!("[{}, \"r|.*|\"]", accepted.join(", "));
        let config = format!(
            "devices {{ filter = {filter} global_filter = {filter} use_devicesfile = 0 hints = \"none\" obtain_device_list_from_udev = 0 }}
             global {{ locking_dir = \"{folder}/lock\" event_activation = 0 }}
             activation {{ udev_sync = 0 udev_rules = 0 monitoring = 0 }}
             backup {{ backup = 0 archive = 0 }}"
        );
        let mut command = command.replace('%', folder);
        for (number, device) in self.devices.iter().enumerate() {
            command = command.replace(&format!("@{number}"), device.name());
        }
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.extend(["--driverloaded", "n", "--config", &config]);
        let output = Command::new("lvm")
            .args(&arguments)
            .env("LVM_SYSTEM_DIR", folder)
            .env("LVM_SUPPRESS_FD_WARNINGS", "1")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "lvm {command}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Names of the volumes, and where each of their pieces lies on a device.
    pub(crate) fn pieces(&self, number: usize) -> Vec<(String, Region)> {
        let said = self.lvm(&format!(
            "pvs --segments --noheadings --units b --nosuffix --separator , -o lv_name,pe_start,vg_extent_size,pvseg_start,pvseg_size @{number}"
        ));
        let piece = |line: &str| {
            let (name, numbers) = line.trim().split_once(',').unwrap();
            let numbers: Vec<u64> = numbers
                .split(',')
                .map(|text| text.parse().unwrap())
                .collect();
            let [data, extent, start, size] = numbers[..] else {
                panic!("pvs said {line}");
            };
            let region = Region {
                offset: data + start * extent,
                size: size * extent,
            };
            (name.to_owned(), region)
        };
        said.lines()
            .map(piece)
            .filter(|(name, _)| !name.is_empty())
            .collect()
    }

    /// Runs several command lines.
    pub(crate) fn lvms(&self, commands: &[&str]) {
        for command in commands {
            self.lvm(command);
        }
    }

    /// Returns the disks as the reader gets them, called `disk0`, `disk1`, …
    pub(crate) fn members(&self) -> Vec<Member> {
        let member = |number| Member {
            name: format!("disk{number}"),
            source: Arc::new(DiskFile::open(&self.file(number)).unwrap()),
        };
        (0..self.devices.len()).map(member).collect()
    }

    /// Returns a number in the header of the first metadata area on disk 0.
    pub(crate) fn header_field(&self, at: usize) -> u64 {
        let disk = std::fs::read(self.file(0)).unwrap();
        crate::bytes::le64(&disk, 4096 + at).unwrap()
    }

    pub(crate) fn write(&self, number: usize, offset: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(self.file(number)).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }
}
