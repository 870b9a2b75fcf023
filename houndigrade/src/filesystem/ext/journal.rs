//! The journal of ext3 and ext4, as Linux recovers it. The [kernel's documentation] has its format, but for `fs/jbd2/recovery.c`.
//!
//! [kernel's documentation]: https://docs.kernel.org/filesystems/ext4/journal.html
//!
//! The log is read once, without the blocks in it: the place of each block's last copy is kept, unless it was revoked by then.
//! A block is read, and checked against its checksum, on demand.

use std::collections::BTreeMap;
use std::io;

use super::FileSystemError;
use super::checksum::crc32_be;
use super::inode::ExtInode;
use super::map::BlockMap;
use super::superblock::ExtSuperblock;
use super::tags::{JournalTag, Layout, be32};
use super::volume::ExtVolume;
use crate::bytes::array;
use crate::filesystem::crc32c::crc32c;
use crate::source::BlockSource;

/// Length of a journal in blocks: 16 GiB in blocks of 4 KiB. The largest that `mke2fs` makes has 10 GiB.
const MAX_BLOCKS: u64 = 4 << 20;
/// Most blocks with copies: 2 GiB in blocks of 4 KiB. By default, `mke2fs` makes journals of up to 1 GiB.
const MAX_LOGGED: u64 = 512 * 1024;
/// Most blocks that are revoked.
const MAX_REVOKED: u64 = 512 * 1024;

const MAGIC: [u8; 4] = 0xc03b_3998_u32.to_be_bytes();
/// Kinds of blocks that begin with the mark.
const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const SUPERBLOCK_V1: u32 = 3;
const SUPERBLOCK_V2: u32 = 4;
const REVOKE: u32 = 5;

/// Compatible feature: a commit has a checksum of its whole transaction.
const CHECKSUM_V1: u32 = 0x1;
/// Incompatible features.
const IS_64BIT: u32 = 0x2;
const ASYNC_COMMIT: u32 = 0x4;
const CHECKSUM_V2: u32 = 0x8;
const CHECKSUM_V3: u32 = 0x10;
const FAST_COMMIT: u32 = 0x20;
/// The incompatible features that are read; the lowest bit is for revokes.
const KNOWN: u32 = 0x1 | IS_64BIT | ASYNC_COMMIT | CHECKSUM_V2 | CHECKSUM_V3;

/// Blocks of a journal that replace those on the disk.
pub(super) struct JournalReplay {
    pub(super) block_size: u64,
    layout: Layout,
    blocks: BTreeMap<u64, Logged>,
}

/// The last copy of a block in the journal.
#[derive(Clone, Copy)]
struct Logged {
    /// Number on the disk of the copy.
    at: u64,
    /// Of its transaction.
    sequence: u32,
    tag: JournalTag,
}

impl JournalReplay {
    /// Returns the replay of a clean file system.
    pub(super) fn nothing(block_size: u64) -> Self {
        Self {
            block_size,
            layout: Layout::default(),
            blocks: BTreeMap::new(),
        }
    }

    /// Returns its memory in bytes.
    pub(super) fn memory(&self) -> usize {
        self.blocks.len() * size_of::<(u64, Logged)>()
    }

    /// Returns the first replaced block from `block` on.
    pub(super) fn first_from(&self, block: u64) -> Option<u64> {
        self.blocks.range(block..).next().map(|(&block, _)| block)
    }

    /// Reads the replacement of `block`, if there is one.
    pub(super) fn read(
        &self,
        block: u64,
        partition: &dyn BlockSource,
    ) -> io::Result<Option<Vec<u8>>> {
        let Some(logged) = self.blocks.get(&block) else {
            return Ok(None);
        };
        let mut contents = vec![0; self.block_size as usize];
        partition.read_at(logged.at.saturating_mul(self.block_size), &mut contents)?;
        if !self.layout.fits(&logged.tag, logged.sequence, &contents) {
            let what = format!("the journal's copy of block {block} does not fit its checksum");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        if logged.tag.escaped {
            contents[..MAGIC.len()].copy_from_slice(&MAGIC);
        }
        Ok(Some(contents))
    }
}

/// Reads the journal of a file system that needs recovery.
///
/// # Errors
/// If Linux would refuse to mount it, if it exceeds a limit, or if the journal is not in the file system.
pub(super) fn replay(
    superblock: &ExtSuperblock,
    partition: &dyn BlockSource,
) -> Result<JournalReplay, FileSystemError> {
    let number = superblock.journal_inode();
    let number = number.ok_or(FileSystemError::Unsupported(
        "ext4 with a dirty journal elsewhere",
    ))?;
    let volume = ExtVolume {
        superblock,
        disk: partition,
    };
    let inode = ExtInode::read(volume, number)?;
    JournalLog::open(volume, &inode)?.read()
}

/// The log, and the reader's position in it.
struct JournalLog<'a> {
    volume: ExtVolume<'a>,
    map: BlockMap<'a>,
    layout: Layout,
    checksum_v1: bool,
    async_commit: bool,
    /// Its blocks are `first..end`, of the journal, and `first` comes after the last.
    first: u64,
    end: u64,
    next: u64,
    /// Blocks not read so far. A log may be full, but none is read twice.
    left: u64,
    sequence: u32,
}

