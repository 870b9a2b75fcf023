//! Configuration of yum and dnf, as Python's ConfigParser reads it: `[section]`, `key = value` or `key: value`, lines indented
//! deeper than their key continue its value, `#` and `;` begin a line of comment.
//!
//! Files that ConfigParser refuses but yum and dnf read are read as by them: a section or key that comes twice is merged,
//! the last value counts; `%` is a character like any other; bytes that are not UTF-8 are replaced.

use std::collections::{BTreeMap, HashMap};

/// Sections of one file. A machine entitled to all that Red Hat offers has some hundred.
const MAX_SECTIONS: usize = 4096;
/// Its values stand in for those that other sections lack.
const DEFAULTS: &str = "DEFAULT";

/// A file's sections in their order, with the values of the wanted keys.
#[derive(Debug, Default)]
pub(super) struct Ini {
    sections: Vec<(String, Values)>,
    /// By name, where in `sections`.
    places: HashMap<String, usize>,
    defaults: Values,
}

type Values = BTreeMap<&'static str, String>;

/// Errors that make yum and dnf skip a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IniError {
    #[error("line {0} is outside of any section")]
    NoSection(usize),
    #[error("line {0} is neither a section, a key with a value, nor a comment")]
    NoKey(usize),
    #[error("more than {MAX_SECTIONS} sections")]
    TooManySections,
}

/// A section of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct IniSection<'a> {
    pub(super) name: &'a str,
    values: &'a Values,
    defaults: &'a Values,
}

impl<'a> IniSection<'a> {
    /// Returns the value of `key`, one of the wanted.
    pub(super) fn get(self, key: &str) -> Option<&'a str> {
        let value = self.values.get(key).or_else(|| self.defaults.get(key));
        value.map(String::as_str)
    }
}

impl Ini {
    /// Parses `text`, and keeps the values of `keys`, which are in lower case. Other keys cost no memory.
    pub(super) fn parse(text: &str, keys: &[&'static str]) -> Result<Self, IniError> {
        let mut ini = Self::default();
        // Index in `sections` that values go to; the defaults come after the last.
        let mut section = None;
        // Indentation of the last line with a key, and that key if it is one of `keys`.
        let mut last: Option<(usize, Option<&'static str>)> = None;
        for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            let content = line.trim();
            if content.is_empty() || content.starts_with(['#', ';']) {
                continue;
            }
            let indentation = line.len() - line.trim_start().len();
            if let (Some((indented, key)), Some(at)) = (last, section)
                && indentation > indented
            {
                if let Some(value) = key.and_then(|key| ini.values(at).get_mut(key)) {
                    value.push('\n');
                    value.push_str(content);
                }
            } else if let Some(name) = header(content) {
                section = Some(ini.section(name)?);
                last = None;
            } else {
                let at = section.ok_or(IniError::NoSection(number))?;
                let (key, value) = content
                    .split_once(['=', ':'])
                    .filter(|(key, _)| !key.is_empty())
                    .ok_or(IniError::NoKey(number))?;
                let key = key.trim_end().to_lowercase();
                let key = keys.iter().copied().find(|wanted| *wanted == key);
                if let Some(key) = key {
                    ini.values(at).insert(key, value.trim_start().into());
                }
                last = Some((indentation, key));
            }
        }
        Ok(ini)
    }

    /// Returns all sections but the defaults.
    pub(super) fn sections(&self) -> impl Iterator<Item = IniSection<'_>> {
        self.sections.iter().map(|(name, values)| IniSection {
            name,
            values,
            defaults: &self.defaults,
        })
    }

    /// Returns the place of the section called `name`, which may be new.
    fn section(&mut self, name: &str) -> Result<usize, IniError> {
        if name == DEFAULTS {
            return Ok(usize::MAX);
        }
        if let Some(&known) = self.places.get(name) {
            return Ok(known);
        }
        let new = self.sections.len();
        if new == MAX_SECTIONS {
            return Err(IniError::TooManySections);
        }
        self.sections.push((name.into(), Values::new()));
        self.places.insert(name.into(), new);
        Ok(new)
    }

