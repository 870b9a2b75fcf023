//! The language of the metadata: sections of sections and of `name = value`, with numbers, strings and lists as values.
//!
//! ```text
//! vg {
//!     extent_size = 8192      # 4 Megabytes
//!     status = ["READ", "WRITE"]
//! }
//! ```

/// Deepest nesting of sections and lists. Volume groups have four.
const MAX_DEPTH: u32 = 16;
/// Most sections and values of a text. A logical volume has about twenty.
const MAX_ENTRIES: usize = 1 << 18;

/// Names and their entries, in the order of the text.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TextSection<'a> {
    entries: Vec<(&'a str, TextEntry<'a>)>,
}

#[derive(Debug, PartialEq)]
enum TextEntry<'a> {
    Section(TextSection<'a>),
    Value(Value<'a>),
}

#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Number(u64),
    /// The text between the quotes: no string of interest has escapes.
    Text(&'a str),
    List(Vec<Value<'a>>),
    /// A fraction, a negative number, a bare word: of no interest.
    Other,
}

impl<'a> TextSection<'a> {
    /// Returns the sections in it.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&'a str, &TextSection<'a>)> {
        self.entries.iter().filter_map(|(name, entry)| match entry {
            TextEntry::Section(section) => Some((*name, section)),
            TextEntry::Value(_) => None,
        })
    }

    /// Returns the section called `name`.
    pub(super) fn section(&self, name: &str) -> Option<&TextSection<'a>> {
        let mut sections = self.sections();
        sections.find_map(|(found, section)| (found == name).then_some(section))
    }

    fn value(&self, name: &str) -> Option<&Value<'a>> {
        self.entries.iter().find_map(|(found, entry)| match entry {
            TextEntry::Value(value) if *found == name => Some(value),
            _ => None,
        })
    }

    /// Returns the number called `name`.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the string called `name`.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the list called `name`.
    pub(super) fn list(&self, name: &str) -> Option<&[Value<'a>]> {
        match self.value(name)? {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// Returns all strings, those in lists too.
    pub(super) fn texts(&self) -> impl Iterator<Item = &'a str> {
        let values = self.entries.iter().flat_map(|(_, entry)| match entry {
            TextEntry::Value(Value::List(list)) => list.as_slice(),
            TextEntry::Value(value) => std::slice::from_ref(value),
            TextEntry::Section(_) => &[],
        });
        values.filter_map(|value| match value {
            Value::Text(text) => Some(*text),
            _ => None,
        })
    }

    /// Returns whether the list called `name` has the string `item`.
    pub(super) fn lists(&self, name: &str, item: &str) -> bool {
        let list = self.list(name).unwrap_or_default();
        list.contains(&Value::Text(item))
    }
}

/// The reasons why a text can't be parsed.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(super) enum TextDamage {
    #[error("line {line}: {expected} is expected")]
    Syntax { line: usize, expected: &'static str },
    #[error("more than {MAX_ENTRIES} entries")]
    Entries,
    #[error("nested more than {MAX_DEPTH} deep")]
    Depth,
}

/// Parses a text up to its end, or to the NUL that ends it on disk.
pub(super) fn parse(text: &str) -> Result<TextSection<'_>, TextDamage> {
    let text = text.split('\0').next().unwrap_or_default();
    let mut parser = TextParser {
        text,
        rest: text,
        entries: 0,
    };
    parser.section(MAX_DEPTH, true)
}

struct TextParser<'a> {
    text: &'a str,
    rest: &'a str,
    entries: usize,
}

impl<'a> TextParser<'a> {
    fn section(&mut self, depth: u32, outermost: bool) -> Result<TextSection<'a>, TextDamage> {
        let depth = depth.checked_sub(1).ok_or(TextDamage::Depth)?;
        let mut section = TextSection::default();
        loop {
            match self.peek() {
                None if outermost => return Ok(section),
                Some('}') if !outermost => {
                    self.eat('}');
                    return Ok(section);
                }
                _ => {}
            }
            let name = self.word("a name")?;
            self.count()?;
            let entry = if self.eat('{') {
                TextEntry::Section(self.section(depth, false)?)
            } else if self.eat('=') {
                TextEntry::Value(self.value(depth)?)
            } else {
                return Err(self.expected("`{` or `=`"));
            };
            section.entries.push((name, entry));
        }
    }

    fn value(&mut self, depth: u32) -> Result<Value<'a>, TextDamage> {
        let depth = depth.checked_sub(1).ok_or(TextDamage::Depth)?;
        if self.eat('[') {
            let mut list = Vec::new();
            while !self.eat(']') {
                self.count()?;
                list.push(self.value(depth)?);
                if !self.eat(',') && self.peek() != Some(']') {
                    return Err(self.expected("`,` or `]`"));
                }
            }
            return Ok(Value::List(list));
        }
        if self.eat('"') {
            return self.string();
        }
        let word = self.word("a value")?;
        Ok(word.parse().map_or(Value::Other, Value::Number))
    }

    /// Parses the rest of a string, behind its opening quote.
    fn string(&mut self) -> Result<Value<'a>, TextDamage> {
        let mut escaped = false;
        let end = self.rest.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let end = end.ok_or_else(|| self.expected("the end of a string"))?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Ok(Value::Text(text))
    }

    fn word(&mut self, expected: &'static str) -> Result<&'a str, TextDamage> {
        self.peek();
        let is_delimiter = |c: char| {
            c.is_ascii_whitespace() || matches!(c, '=' | '{' | '}' | '[' | ']' | ',' | '#' | '"')
        };
        let end = self.rest.find(is_delimiter).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.expected(expected));
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    /// Returns the next character that is neither space nor comment.
    fn peek(&mut self) -> Option<char> {
        loop {
            self.rest = self.rest.trim_ascii_start();
            let Some(comment) = self.rest.strip_prefix('#') else {
                return self.rest.chars().next();
            };
            self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    fn eat(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        if found {
            self.rest = &self.rest[character.len_utf8()..];
        }
        found
    }

    fn count(&mut self) -> Result<(), TextDamage> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(TextDamage::Entries);
        }
        Ok(())
    }

    fn expected(&self, expected: &'static str) -> TextDamage {
        let read = &self.text.as_bytes()[..self.text.len() - self.rest.len()];
        TextDamage::Syntax {
            line: 1 + read.iter().filter(|&&byte| byte == b'\n').count(),
            expected,
        }
    }
}
