//! `/etc/fstab` (`man 5 fstab`): the file systems of a system and their mount points.

use super::{FileSystemError, Root, normal};

/// Its path.
pub const PATH: &str = "/etc/fstab";
/// Most bytes: real ones have a few thousand.
const MAX_SIZE: usize = 256 * 1024;
/// Most entries.
const MAX_ENTRIES: usize = 256;
/// Types without files on a disk.
const PSEUDO: [&str; 16] = [
    "swap",
    "proc",
    "sysfs",
    "tmpfs",
    "ramfs",
    "devtmpfs",
    "devpts",
    "cgroup",
    "cgroup2",
    "securityfs",
    "debugfs",
    "tracefs",
    "configfs",
    "efivarfs",
    "hugetlbfs",
    "mqueue",
];

/// A file system to mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FstabEntry {
    /// The name of its device as written, for messages.
    pub source: String,
    /// The device meant.
    pub device: Device,
    /// Mount point: an absolute path without `.`, `..` and needless slashes.
    pub at: String,
    /// Path of the btrfs subvolume to mount.
    pub subvolume: Option<String>,
    /// Number of the subvolume, if its path is not given.
    pub subvolume_id: Option<u64>,
    /// The system starts without it.
    pub optional: bool,
}

/// The ways of an entry to name its file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// By the UUID of the file system.
    Uuid(String),
    /// By its label.
    Label(String),
    /// By the UUID of the partition.
    PartUuid(String),
    /// By the label of the partition.
    PartLabel(String),
    /// A logical volume: `/dev/GROUP/VOLUME`.
    LogicalVolume(String),
    /// The name that the kernel gave to a disk or partition.
    Partition {
        /// Number of the disk, from 0: `sda` and `nvme0n1` are the first.
        disk: u32,
        /// Number of the partition; `None`: the disk as a whole.
        number: Option<u32>,
    },
    /// A bind mount: a directory of the tree that is shown at a second place.
    Directory(String),
    /// Not on a disk of an image: a network share, for example.
    Other,
}

/// Reads and parses the fstab of a tree. Without one, nothing is mounted.
///
/// # Errors
/// If it can't be read, or exceeds a limit.
pub fn read(root: &Root<'_>) -> Result<Vec<FstabEntry>, FileSystemError> {
    let head = root.head(PATH, MAX_SIZE + 1)?.unwrap_or_default();
    if head.len() > MAX_SIZE {
        return Err(too_many(MAX_SIZE, "bytes"));
    }
    parse(&String::from_utf8_lossy(&head))
}

/// Parses the entries with files on a disk, except that of `/`. As `mount` does, it ignores lines that it can't parse.
///
/// # Errors
/// If there are too many.
pub fn parse(text: &str) -> Result<Vec<FstabEntry>, FileSystemError> {
    // Disks may have had other names there. The entry of `/` shows the name of the root's disk.
    let home = text
        .lines()
        .filter_map(fields)
        .find(|fields| fields[1] == "/")
        .and_then(|fields| match partition(&fields[0]) {
            Some(Device::Partition { disk, .. }) => Some(disk),
            _ => None,
        });
    let mut entries = Vec::new();
    for entry in text.lines().filter_map(entry) {
        if entries.len() == MAX_ENTRIES {
            return Err(too_many(MAX_ENTRIES, "file systems"));
        }
        entries.push(entry.counted_from(home.unwrap_or_default()));
    }
    Ok(entries)
}

fn too_many(limit: usize, of: &'static str) -> FileSystemError {
    FileSystemError::Limit {
        path: PATH.into(),
        limit,
        of,
    }
}

impl FstabEntry {
    /// Returns the device with the disks numbered so that 0 is the root's.
    fn counted_from(mut self, home: u32) -> Self {
        if let Device::Partition { disk, .. } = &mut self.device {
            *disk = match *disk {
                this if this == home => 0,
                before if before < home => before + 1,
                behind => behind,
            };
        }
        self
    }
}

fn entry(line: &str) -> Option<FstabEntry> {
    let fields = fields(line)?;
    let [source, at, kind] = [0, 1, 2].map(|i| fields[i].as_str());
    let options: Vec<&str> = fields.get(3).map(|list| list.split(',').collect())?;
    let value = |key: &str| {
        options
            .iter()
            .find_map(|option| option.strip_prefix(key)?.strip_prefix('='))
    };
    let is_bind = options
        .iter()
        .any(|option| matches!(*option, "bind" | "rbind"));
    let at_is_sound = at.starts_with('/') && !at.split('/').any(|name| name == "..");
    if !at_is_sound || normal(at) == "/" || PSEUDO.contains(&kind) && !is_bind {
        return None;
    }
    let number = value("subvolid").and_then(|id| id.parse().ok());
    // 5 is the number of the top level, and 0 another for it.
    let top = || matches!(number, Some(0 | 5)).then(|| "/".to_owned());
    let subvolume = value("subvol").map(normal).or_else(top);
    Some(FstabEntry {
        device: if is_bind {
            Device::Directory(normal(source))
        } else {
            device(source)
        },
        source: source.into(),
        at: normal(at),
        subvolume_id: number.filter(|_| subvolume.is_none()),
        subvolume,
        optional: options.contains(&"noauto"),
    })
}

