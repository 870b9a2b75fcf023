//! The few fields that tell whether a record matters.

use std::borrow::Cow;

use serde::{Deserialize, de::Error as _};
use serde_json::value::RawValue;

use super::skip;

/// What decides whether the rest of a record is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header<'a> {
    pub(super) source: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) failed: bool,
    pub(super) read_only: bool,
}

impl<'a> Header<'a> {
    /// Reads it as serde_json does, which checks the whole record.
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

    /// Reads it from the start of `bytes` on, and tells where the record ends.
    pub(super) fn glance(bytes: &'a [u8]) -> Glance<'a> {
        let mut scan = Scan { bytes, at: 0 };
        match scan.header() {
            Ok(header) => Glance::Clear(scan.at, header),
            Err(Unclear::CutOff) => Glance::CutOff,
            Err(Unclear::Odd) => skip::nested(bytes, 0).map_or(Glance::CutOff, Glance::Odd),
        }
    }
}

/// What a glance at a record gives; numbers are its length.
#[derive(Debug, PartialEq)]
pub(super) enum Glance<'a> {
    /// Its header is what [`Header::read`] reads.
    Clear(usize, Header<'a>),
    /// It is written as CloudTrail doesn't write it, and left to [`Header::read`]: escapes in the names that
    /// matter, fields that are missing, twice or of another type.
    Odd(usize),
    /// It ends later than the bytes do.
    CutOff,
}

enum Unclear {
    Odd,
    CutOff,
}

/// Goes through the fields of one record.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn header(&mut self) -> Result<Header<'a>, Unclear> {
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
                return Err(Unclear::Odd);
            }
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(Unclear::Odd),
            }
        }
        self.at += 1;
        Ok(Header {
            source: plain(source)?,
            name: plain(name)?,
            failed: match error_code {
                None | Some(b"null" | br#""""#) => false,
                Some([b'"', ..]) => true,
                Some(_) => return Err(Unclear::Odd),
            },
            read_only: match read_only {
                None | Some(b"null" | b"false") => false,
                Some(b"true") => true,
                Some(_) => return Err(Unclear::Odd),
            },
        })
    }

    fn peek(&mut self) -> Result<u8, Unclear> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(Unclear::CutOff),
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unclear> {
        if self.peek()? != byte {
            return Err(Unclear::Odd);
        }
        self.at += 1;
        Ok(())
    }

    /// What is between the quotes of a string without escapes.
    fn text(&mut self) -> Result<&'a [u8], Unclear> {
        if self.peek()? != b'"' {
            return Err(Unclear::Odd);
        }
        let start = self.at;
        let (end, escaped) = skip::string(self.bytes, start).ok_or(Unclear::CutOff)?;
        self.at = end;
        if escaped {
            Err(Unclear::Odd)
        } else {
            Ok(&self.bytes[start + 1..end - 1])
        }
    }

    fn value(&mut self) -> Result<&'a [u8], Unclear> {
        let first = self.peek()?;
        let start = self.at;
        let end = match first {
            b'"' => skip::string(self.bytes, start).map(|(end, _)| end),
            b'{' | b'[' => skip::nested(self.bytes, start),
            _ => skip::scalar(self.bytes, start),
        };
        self.at = end.ok_or(Unclear::CutOff)?;
        if self.at == start {
            Err(Unclear::Odd)
        } else {
            Ok(&self.bytes[start..self.at])
        }
    }
}

/// A string without escapes.
fn plain(value: Option<&[u8]>) -> Result<Cow<'_, str>, Unclear> {
    match value {
        Some([b'"', text @ .., b'"']) if !text.contains(&b'\\') => std::str::from_utf8(text)
            .map(Cow::Borrowed)
            .map_err(|_| Unclear::Odd),
        _ => Err(Unclear::Odd),
    }
}