    fn values(&mut self, at: usize) -> &mut Values {
        match self.sections.get_mut(at) {
            Some((_, values)) => values,
            None => &mut self.defaults,
        }
    }
}

/// Returns the name in `[name]`, which any text may follow.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, Option<String>)>, IniError> {
        let ini = Ini::parse(text, &["name"])?;
        let sections = ini.sections();
        Ok(sections
            .map(|section| (section.name.into(), section.get("name").map(str::to_owned)))
            .collect())
    }

    #[rstest]
    #[case::plain("[a]\nname=b", &[("a", Some("b"))])]
    #[case::colon("[a]\nname: b", &[("a", Some("b"))])]
    #[case::first_delimiter("[a]\nname = b:c=d", &[("a", Some("b:c=d"))])]
    #[case::carriage_returns("[a]\r\nname = b\r\n", &[("a", Some("b"))])]
    #[case::byte_order_mark("\u{feff}[a]\nname=b", &[("a", Some("b"))])]
    #[case::any_case("[a]\nNaMe = B", &[("a", Some("B"))])]
    #[case::section_names_keep_theirs("[A]\n[a]\nname=b", &[("A", None), ("a", Some("b"))])]
    #[case::comments("# c\n[a]\n; c\nname=b\n  # c\n", &[("a", Some("b"))])]
    #[case::no_comment_behind_a_value("[a]\nname=b # c", &[("a", Some("b # c"))])]
    #[case::continued("[a]\nname = b\n  c\n\n\t# d\n  e", &[("a", Some("b\nc\ne"))])]
    #[case::another_key_continued("[a]\nname=b\nurl=c\n  name=d", &[("a", Some("b"))])]
    #[case::indented_alike("[a]\n  url=c\n  name=b", &[("a", Some("b"))])]
    #[case::empty("[a]\nname=", &[("a", Some(""))])]
    #[case::percent("[a]\nname=100%(x)s %", &[("a", Some("100%(x)s %"))])]
    #[case::key_twice("[a]\nname=b\nname=c", &[("a", Some("c"))])]
    #[case::section_twice("[a]\nname=b\n[d]\n[a]\nname=c", &[("a", Some("c")), ("d", None)])]
    #[case::defaults("[DEFAULT]\nname=b\n[a]\n[d]\nname=c", &[("a", Some("b")), ("d", Some("c"))])]
    #[case::brackets_in_brackets("[a[0]]\nname=b", &[("a[0]", Some("b"))])]
    #[case::words_behind_a_section("[a] # c\nname=b", &[("a", Some("b"))])]
    #[case::longer_key("[a]\nnames=b", &[("a", None)])]
    #[case::nothing("", &[])]
    fn sections_and_values(#[case] text: &str, #[case] expected: &[(&str, Option<&str>)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.map(str::to_owned)))
            .collect();
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[rstest]
    #[case::no_section("# c\nname=b", IniError::NoSection(2))]
    #[case::words("[a]\nname", IniError::NoKey(2))]
    #[case::no_key("[a]\n=b", IniError::NoKey(2))]
    #[case::no_name("[]\n", IniError::NoSection(1))]
    #[case::binary("\0\u{1}", IniError::NoSection(1))]
    fn what_is_no_configuration(#[case] text: &str, #[case] expected: IniError) {
        assert_eq!(parse(text).unwrap_err(), expected);
    }

    #[test]
    fn sections_are_limited() {
        let text = |sections| {
            (0..sections)
                .map(|i| format!("[{i}]\n"))
                .collect::<String>()
        };
        assert_eq!(parse(&text(MAX_SECTIONS)).unwrap().len(), MAX_SECTIONS);
        assert_eq!(
            parse(&text(MAX_SECTIONS + 1)).unwrap_err(),
            IniError::TooManySections
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(\\[[a-c\\]]{0,3}\\]?|[ \t]{0,2}|name|[=:]|[#;%\r\n]|\\PC){0,60}") {
            let _ = parse(&text);
        }
    }
}
