//! Partition tables.
//!
//! The readers are our own. Crates for both tables exist, but trust them more than a hostile disk deserves: `gpt` 4.1 asserts on an
//! unusual entry size and allocates as much as the header asks for (an abort, which can't be caught), `mbrman` 0.6 follows a chain
//! of extended records for up to 2³² steps and panics on a partition that starts at sector 0.

mod gpt;
mod mbr;
#[cfg(test)]
mod tests;

use std::io;

use crate::source::BlockSource;
use houndigrade_report::Problem;

/// The parts of a disk.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// In the order of their numbers.
    pub partitions: Vec<Partition>,
    /// Damage to the table. Partitions may be missing then.
    pub problems: Vec<Problem>,
}

/// A part of a disk. Its bounds are unchecked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// Its number for `fdisk`; `None` for a disk without a table.
    pub number: Option<u32>,
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// Its contents by its type in the table, if they can't be a Linux.
    pub purpose: Option<&'static str>,
    /// `PARTUUID`, as `blkid` shows it.
    pub uuid: Option<String>,
    /// `PARTLABEL`.
    pub label: Option<String>,
    /// Mount point of its type by systemd's defaults.
    pub mount_point: Option<&'static str>,
    /// It has the type of Windows file systems. Some Linux tools use it too.
    pub windows: bool,
}

/// Reads the partition table; a disk without one is one part as a whole.
///
/// # Errors
/// If the disk can't be read.
pub fn read(disk: &dyn BlockSource) -> io::Result<Table> {
    match mbr::read(disk)? {
        mbr::MbrContent::Nothing => Ok(Table {
            partitions: vec![Partition {
                number: None,
                start: 0,
                size: disk.size(),
                ..Partition::default()
            }],
            problems: Vec::new(),
        }),
        mbr::MbrContent::Partitions(table) => Ok(table),
        mbr::MbrContent::ProtectiveOfGpt => gpt::read(disk),
    }
}
