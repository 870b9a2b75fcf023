//! Finds the end of a JSON value without decoding it.
//!
//! Quotes, backslashes and brackets alone decide, so they are searched many bytes at a time. A skipped value is not
//! checked to be JSON beyond that.

/// Returns the end of the string that begins at `start`, and true if it has escapes; `None` if `bytes` end before.
pub(super) fn string(bytes: &[u8], start: usize) -> Option<(usize, bool)> {
    let mut at = start + 1;
    let mut escaped = false;
    loop {
        at += quote_or_backslash(bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some((at + 1, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// Returns the end of the object or list that begins at `start`; `None` if `bytes` end before.
pub(super) fn nested(bytes: &[u8], start: usize) -> Option<usize> {
    let mut state = State::default();
    let mut depth = 0_usize;
    let mut at = start;
    let (blocks, rest) = bytes.get(start..)?.as_chunks::<BLOCK>();
    for block in blocks {
        if let Some(end) = state.close(block, &mut depth) {
            return Some(at + end);
        }
        at += BLOCK;
    }
    // Spaces, which mean nothing, fill up the last block.
    let mut last = [b' '; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    state.close(&last, &mut depth).map(|end| at + end)
}

/// Returns the end of the number, `true`, `false` or `null` at `start`, or of the nonsense in its place.
pub(super) fn scalar(bytes: &[u8], start: usize) -> Option<usize> {
    let ends = |byte: &u8| {
        matches!(byte, b',' | b']' | b'}' | b':' | b'"' | b'[' | b'{') || byte.is_ascii_whitespace()
    };
    bytes
        .get(start..)?
        .iter()
        .position(ends)
        .map(|length| start + length)
}

/// Bytes of one step: one for each bit of a mask.
const BLOCK: usize = 64;

/// The state between two blocks.
#[derive(Default)]
struct State {
    /// All ones if the block begins within a string.
    in_string: u64,
    /// One if its first byte is escaped.
    escaped: u64,
}

impl State {
    /// Follows the brackets of a block; returns the position after the byte that closes the last of them.
    fn close(&mut self, block: &[u8; BLOCK], depth: &mut usize) -> Option<usize> {
        let outside = !self.strings(block);
        let mut opens = positions::<SAME_CASE>(block, b'{') & outside;
        let mut closes = positions::<SAME_CASE>(block, b'}') & outside;
        let (opened, closed) = (opens.count_ones() as usize, closes.count_ones() as usize);
        if *depth > closed {
            // The depth stays above zero even if all closing brackets come first.
            *depth = *depth + opened - closed;
            return None;
        }
        while closes != 0 {
            let close = closes & closes.wrapping_neg();
            *depth += (opens & (close - 1)).count_ones() as usize;
            opens &= !(close - 1);
            closes &= closes - 1;
            *depth = depth.saturating_sub(1);
            if *depth == 0 {
                return Some(close.trailing_zeros() as usize + 1);
            }
        }
        *depth += opens.count_ones() as usize;
        None
    }

    /// Returns the bytes inside strings, first quotes included.
    fn strings(&mut self, block: &[u8; BLOCK]) -> u64 {
        let backslashes = positions::<EXACT>(block, b'\\');
        let quotes = positions::<EXACT>(block, b'"') & !self.escapes(backslashes);
        let mut inside = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        inside ^= self.in_string;
        self.in_string = 0_u64.wrapping_sub(inside >> 63);
        inside
    }

    /// Returns the bytes after a backslash that is not itself escaped.
    fn escapes(&mut self, mut backslashes: u64) -> u64 {
        let mut escaped = std::mem::take(&mut self.escaped);
        backslashes &= !escaped;
        while backslashes != 0 {
            let backslash = backslashes & backslashes.wrapping_neg();
            self.escaped = backslash >> 63;
            escaped |= backslash << 1;
            backslashes &= !(backslash | backslash << 1);
        }
        escaped
    }
}

const EXACT: u64 = 0;
/// Takes `[` for `{` and `]` for `}`: they differ by this bit, as letters of both cases do.
const SAME_CASE: u64 = EVERY * 0x20;
const EVERY: u64 = 0x0101_0101_0101_0101;

/// Returns one bit for each byte of the block, set where it is `byte`.
#[inline]
fn positions<const IGNORED: u64>(block: &[u8; BLOCK], byte: u8) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    let mut mask = 0;
    for (index, word) in words.iter().enumerate() {
        let found = equal(u64::from_le_bytes(*word) | IGNORED, byte);
        // Moves the highest bits of the eight bytes together.
        mask |= ((found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (index * 8);
    }
    mask
}

/// Returns the word with the highest bit of each byte that is `byte` set, and all other bits zero.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    const LOW: u64 = EVERY * 0x7f;
    let zero_where_equal = word ^ (EVERY * byte as u64);
    !(((zero_where_equal & LOW) + LOW) | zero_where_equal | LOW)
}

/// Returns the position of the first quote or backslash.
fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = equal(word, b'"') | equal(word, b'\\');
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let matters = |byte: &u8| matches!(byte, b'"' | b'\\');
    rest.iter()
        .position(matters)
        .map(|position| words.len() * 8 + position)
}

#[cfg(test)]
mod tests {
    use super::{nested, string};
    use proptest::prelude::*;

    /// The same, byte by byte.
    fn slowly(bytes: &[u8]) -> Option<usize> {
        let (mut depth, mut in_string, mut at) = (0_usize, false, 0);
        while at < bytes.len() {
            match bytes[at] {
                // Outside of strings there is none in JSON; there it hides quotes alone.
                b'\\'
                    if in_string
                        || !matches!(bytes.get(at + 1), Some(b'{' | b'[' | b'}' | b']')) =>
                {
                    at += 1
                }
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        None
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn brackets_are_followed_as_byte_by_byte(text in r#"[{\[][a;:\x00\u{fb}\u{5b}\\\\"\[\]{} ]{0,300}"#) {
            prop_assert_eq!(nested(text.as_bytes(), 0), slowly(text.as_bytes()), "{}", text);
        }

        #[test]
        fn brackets_far_apart_are_followed_too(parts in proptest::collection::vec((r#"[{}\[\]"\\]{1,3}"#, 0..130_usize), 1..8)) {
            let text: String = parts.iter().map(|(part, gap)| format!("{part}{}", "x".repeat(*gap))).collect();
            let text = format!("{{{text}");
            prop_assert_eq!(nested(text.as_bytes(), 0), slowly(text.as_bytes()), "{}", text);
        }

        #[test]
        fn strings_end_where_json_says(text in ".{0,60}", after in ".{0,10}") {
            let json = serde_json::to_string(&text).expect("JSON");
            let both = format!("{json}{after}");
            let escaped = json.len() != text.len() + 2;
            prop_assert_eq!(string(both.as_bytes(), 0), Some((json.len(), escaped)));
        }
    }
}
