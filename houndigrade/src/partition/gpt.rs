//! The GUID partition table: a header behind the first sector, and its copy in the last.

use std::io;

use uuid::{Uuid, uuid};

use super::{Partition, Table};
use crate::bytes::{array, le32, le64};
use crate::source::{BlockSource, problem_code};
use houndigrade_report::{Problem, ProblemCode};

/// Sector sizes a table may count in: that of nearly all disks, and that of "4K native" ones.
const SECTORS: [u64; 2] = [512, 4096];
/// Every tool writes 128 entries; a table with more than this is refused.
const MAX_ENTRIES: u32 = 1024;
/// Larger than any entry ever defined.
const MAX_ENTRY_SIZE: u32 = 4096;

/// Reads the primary table, or the backup where the primary is damaged.
pub(super) fn read(disk: &dyn BlockSource) -> io::Result<Table> {
    let mut problems = Vec::new();
    let primaries = SECTORS.map(|sector| ("primary", sector, sector));
    let backups = SECTORS.map(|sector| ("backup", sector, disk.size().saturating_sub(sector)));
    for (which, sector, offset) in primaries.into_iter().chain(backups) {
        match read_table(disk, sector, offset) {
            Ok(partitions) => {
                // The backup replaces a damaged primary, so nothing is missing.
                return Ok(Table {
                    partitions,
                    problems: Vec::new(),
                });
            }
            Err(GptDamage::NoHeader) => {}
            Err(GptDamage::Read(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(error);
            }
            Err(damage) => {
                let message = format!("{which} GPT at byte {offset}: {damage}");
                problems.push(Problem::new(damage.code(), message));
            }
        }
    }
    if problems.is_empty() {
        problems.push(Problem::new(
            ProblemCode::Damaged,
            "the protective MBR says GPT, but there is no GPT header at the beginning or end of the disk",
        ));
    }
    Ok(Table {
        partitions: Vec::new(),
        problems,
    })
}

/// The reasons why a table is unusable.
#[derive(Debug, thiserror::Error)]
enum GptDamage {
    #[error("no header")]
    NoHeader,
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("the {0} does not match its checksum")]
    Checksum(&'static str),
    #[error(
        "{entries} entries of {size} bytes: the limits are {MAX_ENTRIES} entries of 128 to {MAX_ENTRY_SIZE} bytes"
    )]
    Limits { entries: u32, size: u32 },
}

impl GptDamage {
    fn code(&self) -> ProblemCode {
        match self {
            Self::NoHeader | Self::Checksum(_) => ProblemCode::Damaged,
            Self::Read(error) => problem_code(error),
            Self::Limits { .. } => ProblemCode::LimitExceeded,
        }
    }
}

fn read_table(
    disk: &dyn BlockSource,
    sector: u64,
    offset: u64,
) -> Result<Vec<Partition>, GptDamage> {
    let header = read_header(disk, offset)?;
    let (entries, size) = (header.entries, header.entry_size);
    if entries > MAX_ENTRIES || !(128..=MAX_ENTRY_SIZE).contains(&size) {
        return Err(GptDamage::Limits { entries, size });
    }
    let mut table = vec![0; (entries * size) as usize];
    disk.read_at(header.table.saturating_mul(sector), &mut table)?;
    if crc32fast::hash(&table) != header.table_crc {
        return Err(GptDamage::Checksum("table"));
    }
    Ok((1..)
        .zip(table.chunks_exact(size as usize))
        .filter_map(|(number, entry)| partition(number, entry, sector))
        .collect())
}

struct GptHeader {
    /// First sector of the table.
    table: u64,
    entries: u32,
    entry_size: u32,
    table_crc: u32,
}

fn read_header(disk: &dyn BlockSource, offset: u64) -> Result<GptHeader, GptDamage> {
    let mut header = [0; 512];
    disk.read_at(offset, &mut header)?;
    let fields = || {
        (array(&header, 0)? == *b"EFI PART").then_some(())?;
        let size = le32(&header, 12)? as usize;
        (92..=header.len()).contains(&size).then_some(())?;
        let parsed = GptHeader {
            table: le64(&header, 72)?,
            entries: le32(&header, 80)?,
            entry_size: le32(&header, 84)?,
            table_crc: le32(&header, 88)?,
        };
        Some((size, le32(&header, 16)?, parsed))
    };
    let (size, crc, parsed) = fields().ok_or(GptDamage::NoHeader)?;
    // The checksum is made with its own field zeroed.
    header[16..20].fill(0);
    if crc32fast::hash(&header[..size]) != crc {
        return Err(GptDamage::Checksum("header"));
    }
    Ok(parsed)
}

/// Parses one entry; an unused one has a type of zeros.
fn partition(number: u32, entry: &[u8], sector: u64) -> Option<Partition> {
    let kind = Uuid::from_bytes_le(array(entry, 0)?);
    let (first, last) = (le64(entry, 32)?, le64(entry, 40)?);
    (!kind.is_nil()).then(|| Partition {
        number: Some(number),
        start: first.saturating_mul(sector),
        size: last
            .saturating_sub(first)
            .saturating_add(1)
            .saturating_mul(sector),
        purpose: find(&PURPOSES, kind),
        uuid: array(entry, 16).map(|guid| Uuid::from_bytes_le(guid).to_string()),
        label: label(entry),
        mount_point: find(&MOUNT_POINTS, kind),
        windows: kind == MICROSOFT_BASIC_DATA,
    })
}

fn find(list: &[(Uuid, &'static str)], kind: Uuid) -> Option<&'static str> {
    let (_, what) = list.iter().find(|(guid, _)| *guid == kind)?;
    Some(what)
}

/// Decodes up to 36 UTF-16 units, ended by a zero.
fn label(entry: &[u8]) -> Option<String> {
    let units = entry
        .get(56..128)?
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let units: Vec<u16> = units.take_while(|&unit| unit != 0).collect();
    (!units.is_empty()).then(|| String::from_utf16_lossy(&units))
}

/// The types that hold no Linux.
const PURPOSES: [(Uuid, &str); 5] = [
    (uuid!("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"), "swap"),
    (uuid!("21686148-6449-6e6f-744e-656564454649"), "BIOS boot"),
    (
        uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"),
        "EFI system partition",
    ),
    (uuid!("9e1a2d38-c612-4316-aa26-8b49521e5a8b"), "PReP boot"),
    (
        uuid!("e3c9e316-0b5c-4db8-817d-f92df00215ae"),
        "Microsoft reserved",
    ),
];

const MICROSOFT_BASIC_DATA: Uuid = uuid!("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7");

/// Types of the Discoverable Partitions Specification that hold a part of a system: `/usr` of x86-64, ARM64, x86 and ARM, and `/var`.
const MOUNT_POINTS: [(Uuid, &str); 5] = [
    (uuid!("8484680c-9521-48c6-9c11-b0720656f69e"), "/usr"),
    (uuid!("b0e01050-ee5f-4390-949a-9101b17104e9"), "/usr"),
    (uuid!("75250d76-8cc6-458e-bd66-bd47cc81a812"), "/usr"),
    (uuid!("7d0359a3-02b3-4f0a-865c-654403e70625"), "/usr"),
    (uuid!("4d21b016-b534-45c2-a9fb-5c16e091fd2d"), "/var"),
];
