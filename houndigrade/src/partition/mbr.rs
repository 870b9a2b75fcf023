//! The partition table of the master boot record, with the chain of extended boot records that hold logical partitions.

use std::io;

use super::{Partition, Table};
use crate::bytes::{array, le32};
use crate::source::{BlockSource, problem_code};
use houndigrade_report::{Problem, ProblemCode};

/// MBR tables always count in these.
const SECTOR: u64 = 512;
/// Most logical partitions, as in Linux; a longer chain is an attack.
const MAX_LOGICAL: usize = 128;

/// The contents of the first sector.
pub(super) enum MbrContent {
    /// No partition table.
    Nothing,
    /// The partitions.
    Partitions(Table),
    /// A protective table: the real one is a GPT.
    ProtectiveOfGpt,
}

/// One of the four entries of a record, in sectors.
struct MbrEntry {
    system: u8,
    start: u64,
    size: u64,
}

impl MbrEntry {
    fn is_extended(&self) -> bool {
        matches!(self.system, 0x05 | 0x0f | 0x85)
    }

    fn is_used(&self) -> bool {
        self.system != 0 && self.size != 0
    }

    /// Returns the partition, if the entry's start counts from sector `base`.
    fn partition(&self, number: u32, base: u64) -> Partition {
        Partition {
            number: Some(number),
            start: (base + self.start) * SECTOR,
            size: self.size * SECTOR,
            purpose: match self.system {
                0x82 => Some("swap"),
                0xef => Some("EFI system partition"),
                0x41 => Some("PReP boot"),
                _ => None,
            },
            windows: self.system == 0x07,
            ..Partition::default()
        }
    }
}

pub(super) fn read(disk: &dyn BlockSource) -> io::Result<MbrContent> {
    if disk.size() < SECTOR {
        return Ok(MbrContent::Nothing);
    }
    let Some(entries) = record(disk, 0)? else {
        return Ok(MbrContent::Nothing);
    };
    if entries.iter().any(|entry| entry.system == 0xee) {
        return Ok(MbrContent::ProtectiveOfGpt);
    }
    if !entries
        .iter()
        .any(|entry| entry.is_used() && entry.start != 0)
    {
        return Ok(MbrContent::Nothing);
    }
    let mut table = Table::default();
    for (number, entry) in (1..).zip(&entries) {
        if entry.is_used() && !entry.is_extended() {
            table.partitions.push(entry.partition(number, 0));
        }
    }
    if let Some(extended) = entries
        .iter()
        .find(|entry| entry.is_used() && entry.is_extended())
    {
        read_logical(disk, extended.start, &mut table);
    }
    name(disk, &mut table.partitions)?;
    Ok(MbrContent::Partitions(table))
}

/// Names the partitions, which have no UUID of their own, by the disk's signature and their number.
fn name(disk: &dyn BlockSource, partitions: &mut [Partition]) -> io::Result<()> {
    let mut signature = [0; 4];
    disk.read_at(440, &mut signature)?;
    let signature = u32::from_le_bytes(signature);
    for partition in partitions {
        let uuid = |number| format!("{signature:08x}-{number:02x}");
        partition.uuid = partition.number.filter(|_| signature != 0).map(uuid);
    }
    Ok(())
}

/// Follows the chain that starts at sector `extended`. Links count from there; partitions from their own record.
fn read_logical(disk: &dyn BlockSource, extended: u64, table: &mut Table) {
    let mut at = extended;
    for number in (5..).take(MAX_LOGICAL) {
        let [data, next, ..] = match record(disk, at) {
            Ok(Some(entries)) => entries,
            // An empty extended partition needs no record.
            Ok(None) if at == extended => return,
            Ok(None) => {
                let message = format!("no extended boot record at sector {at}");
                return table
                    .problems
                    .push(Problem::new(ProblemCode::Damaged, message));
            }
            Err(error) => {
                let message = format!("extended boot record at sector {at}: {error}");
                return table
                    .problems
                    .push(Problem::new(problem_code(&error), message));
            }
        };
        if data.is_used() {
            table.partitions.push(data.partition(number, at));
        }
        if !next.is_used() || next.start == 0 {
            return;
        }
        at = extended + next.start;
    }
    let message = format!("more than {MAX_LOGICAL} logical partitions");
    table
        .problems
        .push(Problem::new(ProblemCode::LimitExceeded, message));
}

/// Returns the entries of the boot record at `sector`, if there is one.
fn record(disk: &dyn BlockSource, sector: u64) -> io::Result<Option<[MbrEntry; 4]>> {
    let mut buffer = [0; SECTOR as usize];
    disk.read_at(sector * SECTOR, &mut buffer)?;
    if array(&buffer, 510) != Some([0x55, 0xaa]) || is_boot_sector_of_a_file_system(&buffer) {
        return Ok(None);
    }
    // Boot code where the entries should be: not a table.
    if (0..4).any(|i| !matches!(buffer[446 + 16 * i], 0x00 | 0x80)) {
        return Ok(None);
    }
    Ok(Some([0, 1, 2, 3].map(|i| {
        let at = 446 + 16 * i;
        MbrEntry {
            system: buffer[at + 4],
            start: le32(&buffer, at + 8).unwrap_or_default().into(),
            size: le32(&buffer, at + 12).unwrap_or_default().into(),
        }
    })))
}

/// Recognises FAT and NTFS, which begin with a boot sector with the signature of a partition table.
fn is_boot_sector_of_a_file_system(sector: &[u8]) -> bool {
    [
        (3, b"NTFS    "),
        (3, b"EXFAT   "),
        (54, b"FAT12   "),
        (54, b"FAT16   "),
        (82, b"FAT32   "),
    ]
    .iter()
    .any(|&(offset, magic)| array(sector, offset) == Some(*magic))
}
