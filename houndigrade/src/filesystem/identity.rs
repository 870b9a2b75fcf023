//! The names of a file system in its superblock: `blkid` shows them as `UUID` and `LABEL`.

use uuid::Uuid;

use super::Content;
use crate::bytes::{array, le32};

/// The names of a file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The UUID as `blkid` shows it: lower case with dashes; for FAT `1A2B-3C4D`.
    pub uuid: Option<String>,
    /// The label.
    pub label: Option<String>,
}

impl Identity {
    /// Parses the names in the `head` of a partition that holds `content`.
    pub(super) fn parse(content: Content, head: &[u8]) -> Self {
        const EXT: usize = 1024;
        const BTRFS: usize = 64 * 1024;
        match content {
            Content::Ext(_) => Self::new(uuid(head, EXT + 0x68), text(head, EXT + 0x78, 16)),
            Content::Known("xfs") => Self::new(uuid(head, 32), text(head, 108, 12)),
            Content::Known("btrfs") => {
                Self::new(uuid(head, BTRFS + 32), text(head, BTRFS + 0x12b, 256))
            }
            Content::Known("vfat") if array(head, 82) == Some(*b"FAT32   ") => fat(head, 67),
            Content::Known("vfat") => fat(head, 39),
            _ => Self::default(),
        }
    }

    fn new(uuid: Option<String>, label: Option<String>) -> Self {
        Self { uuid, label }
    }
}

fn uuid(head: &[u8], offset: usize) -> Option<String> {
    let uuid = Uuid::from_bytes(array(head, offset)?);
    (!uuid.is_nil()).then(|| uuid.to_string())
}

/// Returns the text up to a zero, or of `size` bytes.
fn text(head: &[u8], offset: usize, size: usize) -> Option<String> {
    let field = head.get(offset..offset + size)?;
    let text = field.split(|&byte| byte == 0).next()?;
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}

/// Returns serial number and label of FAT, the latter without its padding.
fn fat(head: &[u8], offset: usize) -> Identity {
    let serial = le32(head, offset).filter(|&serial| serial != 0);
    let label = text(head, offset + 4, 11).map(|label| label.trim_end().to_owned());
    Identity {
        uuid: serial.map(|serial| format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff)),
        label: label.filter(|label| !matches!(&**label, "" | "NO NAME")),
    }
}

#[cfg(test)]
mod tests;
