//! SQLite, `rpmdb.sqlite`: the rows of the table `Packages`, each with a number and a header. Changes that were committed to the
//! write-ahead log and not yet copied into the database are read from the log.

mod table;
mod wal;

use self::table::{Cell, Rows};
use self::wal::Wal;
use super::blob::{Blob, Chain, Pages, Piece};
use super::cached_file::CachedFile;
use super::{Budget, MAX_FILE, Package, RpmError, header};
use crate::bytes::array;
use crate::filesystem::OpenFile;

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Bytes of the description of the database, in front of the first page's.
const DESCRIPTION: usize = 100;
const UTF_8: u32 = 1;
const TABLE: &str = "Packages";
/// Most bytes of a row of the schema: it holds the text of a `CREATE`.
const MAX_SCHEMA_ROW: u64 = 64 * 1024;

struct SqliteDatabase<'a> {
    file: CachedFile<'a>,
    wal: Option<Wal<'a>>,
    budget: Budget,
    page_size: usize,
    /// Used bytes of a page.
    usable: usize,
    pages: u32,
}

pub(super) fn packages<'a>(
    file: Box<dyn OpenFile + 'a>,
    wal: Option<Box<dyn OpenFile + 'a>>,
) -> Result<impl Iterator<Item = Result<Package, RpmError>> + 'a, RpmError> {
    let mut database = SqliteDatabase::open(file, wal)?;
    let root = database.root()?;
    let mut rows = Rows::new(root);
    let next = move || match rows.next(&mut database) {
        Ok(None) => None,
        Ok(Some(cell)) => Some(database.package(cell)),
        Err(error) => Some(Err(error)),
    };
    Ok(std::iter::from_fn(next))
}

impl<'a> SqliteDatabase<'a> {
    fn open(
        file: Box<dyn OpenFile + 'a>,
        wal: Option<Box<dyn OpenFile + 'a>>,
    ) -> Result<Self, RpmError> {
        let mut file = CachedFile::new(file, MAX_FILE)?;
        let description: [u8; DESCRIPTION] = file.array(0)?;
        if !description.starts_with(MAGIC) {
            return Err(RpmError::damaged(
                "it does not begin as a database of SQLite does",
            ));
        }
        let page_size = match array(&description, 16).map(u16::from_be_bytes) {
            Some(1) => 65536,
            size => usize::from(size.unwrap_or_default()),
        };
        if !(512..=65536).contains(&page_size) || !page_size.is_power_of_two() {
            return Err(RpmError::damaged(format!("pages of {page_size} bytes")));
        }
        let wal = wal.map(|wal| Wal::open(wal, page_size)).transpose()?;
        let wal = wal.flatten();
        let bytes = file.size() + wal.as_ref().map_or(0, Wal::size);
        let pages = match &wal {
            Some(wal) => wal.pages(),
            None => u32::try_from(file.size() / page_size as u64).unwrap_or(u32::MAX),
        };
        let mut database = Self {
            file,
            wal,
            // A page is visited once, or twice where one reads back.
            budget: Budget::new(bytes, (bytes / page_size as u64 + 1) * 2),
            page_size,
            usable: page_size,
            pages,
        };
        // Once more, as the log may have another first page.
        let mut description = [0; DESCRIPTION];
        database.read(1, 0, &mut description)?;
        database.usable = page_size - usize::from(description[20]);
        if database.usable < 480 {
            return Err(RpmError::damaged(format!(
                "{} bytes of each page are reserved",
                description[20]
            )));
        }
        let encoding = array(&description, 56).map_or(0, u32::from_be_bytes);
        if encoding != UTF_8 {
            return Err(RpmError::Unsupported(format!(
                "text in encoding {encoding}"
            )));
        }
        Ok(database)
    }

    /// Returns the page on which the table begins.
    fn root(&mut self) -> Result<u32, RpmError> {
        let mut schema = Rows::new(1);
        while let Some(cell) = schema.next(self)? {
            if cell.size > MAX_SCHEMA_ROW {
                continue;
            }
            let mut row = vec![0; cell.size as usize];
            Chain::new(self, cell.piece, cell.size).read_at(0, &mut row)?;
            if let Some(root) = table::root_of(&row, TABLE) {
                return Ok(root);
            }
        }
        Err(RpmError::damaged(format!("it has no table {TABLE}")))
    }

    fn package(&mut self, cell: Cell) -> Result<Package, RpmError> {
        self.budget.package(cell.size)?;
        let mut row = Chain::new(self, cell.piece, cell.size);
        let mut start = [0; table::ROW_START];
        let length = start.len().min(cell.size as usize);
        row.read_at(0, &mut start[..length])?;
        let skipped = table::blob_at(&start[..length], cell.size)
            .ok_or_else(|| RpmError::damaged(format!("row {} holds no header", cell.number)))?;
        header::read(&mut row.skip(skipped))
    }
}

impl Pages for SqliteDatabase<'_> {
    fn read(&mut self, page: u32, offset: usize, buffer: &mut [u8]) -> Result<(), RpmError> {
        if page == 0 || page > self.pages {
            return Err(RpmError::damaged(format!("there is no page {page}")));
        }
        if let Some(wal) = &mut self.wal
            && wal.read(page, offset, buffer)?
        {
            return Ok(());
        }
        let start = u64::from(page - 1) * self.page_size as u64;
        self.file.read(start + offset as u64, buffer)
    }

    fn follow(&mut self, page: u32, rest: u64) -> Result<Piece, RpmError> {
        self.budget.page()?;
        let mut next = [0; 4];
        self.read(page, 0, &mut next)?;
        let length = (self.usable - 4) as u64;
        Ok(Piece {
            page,
            offset: 4,
            length: length.min(rest) as usize,
            next: u32::from_be_bytes(next),
        })
    }
}
