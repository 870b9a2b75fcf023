//! A hash of Berkeley DB, `Packages`: buckets of pages that hold pairs of a package's number and its header. Headers that do
//! not fit on a page, nearly all, lie on chains of overflow pages.

use super::blob::{Chain, Pages, Piece};
use super::cached_file::CachedFile;
use super::{Budget, MAX_FILE, MAX_PACKAGES, Package, RpmError, header};
use crate::bytes::array;
use crate::filesystem::OpenFile;

const MAGIC: u32 = 0x0006_1561;
/// Versions that rpm ever wrote: Berkeley DB 3.1 to 5.3.
const VERSIONS: std::ops::RangeInclusive<u32> = 8..=10;
const META: usize = 512;
/// Bytes in front of a page's items.
const PAGE_HEADER: usize = 26;

/// Types of pages: unsorted hash page, sorted hash page, overflow page.
const HASH_UNSORTED: u8 = 2;
const HASH: u8 = 13;
const OVERFLOW: u8 = 7;

/// Kinds of items: one that lies on the page, one that lies elsewhere.
const ON_PAGE: u8 = 1;
const OFF_PAGE: u8 = 3;

/// Key of the record with the last number given to a package.
const LAST_NUMBER: [u8; 4] = [0; 4];

struct BerkeleyDatabase<'a> {
    blocks: CachedFile<'a>,
    budget: Budget,
    /// Written in big-endian byte order.
    big_endian: bool,
    page_size: usize,
    last_page: u32,
    /// The first page of a bucket that was never written, if there is one.
    unwritten: Option<u32>,
}

/// A header on a hash page or on a chain from there, sorted by its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct HeaderPlace {
    page: u32,
    size: u32,
    /// On the hash page; `None` for a chain.
    offset: Option<u16>,
}

pub(super) fn packages<'a>(
    file: Box<dyn OpenFile + 'a>,
) -> Result<impl Iterator<Item = Result<Package, RpmError>> + 'a, RpmError> {
    let mut blocks = CachedFile::new(file, MAX_FILE)?;
    let meta: [u8; META] = blocks.array(0)?;
    let big_endian = match array(&meta, 12) {
        Some(magic) if u32::from_le_bytes(magic) == MAGIC => false,
        Some(magic) if u32::from_be_bytes(magic) == MAGIC => true,
        _ => {
            return Err(RpmError::damaged(
                "it does not begin as a hash of Berkeley DB does",
            ));
        }
    };
    let mut database = BerkeleyDatabase {
        budget: Budget::new(blocks.size(), 0),
        blocks,
        big_endian,
        page_size: 0,
        last_page: 0,
        unwritten: None,
    };
    let (places, damage) = database.open(&meta)?;
    let headers = places.into_iter().map(move |place| database.header(place));
    // At the end, as nothing follows a final error.
    Ok(headers.chain(damage.map(Err)))
}

impl<'a> BerkeleyDatabase<'a> {
    /// Reads the first page, and finds the headers: all that can be found, and the reason why there may be more.
    fn open(
        &mut self,
        meta: &[u8; META],
    ) -> Result<(Vec<HeaderPlace>, Option<RpmError>), RpmError> {
        let version = self.u32(meta, 16);
        if !VERSIONS.contains(&version) {
            return Err(RpmError::Unsupported(format!(
                "version {version} of the hash"
            )));
        }
        // Flag 1 is for checksums.
        if meta[24] != 0 || meta[26] & 1 != 0 {
            return Err(RpmError::Unsupported("encryption or checksums".into()));
        }
        let page_size = self.u32(meta, 20) as usize;
        if !(512..=65536).contains(&page_size) || !page_size.is_power_of_two() {
            return Err(RpmError::damaged(format!("pages of {page_size} bytes")));
        }
        self.page_size = page_size;
        self.last_page = self.u32(meta, 32);
        let pages = self.blocks.size() / page_size as u64;
        if u64::from(self.last_page) >= pages {
            return Err(RpmError::damaged(format!(
                "its last page is said to be {}, but there are {pages}",
                self.last_page
            )));
        }
        // An overflow page is visited once, or twice where one reads back.
        self.budget.pages = pages * 2;
        self.places(meta)
    }

    fn places(
        &mut self,
        meta: &[u8; META],
    ) -> Result<(Vec<HeaderPlace>, Option<RpmError>), RpmError> {
        let last_bucket = self.u32(meta, 72);
        if last_bucket > self.last_page {
            return Err(RpmError::damaged(format!(
                "{last_bucket} buckets on {} pages",
                self.last_page
            )));
        }
        let mut places = Vec::new();
        let mut damage = None;
        let mut page = vec![0; self.page_size];
        // A chain may lead back to an earlier page.
        let mut visited = vec![false; self.last_page as usize + 1];
        for bucket in 0..=last_bucket {
            // Buckets came in doublings, each of which has its pages in a row.
            let doubling = (u32::BITS - bucket.leading_zeros()) as usize;
            let spare = self.u32(meta, 96 + 4 * doubling.min(31));
            match self.bucket(
                bucket.wrapping_add(spare),
                &mut page,
                &mut visited,
                &mut places,
            ) {
                Err(error) if error.is_final() => return Err(error),
                Err(error) => damage = damage.or(Some(error)),
                Ok(()) => {}
            }
        }
        places.sort_unstable();
        places.dedup();
        // A bucket gets its page with its first key, so pages of zeros are damage only if keys are missing.
        if let Some(number) = self.unwritten
            && places.len() < self.u32(meta, 88) as usize
        {
            damage = damage.or(Some(not_a_bucket(number)));
        }
        Ok((places, damage))
    }

