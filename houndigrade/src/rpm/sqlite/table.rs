//! The rows of a table: a b-tree with rows in its leaves, and the record format of a row.

use super::super::RpmError;
use super::super::blob::{Pages, Piece};
use super::{DESCRIPTION, SqliteDatabase};
use crate::bytes::array;

/// Kinds of a table's pages.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// Most levels of a b-tree: with two children a page this is more than a file can hold.
const MAX_DEPTH: u32 = 32;

/// A row, unread.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    /// Its number, `rowid`.
    pub(super) number: i64,
    /// Bytes of its record.
    pub(super) size: u64,
    /// Its bytes on the leaf.
    pub(super) piece: Piece,
}

/// A walk over the rows of a table. After an error it goes on with the next page.
pub(super) struct Rows {
    /// Pages to visit and their depth, the next one last.
    pages: Vec<(u32, u32)>,
    /// Rows of a leaf to come, the next one last.
    cells: Vec<Cell>,
    /// Number of the last row. Numbers grow: a page that is met again has no row to count twice.
    last: Option<i64>,
}

impl Rows {
    /// Returns the rows of the table that begins on page `root`.
    pub(super) fn new(root: u32) -> Self {
        Self {
            pages: vec![(root, 0)],
            cells: Vec::new(),
            last: None,
        }
    }

    /// Returns the next row; `None` after the last.
    pub(super) fn next(
        &mut self,
        database: &mut SqliteDatabase<'_>,
    ) -> Result<Option<Cell>, RpmError> {
        loop {
            if let Some(cell) = self.cells.pop() {
                if self.last.is_some_and(|last| last >= cell.number) {
                    self.cells.clear();
                    return Err(RpmError::damaged(format!(
                        "row {} is not where it belongs",
                        cell.number
                    )));
                }
                self.last = Some(cell.number);
                return Ok(Some(cell));
            }
            let Some((page, depth)) = self.pages.pop() else {
                return Ok(None);
            };
            self.visit(database, page, depth)?;
        }
    }

    fn visit(
        &mut self,
        database: &mut SqliteDatabase<'_>,
        page: u32,
        depth: u32,
    ) -> Result<(), RpmError> {
        database.budget.page()?;
        let mut bytes = vec![0; database.page_size];
        database.read(page, 0, &mut bytes)?;
        let bytes = &bytes[..database.usable];
        let start = if page == 1 { DESCRIPTION } else { 0 };
        let damaged =
            || RpmError::damaged(format!("page {page} is not one of a table, or overwritten"));
        let cells = be16(bytes, start + 3).ok_or_else(damaged)?;
        let cell = |pointers: usize, index: usize| {
            bytes.get(usize::from(be16(bytes, pointers + 2 * index)?)..)
        };
        match bytes[start] {
            INTERIOR if depth < MAX_DEPTH => {
                let children =
                    (0..usize::from(cells)).map(|index| be32(cell(start + 12, index)?, 0));
                let rightmost = std::iter::once(be32(bytes, start + 8));
                let children: Option<Vec<u32>> = children.chain(rightmost).collect();
                let children = children.ok_or_else(damaged)?;
                self.pages
                    .extend(children.into_iter().rev().map(|child| (child, depth + 1)));
            }
            LEAF => {
                let cells = (0..usize::from(cells)).map(|index| {
                    let cell = cell(start + 8, index)?;
                    leaf_cell(cell, page, bytes.len())
                });
                let cells: Option<Vec<Cell>> = cells.collect();
                self.cells = cells.ok_or_else(damaged)?;
                self.cells.reverse();
            }
            _ => return Err(damaged()),
        }
        Ok(())
    }
}

/// Parses the row at the beginning of `bytes`, which go to the end of its page.
fn leaf_cell(bytes: &[u8], page: u32, usable: usize) -> Option<Cell> {
    let (size, rest) = varint(bytes)?;
    let (number, rest) = varint(rest)?;
    let length = local(size, usable);
    let next = match length as u64 == size {
        true => 0,
        false => be32(rest, length)?,
    };
    (length <= rest.len()).then_some(Cell {
        number: number as i64,
        size,
        piece: Piece {
            page,
            offset: usable - rest.len(),
            length,
            next,
        },
    })
}

/// Returns the bytes on the leaf of a row of `size` bytes; the rest is on overflow pages.
fn local(size: u64, usable: usize) -> usize {
    let most = usable - 35;
    if size <= most as u64 {
        return size as usize;
    }
    // Such that the last overflow page is full, if the leaf has room.
    let least = (usable - 12) * 32 / 255 - 23;
    let filling = least + ((size - least as u64) % (usable as u64 - 4)) as usize;
    if filling <= most { filling } else { least }
}

/// Bytes of a row of [`super::TABLE`] with the place of its header.
pub(super) const ROW_START: usize = 24;

/// Returns the range of the header in a row of `size` bytes, which begins with `start`: its second and last column.
pub(super) fn blob_at(start: &[u8], size: u64) -> Option<u64> {
    let (header, columns) = varint(start)?;
    let (number, columns) = varint(columns)?;
    let (blob, _) = varint(columns)?;
    let offset = header.checked_add(width(number)?)?;
    let is_blob = blob >= 12 && blob % 2 == 0;
    (is_blob && offset.checked_add((blob - 12) / 2)? == size).then_some(offset)
}

/// Returns the first page of the table `name`, if `row` of the schema describes it: type, name, table, page, text.
pub(super) fn root_of(row: &[u8], name: &str) -> Option<u32> {
    let (header, _) = varint(row)?;
    let header = usize::try_from(header).ok()?;
    let (mut columns, mut values) = row.split_at_checked(header)?;
    (_, columns) = varint(columns)?;
    let mut column = || {
        let (kind, rest) = varint(columns)?;
        columns = rest;
        let value;
        (value, values) = values.split_at_checked(width(kind)?.try_into().ok()?)?;
        Some((kind, value))
    };
    let (kind, named, _, (integer, page)) = (column()?, column()?, column()?, column()?);
    let described = kind.1 == b"table" && named.1.eq_ignore_ascii_case(name.as_bytes());
    // Kinds 1 to 6 are integers, 8 and 9 are 0 and 1: the first page is the schema's own.
    (described && matches!(integer, 1..=6)).then_some(())?;
    let page = page
        .iter()
        .fold(0u64, |page, &byte| page << 8 | u64::from(byte));
    page.try_into().ok()
}

/// Returns the bytes of a value of this kind.
fn width(kind: u64) -> Option<u64> {
    Some(match kind {
        0 | 8 | 9 => 0,
        1..=4 => kind,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => return None,
        _ => (kind - 12) / 2,
    })
}

/// Parses a number of one to nine bytes. Returns it and the rest.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        if index == 8 {
            return Some((number << 8 | u64::from(byte), &bytes[9..]));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

fn be16(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_be_bytes)
}

fn be32(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_be_bytes)
}
