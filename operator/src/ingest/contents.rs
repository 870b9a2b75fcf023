//! The log file in the bytes of an object.

use flate2::read::MultiGzDecoder;
use metering::cloudtrail::{self, LogFile, ReadError};

/// Largest object read. CloudTrail starts a new file long before.
pub(super) const MAX_OBJECT: usize = 16 << 20;
/// Largest log file, decompressed.
pub(super) const MAX_LOG: u64 = 256 << 20;

/// The bytes are no log file, and why.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ContentsError {
    #[error("the object is not readable as gzip: {0}")]
    Gzip(#[source] std::io::Error),
    #[error(transparent)]
    Log(ReadError),
}

/// Reads a log file of at most `limit` bytes, without holding all of it; work for a thread that may block.
pub(super) fn read(key: &str, bytes: &[u8], limit: u64) -> Result<LogFile, ContentsError> {
    let log = if key.ends_with(".gz") {
        cloudtrail::read(MultiGzDecoder::new(bytes), limit)
    } else {
        cloudtrail::read(bytes, limit)
    };
    log.map_err(|error| match error {
        ReadError::Source(error) => ContentsError::Gzip(error),
        error => ContentsError::Log(error),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn refusal(key: &str, bytes: &[u8]) -> String {
        read(key, bytes, 1 << 20).unwrap_err().to_string()
    }

    #[test]
    fn a_log_file_may_come_compressed_in_one_piece_or_several_or_not_at_all() {
        let json = br#"{"Records": []}"#;
        let pieces = [gzip(&json[..5]), gzip(&json[5..])].concat();
        assert_eq!(read("a.json.gz", &gzip(json), 1 << 20).unwrap().records, 0);
        assert_eq!(read("a.json.gz", &pieces, 1 << 20).unwrap().records, 0);
        assert_eq!(read("a.json", json, 1 << 20).unwrap().records, 0);
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = gzip(&vec![b' '; 64 << 20]);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(
            refusal("a.json.gz", &bomb),
            "the log file is larger than 1048576 bytes when decompressed"
        );
    }

    #[test]
    fn what_is_no_log_file_is_refused_with_its_reason() {
        let whole = gzip(br#"{"Records": []}"#);
        assert!(refusal("a.json.gz", b"plain").starts_with("the object is not readable as gzip"));
        assert!(
            refusal("a.json.gz", &whole[..whole.len() - 9])
                .starts_with("the object is not readable as gzip")
        );
        assert!(refusal("a.json.gz", &gzip(b"{}")).contains("Records"));
        assert!(refusal("a.json.gz", &gzip(b"nonsense")).contains("JSON"));
    }
}