    /// Finds the headers of the bucket that begins on page `number`.
    fn bucket(
        &mut self,
        number: u32,
        page: &mut [u8],
        visited: &mut [bool],
        places: &mut Vec<HeaderPlace>,
    ) -> Result<(), RpmError> {
        let mut next = number;
        loop {
            let number = next;
            self.read(number, 0, page)?;
            if std::mem::replace(&mut visited[number as usize], true) {
                return Err(RpmError::damaged(format!(
                    "the chain of a bucket leads back to page {number}"
                )));
            }
            if page.iter().all(|&byte| byte == 0) {
                self.unwritten.get_or_insert(number);
                return Ok(());
            }
            if !matches!(page[25], HASH | HASH_UNSORTED) || self.u32(page, 8) != number {
                return Err(not_a_bucket(number));
            }
            let items = usize::from(self.u16(page, 20));
            let mut end = page.len();
            for pair in 0..items / 2 {
                let key = usize::from(self.u16(page, PAGE_HEADER + 4 * pair));
                let value = usize::from(self.u16(page, PAGE_HEADER + 4 * pair + 2));
                if end > page.len() || !(PAGE_HEADER..end).contains(&key) || value >= key {
                    return Err(RpmError::damaged(format!("items of page {number} overlap")));
                }
                if page[key..end] != [&[ON_PAGE], &LAST_NUMBER[..]].concat() {
                    places.push(self.place(number, page, value, key)?);
                }
                end = value;
            }
            if places.len() > MAX_PACKAGES {
                return Err(RpmError::Limit {
                    limit: MAX_PACKAGES as u64,
                    of: "packages",
                });
            }
            next = self.u32(page, 16);
            if next == 0 {
                return Ok(());
            }
        }
    }

    /// Returns the place of the header in the item `page[start..end]`, or to which the item leads.
    fn place(
        &self,
        number: u32,
        page: &[u8],
        start: usize,
        end: usize,
    ) -> Result<HeaderPlace, RpmError> {
        let item = page.get(start..end).unwrap_or_default();
        match (item.first(), item.len()) {
            (Some(&ON_PAGE), length) => Ok(HeaderPlace {
                page: number,
                size: length as u32 - 1,
                offset: u16::try_from(start + 1).ok(),
            }),
            (Some(&OFF_PAGE), 12) => Ok(HeaderPlace {
                page: self.u32(item, 4),
                size: self.u32(item, 8),
                offset: None,
            }),
            _ => Err(RpmError::damaged(format!(
                "page {number} has an item of an unknown kind"
            ))),
        }
    }

    fn header(&mut self, place: HeaderPlace) -> Result<Package, RpmError> {
        self.budget.package(place.size.into())?;
        let piece = match place.offset {
            Some(offset) => Piece {
                page: place.page,
                offset: offset.into(),
                length: place.size as usize,
                next: 0,
            },
            None => self.follow(place.page, place.size.into())?,
        };
        header::read(&mut Chain::new(self, piece, place.size.into()))
    }

    fn u16(&self, bytes: &[u8], offset: usize) -> u16 {
        let bytes = array(bytes, offset).unwrap_or_default();
        if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    fn u32(&self, bytes: &[u8], offset: usize) -> u32 {
        let bytes = array(bytes, offset).unwrap_or_default();
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }
}

fn not_a_bucket(number: u32) -> RpmError {
    RpmError::damaged(format!("page {number} is not one of a bucket"))
}

impl Pages for BerkeleyDatabase<'_> {
    fn read(&mut self, page: u32, offset: usize, buffer: &mut [u8]) -> Result<(), RpmError> {
        // Page 0 is the first page's description of the others.
        if page == 0 || page > self.last_page {
            return Err(RpmError::damaged(format!("there is no page {page}")));
        }
        let start = u64::from(page) * self.page_size as u64;
        self.blocks.read(start + offset as u64, buffer)
    }

    fn follow(&mut self, page: u32, rest: u64) -> Result<Piece, RpmError> {
        self.budget.page()?;
        let mut head = [0; PAGE_HEADER];
        self.read(page, 0, &mut head)?;
        let length = usize::from(self.u16(&head, 22));
        if head[25] != OVERFLOW
            || self.u32(&head, 8) != page
            || length == 0
            || length > self.page_size - PAGE_HEADER
            || length as u64 > rest
        {
            return Err(RpmError::damaged(format!(
                "page {page} continues no header"
            )));
        }
        Ok(Piece {
            page,
            offset: PAGE_HEADER,
            length,
            next: self.u32(&head, 16),
        })
    }
}
