//! Headers of packages in a database: in one piece, or in pieces on several pages.

use super::RpmError;
use super::cached_file::CachedFile;

/// The header of a package, unread.
pub(super) trait Blob {
    /// Returns the size in bytes that the database claims.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset` on. Cheap where offsets grow.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), RpmError>;
}

/// A blob in one piece.
pub(super) struct Span<'b, 'a> {
    pub(super) blocks: &'b mut CachedFile<'a>,
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl Blob for Span<'_, '_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), RpmError> {
        within(offset, buffer.len(), self.size)?;
        self.blocks.read(self.offset + offset, buffer)
    }
}

/// A database in pages, with chains of them for larger blobs.
pub(super) trait Pages {
    /// Fills `buffer` from byte `offset` of page `page` on.
    fn read(&mut self, page: u32, offset: usize, buffer: &mut [u8]) -> Result<(), RpmError>;

    /// Returns the piece on page `page` of a blob with `rest` bytes to come. Fails after as many calls as there are pages: a chain
    /// may turn in a circle.
    fn follow(&mut self, page: u32, rest: u64) -> Result<Piece, RpmError>;
}

/// A piece of a blob.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) page: u32,
    /// Offset on the page.
    pub(super) offset: usize,
    pub(super) length: usize,
    /// Page of the next piece.
    pub(super) next: u32,
}

/// A blob in pieces, read front to back.
pub(super) struct Chain<'p, P> {
    pages: &'p mut P,
    first: Piece,
    piece: Piece,
    /// Offset of `piece` in the chain.
    start: u64,
    /// Bytes of the chain in front of the blob.
    skipped: u64,
    /// Bytes of the whole chain.
    size: u64,
}

impl<'p, P: Pages> Chain<'p, P> {
    pub(super) fn new(pages: &'p mut P, first: Piece, size: u64) -> Self {
        Self {
            pages,
            first,
            piece: first,
            start: 0,
            skipped: 0,
            size,
        }
    }

    /// Returns the blob that begins `count` bytes later.
    pub(super) fn skip(mut self, count: u64) -> Self {
        self.skipped = self.skipped.saturating_add(count).min(self.size);
        self
    }

    fn advance(&mut self) -> Result<(), RpmError> {
        let end = self.start + self.piece.length as u64;
        let rest = self.size.saturating_sub(end);
        self.piece = self.pages.follow(self.piece.next, rest)?;
        self.start = end;
        Ok(())
    }
}

impl<P: Pages> Blob for Chain<'_, P> {
    fn size(&self) -> u64 {
        self.size - self.skipped
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), RpmError> {
        within(offset, buffer.len(), self.size())?;
        let mut at = offset + self.skipped;
        if at < self.start {
            (self.piece, self.start) = (self.first, 0);
        }
        let mut rest = buffer;
        while !rest.is_empty() {
            while at >= self.start + self.piece.length as u64 {
                self.advance()?;
            }
            let begin = (at - self.start) as usize;
            let (now, later) = rest.split_at_mut(rest.len().min(self.piece.length - begin));
            self.pages
                .read(self.piece.page, self.piece.offset + begin, now)?;
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }
}

fn within(offset: u64, length: usize, size: u64) -> Result<(), RpmError> {
    if offset.saturating_add(length as u64) > size {
        return Err(RpmError::damaged(format!(
            "a header of {size} bytes ends before its byte {offset}"
        )));
    }
    Ok(())
}
