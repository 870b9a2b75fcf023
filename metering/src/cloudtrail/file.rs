//! A log file as a stream: one JSON object with the list of records, read piece by piece.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};

use serde::de::{Error as _, IgnoredAny};

use super::header::{Header, Scan};
use super::{LogError, ReadError, skip};

/// The part of a log file that is in memory.
pub(super) struct Window<'a, R> {
    source: R,
    bytes: Cow<'a, [u8]>,
    /// First byte not yet read.
    start: usize,
    /// End of the bytes that belong to the file.
    end: usize,
    /// Bytes before the window.
    passed: u64,
    limit: u64,
    complete: bool,
}

impl<'a> Window<'a, std::io::Empty> {
    /// A window on a file that is in memory as a whole.
    pub(super) fn whole(bytes: &'a [u8]) -> Self {
        Self {
            source: std::io::empty(),
            end: bytes.len(),
            bytes: Cow::Borrowed(bytes),
            start: 0,
            passed: 0,
            limit: u64::MAX,
            complete: true,
        }
    }
}

/// A record and the header that a scan found in it.
pub(super) struct Record<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) header: Option<Header<'a>>,
}

impl<R: Read> Window<'_, R> {
    /// A window on a file of at most `limit` bytes. It holds `window` bytes, and grows for a value that is longer.
    pub(super) fn sliding(source: R, limit: u64, window: usize) -> Self {
        Self {
            source,
            bytes: Cow::Owned(vec![0; window.max(1)]),
            start: 0,
            end: 0,
            passed: 0,
            limit,
            complete: false,
        }
    }

    /// Passes the records to `take`, one by one.
    pub(super) fn records(mut self, mut take: impl FnMut(Record<'_>)) -> Result<(), ReadError> {
        match self.peek()? {
            Some(b'{') => self.start += 1,
            _ => return Err(self.other_document()?),
        }
        let mut found = false;
        if self.peek()? == Some(b'}') {
            self.start += 1;
        } else {
            loop {
                if self.peek()? != Some(b'"') {
                    return Err(self.unexpected("a name"));
                }
                let length = self.value()?;
                let key: String = self.json(length)?;
                self.start += length;
                self.expect(b':', "`:`")?;
                let first = self.peek()?;
                if key != "Records" {
                    let length = self.value()?;
                    let _: IgnoredAny = self.json(length)?;
                    self.start += length;
                } else if std::mem::replace(&mut found, true) {
                    return Err(shape("duplicate field `Records`"));
                } else {
                    match first {
                        Some(b'[') => self.list(&mut take)?,
                        Some(_) => return Err(shape("it is something else")),
                        None => return Err(syntax("it is cut off")),
                    }
                }
                match self.peek()? {
                    Some(b',') => self.start += 1,
                    Some(b'}') => break,
                    _ => return Err(self.unexpected("`,` or `}`")),
                }
                self.peek()?;
            }
            self.start += 1;
        }
        if self.peek()?.is_some() {
            return Err(self.unexpected("nothing more"));
        }
        if found {
            Ok(())
        } else {
            Err(shape("missing field `Records`"))
        }
    }

    fn list(&mut self, take: &mut impl FnMut(Record<'_>)) -> Result<(), ReadError> {
        self.start += 1;
        if self.peek()? == Some(b']') {
            self.start += 1;
            return Ok(());
        }
        loop {
            self.record(take)?;
            match self.peek()? {
                Some(b',') => self.start += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("`,` or `]`")),
            }
        }
        self.start += 1;
        Ok(())
    }

    fn record(&mut self, take: &mut impl FnMut(Record<'_>)) -> Result<(), ReadError> {
        if self.peek()? != Some(b'{') {
            let length = self.value()?;
            take(Record {
                bytes: &self.rest()[..length],
                header: None,
            });
            self.start += length;
            return Ok(());
        }
        loop {
            let rest = &self.bytes[self.start..self.end];
            let (length, header) = match Header::scan(rest) {
                Scan::Complete(length, header) => (length, Some(header)),
                Scan::Unusual(length) => (length, None),
                Scan::Incomplete => {
                    self.more_or_cut_off()?;
                    continue;
                }
            };
            take(Record {
                bytes: &rest[..length],
                header,
            });
            self.start += length;
            return Ok(());
        }
    }

    /// Returns the length of the next value, once all of it is in the window.
    fn value(&mut self) -> Result<usize, ReadError> {
        let first = self.peek()?;
        loop {
            let rest = self.rest();
            let length = match first {
                Some(b'"') => skip::string(rest, 0).map(|(end, _)| end),
                Some(b'{' | b'[') => skip::nested(rest, 0),
                _ => skip::scalar(rest, 0),
            };
            match length {
                Some(0) => return Err(self.unexpected("a value")),
                Some(length) => return Ok(length),
                None => self.more_or_cut_off()?,
            }
        }
    }

    fn json<'b, T: serde::Deserialize<'b>>(&'b self, length: usize) -> Result<T, ReadError> {
        serde_json::from_slice(&self.rest()[..length])
            .map_err(|error| LogError::Syntax(error).into())
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), ReadError> {
        if self.peek()? != Some(byte) {
            return Err(self.unexpected(what));
        }
        self.start += 1;
        Ok(())
    }

    /// Returns the next byte that is not white space, or `None` at the end of the file.
    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            let blank = |byte: &u8| !matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
            if let Some(position) = self.rest().iter().position(blank) {
                self.start += position;
                return Ok(Some(self.bytes[self.start]));
            }
            self.start = self.end;
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn more_or_cut_off(&mut self) -> Result<(), ReadError> {
        if self.more()? {
            Ok(())
        } else {
            Err(syntax("it is cut off"))
        }
    }

    /// Reads on; returns `false` at the end of the file.
    fn more(&mut self) -> Result<bool, ReadError> {
        if self.complete {
            return Ok(false);
        }
        let bytes = self.bytes.to_mut();
        bytes.copy_within(self.start..self.end, 0);
        self.passed += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        // Grows by at least half, so that a long record is not scanned from its start too often.
        if self.end >= bytes.len().div_ceil(2) {
            bytes.resize(bytes.len() * 2, 0);
        }
        let before = self.end;
        while self.end < bytes.len() && !self.complete {
            match self.source.read(&mut bytes[self.end..]) {
                Ok(0) => self.complete = true,
                Ok(length) => self.end += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Source(error)),
            }
        }
        if self.passed + self.end as u64 > self.limit {
            return Err(ReadError::TooLarge { limit: self.limit });
        }
        Ok(self.end > before)
    }

    /// The error for a file that is no object: another JSON document, or none.
    fn other_document(&mut self) -> Result<ReadError, ReadError> {
        if self.peek()?.is_none() {
            return Err(syntax("it is empty"));
        }
        while self.more()? {}
        let _: IgnoredAny = self.json(self.end - self.start)?;
        Ok(shape("it is no object"))
    }

    fn unexpected(&self, expected: &str) -> ReadError {
        let at = self.passed + self.start as u64;
        syntax(&format!("expected {expected} at byte {at}"))
    }
}

fn syntax(message: &str) -> ReadError {
    LogError::Syntax(serde_json::Error::custom(message)).into()
}

fn shape(message: &str) -> ReadError {
    LogError::Shape(serde_json::Error::custom(message)).into()
}

#[cfg(test)]
mod tests;