/// A transaction without its commit yet.
#[derive(Default)]
struct JournalTransaction {
    blocks: Vec<Logged>,
    revoked: Vec<u64>,
    /// Something in it does not fit its checksum.
    suspect: bool,
}

impl<'a> JournalLog<'a> {
    fn open(volume: ExtVolume<'a>, inode: &ExtInode) -> Result<Self, FileSystemError> {
        let damaged = |what: &str| volume.damaged(format!("its journal {what}"));
        let mut map = BlockMap::open(volume, inode)?;
        let length = inode.size / volume.block_size();
        limit(length, MAX_BLOCKS, "blocks")?;
        let mut head = [0; 1024];
        let at = block(volume, &mut map, 0)?.saturating_mul(volume.block_size());
        volume.disk.read_at(at, &mut head)?;
        let field = |offset| be32(&head, offset).unwrap_or_default();

        let second = match field(0x4) {
            SUPERBLOCK_V2 => true,
            SUPERBLOCK_V1 => false,
            _ => return Err(damaged("has no superblock")),
        };
        if array(&head, 0) != Some(MAGIC) || u64::from(field(0xc)) != volume.block_size() {
            return Err(damaged("has no superblock"));
        }
        let (compatible, features) = if second {
            (field(0x24), field(0x28))
        } else {
            (0, 0)
        };
        if features & FAST_COMMIT != 0 {
            return Err(FileSystemError::Unsupported(
                "ext4 with a dirty journal of fast commits",
            ));
        }
        if features & !KNOWN != 0 {
            return Err(damaged(&format!("has unknown features, {features:#x}")));
        }
        let layout = Layout {
            is_64bit: features & IS_64BIT != 0,
            checksum_v2: features & CHECKSUM_V2 != 0,
            checksum_v3: features & CHECKSUM_V3 != 0,
            seed: crc32c(!0, &head[0x30..0x40]),
        };
        if layout.has_checksums() {
            let expected = field(0xfc);
            head[0xfc..0x100].fill(0);
            if head[0x50] != 4 || crc32c(!0, &head) != expected {
                return Err(damaged("has a superblock that does not fit its checksum"));
            }
        }

        let field = |offset| u64::from(be32(&head, offset).unwrap_or_default());
        let (end, first, next) = (field(0x10), field(0x14), field(0x1c));
        // Zero: the log is empty.
        let clean = next == 0;
        if end > length || first == 0 || first >= end || !(clean || (first..end).contains(&next)) {
            return Err(damaged("is not where its superblock says"));
        }
        Ok(Self {
            volume,
            map,
            layout,
            checksum_v1: compatible & CHECKSUM_V1 != 0,
            async_commit: features & ASYNC_COMMIT != 0,
            first,
            end,
            next,
            left: if clean { 0 } else { end - first },
            sequence: field(0x18) as u32,
        })
    }