/// Returns the fields of a line, at least three, without quotes and escapes, and always a fourth.
fn fields(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let mut fields = Vec::new();
    let mut is_quoted = false;
    for part in line.split(|c: char| {
        is_quoted ^= c == '"';
        !is_quoted && matches!(c, ' ' | '\t')
    }) {
        if !part.is_empty() && fields.len() < 4 {
            fields.push(unescape(&part.replace('"', "")));
        }
    }
    if fields.len() == 3 {
        fields.push(String::new());
    }
    (fields.len() == 4).then_some(fields)
}

/// Decodes bytes written as a backslash and three octal digits.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let [first, behind @ ..] = rest {
        let code = behind
            .first_chunk()
            .filter(|_| *first == b'\\')
            .and_then(octal);
        bytes.push(code.unwrap_or(*first));
        rest = &rest[if code.is_some() { 4 } else { 1 }..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(digits, 8).ok()
}

fn device(source: &str) -> Device {
    if let Some((tag, value)) = source.split_once('=')
        && let Some(device) = by_tag(tag, value)
    {
        return device;
    }
    if let Some((by, value)) = source
        .strip_prefix("/dev/disk/by-")
        .and_then(|rest| rest.split_once('/'))
    {
        return by_tag(by, &udev_unescape(value)).unwrap_or(Device::Other);
    }
    partition(source)
        .or_else(|| logical_volume(source))
        .unwrap_or(Device::Other)
}

/// Tags are upper case in an fstab and lower case in `/dev/disk`.
fn by_tag(tag: &str, value: &str) -> Option<Device> {
    let value = value.to_owned();
    Some(match tag.to_ascii_uppercase().as_str() {
        "UUID" => Device::Uuid(value),
        "LABEL" => Device::Label(value),
        "PARTUUID" => Device::PartUuid(value),
        "PARTLABEL" => Device::PartLabel(value),
        _ => return None,
    })
}

/// Decodes names of udev, which writes special characters as `\x20`.
fn udev_unescape(name: &str) -> String {
    let mut parts = name.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part
            .get(..2)
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                bytes.extend(&part.as_bytes()[2..]);
            }
            None => bytes.extend([b"\\x", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Parses `/dev/sda2`, `/dev/xvda`, `/dev/nvme0n1p2`, `/dev/mmcblk0p1`.
fn partition(source: &str) -> Option<Device> {
    let name = source.strip_prefix("/dev/")?;
    let (disk, number) = ["xvd", "sd", "vd", "hd"]
        .iter()
        .find_map(|kind| lettered(name.strip_prefix(kind)?))
        .or_else(|| numbered(name.strip_prefix("nvme")?, Some("n1")))
        .or_else(|| numbered(name.strip_prefix("mmcblk")?, None))?;
    let number = match number {
        "" => None,
        digits => Some(digits.parse().ok()?),
    };
    Some(Device::Partition { disk, number })
}

/// Parses `a2`: the disk's number and the partition's. Behind `z` comes `aa`.
fn lettered(name: &str) -> Option<(u32, &str)> {
    let number = name.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let letters = &name[..name.len() - number.len()];
    if !(1..=3).contains(&letters.len()) {
        return None;
    }
    let disk = letters
        .bytes()
        .fold(0, |disk, letter| disk * 26 + u32::from(letter - b'a') + 1);
    Some((disk - 1, number))
}

/// Parses `0n1p2`, `0p2`, `0`.
fn numbered<'a>(name: &'a str, unit: Option<&str>) -> Option<(u32, &'a str)> {
    let rest = name.trim_start_matches(|c: char| c.is_ascii_digit());
    let disk = name[..name.len() - rest.len()].parse().ok()?;
    let rest = match unit {
        Some(unit) => rest.strip_prefix(unit)?,
        None => rest,
    };
    match rest {
        "" => Some((disk, "")),
        rest => Some((
            disk,
            rest.strip_prefix('p').filter(|digits| !digits.is_empty())?,
        )),
    }
}

/// Parses `/dev/GROUP/VOLUME` or `/dev/mapper/GROUP-VOLUME`, where a dash of a name is doubled.
fn logical_volume(source: &str) -> Option<Device> {
    let (group, volume) = source.strip_prefix("/dev/")?.split_once('/')?;
    let name = if group == "mapper" {
        let names = volume.replace("--", "\0");
        let (group, volume) = names.split_once('-')?;
        format!("/dev/{group}/{volume}").replace('\0', "-")
    } else {
        source.into()
    };
    Some(Device::LogicalVolume(name))
}

#[cfg(test)]
mod tests;
