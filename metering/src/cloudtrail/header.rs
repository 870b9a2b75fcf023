//! The few fields that decide the relevance of a record.

use std::borrow::Cow;

use serde::{Deserialize, de::Error as _};
use serde_json::value::RawValue;

use super::skip;

/// The fields that decide the relevance of a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header<'a> {
    pub(super) source: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) failed: bool,
    pub(super) read_only: bool,
}

impl<'a> Header<'a> {
    /// Reads the header with serde_json, which checks the whole record.
    pub(super) fn read(record: &'a [u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a> {
            #[serde(borrow)]
            event_source: Cow<'a, str>,
            #[serde(borrow)]
            event_name: Cow<'a, str>,
            #[serde(borrow)]
            error_code: Option<&'a RawValue>,
            read_only: Option<bool>,
        }
        // serde would also take a struct's fields from a list.
        if !record.starts_with(b"{") {
            return Err(serde_json::Error::custom("it is no object"));
        }
        let fields: Fields<'_> = serde_json::from_slice(record)?;
        Ok(Self {
            source: fields.event_source,
            name: fields.event_name,
            failed: fields.error_code.is_some_and(|code| code.get() != r#""""#),
            read_only: fields.read_only == Some(true),
        })
    }

    /// Reads the header of the record at the start of `bytes`, and finds the end of the record.
    pub(super) fn scan(bytes: &'a [u8]) -> Scan<'a> {
        let mut scanner = RecordScanner { bytes, at: 0 };
        match scanner.header() {
            Ok(header) => Scan::Complete(scanner.at, header),
            Err(Unscannable::Incomplete) => Scan::Incomplete,
            Err(Unscannable::Unusual) => {
                skip::nested(bytes, 0).map_or(Scan::Incomplete, Scan::Unusual)
            }
        }
    }
}

/// The outcome of scanning a record; numbers are its length in bytes.
#[derive(Debug, PartialEq)]
pub(super) enum Scan<'a> {
    /// The header equals that of [`Header::read`].
    Complete(usize, Header<'a>),
    /// Not as CloudTrail writes it, and left to [`Header::read`]: escapes in relevant names, fields that are missing,
    /// repeated or of another type.
    Unusual(usize),
    /// The record continues after the end of the bytes.
    Incomplete,
}

enum Unscannable {
    Unusual,
    Incomplete,
}

/// Goes through the fields of one record without decoding values.
struct RecordScanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> RecordScanner<'a> {
    fn header(&mut self) -> Result<Header<'a>, Unscannable> {
        let (mut source, mut name, mut error_code, mut read_only) = (None, None, None, None);
        self.expect(b'{')?;
        loop {
            let key = self.text()?;
            self.expect(b':')?;
            let value = self.value()?;
            let field = match key {
                b"eventSource" => &mut source,
                b"eventName" => &mut name,
                b"errorCode" => &mut error_code,
                b"readOnly" => &mut read_only,
                _ => &mut None,
            };
            if field.replace(value).is_some() {
                return Err(Unscannable::Unusual);
            }
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(Unscannable::Unusual),
            }
        }
        self.at += 1;
        Ok(Header {
            source: plain(source)?,
            name: plain(name)?,
            failed: match error_code {
                None | Some(b"null" | br#""""#) => false,
                Some([b'"', ..]) => true,
                Some(_) => return Err(Unscannable::Unusual),
            },
            read_only: match read_only {
                None | Some(b"null" | b"false") => false,
                Some(b"true") => true,
                Some(_) => return Err(Unscannable::Unusual),
            },
        })
    }

    fn peek(&mut self) -> Result<u8, Unscannable> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(Unscannable::Incomplete),
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unscannable> {
        if self.peek()? != byte {
            return Err(Unscannable::Unusual);
        }
        self.at += 1;
        Ok(())
    }

    /// Returns the text between the quotes of a string without escapes.
    fn text(&mut self) -> Result<&'a [u8], Unscannable> {
        if self.peek()? != b'"' {
            return Err(Unscannable::Unusual);
        }
        let start = self.at;
        let (end, escaped) = skip::string(self.bytes, start).ok_or(Unscannable::Incomplete)?;
        self.at = end;
        if escaped {
            Err(Unscannable::Unusual)
        } else {
            Ok(&self.bytes[start + 1..end - 1])
        }
    }

    fn value(&mut self) -> Result<&'a [u8], Unscannable> {
        let first = self.peek()?;
        let start = self.at;
        let end = match first {
            b'"' => skip::string(self.bytes, start).map(|(end, _)| end),
            b'{' | b'[' => skip::nested(self.bytes, start),
            _ => skip::scalar(self.bytes, start),
        };
        self.at = end.ok_or(Unscannable::Incomplete)?;
        if self.at == start {
            Err(Unscannable::Unusual)
        } else {
            Ok(&self.bytes[start..self.at])
        }
    }
}

/// Returns the text of a string without escapes.
fn plain(value: Option<&[u8]>) -> Result<Cow<'_, str>, Unscannable> {
    match value {
        Some([b'"', text @ .., b'"']) if !text.contains(&b'\\') => std::str::from_utf8(text)
            .map(Cow::Borrowed)
            .map_err(|_| Unscannable::Unusual),
        _ => Err(Unscannable::Unusual),
    }
}