    /// Reads transactions up to the end of the log: the first block that is not of the next transaction, or not of the log at all.
    fn read(mut self) -> Result<JournalReplay, FileSystemError> {
        let mut blocks: BTreeMap<u64, Logged> = BTreeMap::new();
        let mut revoked: BTreeMap<u64, u32> = BTreeMap::new();
        let mut transaction = JournalTransaction::default();
        let mut checksum_v1 = !0;
        let mut last_commit = 0;
        let mut block = vec![0; self.volume.block_size() as usize];
        while let Some(at) = self.step()? {
            self.read_block(at, &mut block)?;
            if array(&block, 0) != Some(MAGIC) || be32(&block, 8) != Some(self.sequence) {
                break;
            }
            match be32(&block, 4) {
                Some(DESCRIPTOR) => {
                    transaction.suspect |= !self.layout.tail_fits(&block);
                    checksum_v1 = crc32_be(checksum_v1, &block);
                    for tag in self.layout.tags(&block) {
                        let Some(at) = self.step()? else {
                            break;
                        };
                        if self.checksum_v1 {
                            let mut logged = vec![0; block.len()];
                            self.read_block(at, &mut logged)?;
                            checksum_v1 = crc32_be(checksum_v1, &logged);
                        }
                        transaction.blocks.push(Logged {
                            at,
                            sequence: self.sequence,
                            tag,
                        });
                    }
                    limit(
                        (blocks.len() + transaction.blocks.len()) as u64,
                        MAX_LOGGED,
                        "blocks",
                    )?;
                }
                Some(REVOKE) => {
                    transaction.suspect |= !self.layout.tail_fits(&block);
                    transaction.revoked.extend(self.layout.revoked(&block));
                    limit(
                        (revoked.len() + transaction.revoked.len()) as u64,
                        MAX_REVOKED,
                        "revoked blocks",
                    )?;
                }
                Some(COMMIT) => {
                    let time = array(&block, 0x30).map_or(0, u64::from_be_bytes);
                    let fits = !transaction.suspect
                        && self.layout.commit_fits(&block)
                        && (!self.checksum_v1 || commit_v1_fits(&block, checksum_v1));
                    if !fits {
                        // An older commit is left from an earlier use of this part of the log; an asynchronous one may be torn.
                        if time < last_commit || (self.async_commit && !transaction.suspect) {
                            break;
                        }
                        return Err(self.volume.damaged(format!(
                            "transaction {} of its journal does not fit its checksum",
                            self.sequence
                        )));
                    }
                    let JournalTransaction {
                        blocks: logged,
                        revoked: void,
                        ..
                    } = std::mem::take(&mut transaction);
                    blocks.extend(logged.into_iter().map(|logged| (logged.tag.block, logged)));
                    revoked.extend(void.into_iter().map(|block| (block, self.sequence)));
                    self.sequence = self.sequence.wrapping_add(1);
                    (checksum_v1, last_commit) = (!0, time);
                }
                _ => break,
            }
        }
        // A revoke voids the copies of its own transaction and of those before.
        blocks.retain(|block, logged| {
            revoked
                .get(block)
                .is_none_or(|&until| later(logged.sequence, until))
        });
        Ok(JournalReplay {
            block_size: self.volume.block_size(),
            layout: self.layout,
            blocks,
        })
    }

    /// Returns the next block of the log, by its number on the disk; `None` after the last.
    fn step(&mut self) -> Result<Option<u64>, FileSystemError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let block = block(self.volume, &mut self.map, self.next)?;
        self.next += 1;
        if self.next == self.end {
            self.next = self.first;
        }
        Ok(Some(block))
    }

    fn read_block(&self, block: u64, buffer: &mut [u8]) -> io::Result<()> {
        let at = block.saturating_mul(self.volume.block_size());
        self.volume.disk.read_at(at, buffer)
    }
}

/// Returns the number on the disk of the journal's block `logical`.
fn block(volume: ExtVolume, map: &mut BlockMap, logical: u64) -> Result<u64, FileSystemError> {
    let at = map.run(logical)?.at;
    at.ok_or_else(|| volume.damaged(format!("its journal has no block {logical}")))
}

/// Returns whether transaction `a` came after `b`: numbers wrap around.
fn later(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

/// Checks the checksum of a whole transaction, which may be left out.
fn commit_v1_fits(commit: &[u8], checksum: u32) -> bool {
    let stated = be32(commit, 0x10);
    match commit[0xc..0xe] {
        [0, 0] => stated == Some(0),
        [1, 4] => stated == Some(checksum),
        _ => false,
    }
}

fn limit(count: u64, limit: u64, of: &'static str) -> Result<(), FileSystemError> {
    if count <= limit {
        return Ok(());
    }
    Err(FileSystemError::Limit {
        path: "the journal".into(),
        limit: limit as usize,
        of,
    })
}

#[cfg(test)]
mod tests;
