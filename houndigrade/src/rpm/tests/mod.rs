mod damage;
pub(crate) mod databases;
mod reference;

use std::collections::BTreeSet;

use rstest::rstest;

use self::databases::{Made, made};
use super::signature::{SignatureError, issuers};
use super::*;

/// Returns name and key ids of each package, and the first error.
pub(super) fn read(made: &Made) -> (Vec<(String, BTreeSet<String>)>, Option<String>) {
    let wal = made
        .wal
        .as_deref()
        .map(|wal| Box::new(wal) as Box<dyn OpenFile>);
    let packages = match packages(made.format, Box::new(&*made.file), wal) {
        Ok(packages) => packages,
        Err(error) => return (Vec::new(), Some(error.to_string())),
    };
    let (mut found, mut first_error) = (Vec::new(), None);
    for package in packages {
        match package {
            Ok(Package { name, issuers }) => {
                found.push((name, issuers.iter().map(KeyId::to_string).collect()));
            }
            Err(error) => {
                let last = error.is_final();
                first_error.get_or_insert(error.to_string());
                if last {
                    break;
                }
            }
        }
    }
    found.sort();
    (found, first_error)
}

/// The reference is `rpm` itself; for ndb, which Debian's does not read, the same packages in another format.
#[rstest]
#[case::as_rpm_installed("sqlite", "sqlite")]
#[case::sqlite("sqlite-many", "sqlite-many")]
#[case::small_pages("sqlite-512", "sqlite-512")]
#[case::large_pages("sqlite-65536", "sqlite-65536")]
#[case::write_ahead_log("sqlite-wal", "sqlite-wal")]
#[case::berkeley("berkeley-many", "berkeley-many")]
#[case::other_byte_order("berkeley-big-endian", "berkeley-big-endian")]
#[case::ndb("ndb-many", "sqlite-many")]
fn packages_and_signatures_are_those_that_rpm_lists(#[case] name: &str, #[case] answer: &str) {
    let Some(made) = made() else { return };
    let answer = made.databases[answer].answer.as_ref().unwrap();
    let (found, error) = read(&made.databases[name]);
    assert_eq!(error, None);
    assert_eq!(&found, answer);
    let of = |key: &str| found.iter().filter(|(_, keys)| keys.contains(key)).count();
    assert!(
        of(&made.rsa) > 0 && of(&made.ed25519) > 0,
        "nothing was signed"
    );
}

/// The log's last transaction was not committed, and behind it are frames of an earlier use.
#[rstest]
#[case::nothing_to_take_back(0, true)]
#[case::header(24, false)]
#[case::salt_of_the_first_frame(32 + 8, false)]
#[case::first_page(32 + 24 + 100, false)]
fn only_an_intact_log_is_replayed(#[case] damaged: usize, #[case] replayed: bool) {
    let Some(made) = made() else { return };
    let mut database = made.databases["sqlite-wal"].clone();
    let log = database.wal.as_mut().unwrap();
    if damaged > 0 {
        log[damaged] ^= 1;
    }
    let damaged = read(&database);
    // As in SQLite, the log ends before the first unsound frame, and the database file counts.
    database.wal = None;
    assert_eq!(damaged != read(&database), replayed);
    assert_eq!(damaged == read(&made.databases["sqlite-wal"]), replayed);
}

const KEY: [u8; 8] = [0x19, 0x9e, 0x2f, 0x91, 0xfd, 0x43, 0x1d, 0x51];

fn concat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn version_3() -> Vec<u8> {
    concat(&[&[3, 5, 0, 1, 2, 3, 4], &KEY, &[1, 8, 0xab, 0xcd, 0, 1, 1]])
}

fn version_4(hashed: &[u8], unhashed: &[u8]) -> Vec<u8> {
    let length = |part: &[u8]| [0, part.len() as u8];
    concat(&[
        &[4, 0, 1, 8],
        &length(hashed),
        hashed,
        &length(unhashed),
        unhashed,
        &[0xab, 0xcd, 0, 1, 1],
    ])
}

fn version_6(hashed: &[u8]) -> Vec<u8> {
    concat(&[
        &[6, 0, 27, 8, 0, 0, 0, hashed.len() as u8],
        hashed,
        &[0, 0, 0, 0, 0xab, 0xcd],
    ])
}

fn old(tag: u8, body: &[u8]) -> Vec<u8> {
    concat(&[&[0x80 | tag << 2, body.len() as u8], body])
}

fn new(tag: u8, body: &[u8]) -> Vec<u8> {
    concat(&[&[0xc0 | tag, body.len() as u8], body])
}

fn key_id() -> Vec<u8> {
    concat(&[&[9, 16], &KEY])
}

#[rstest]
#[case::version_3(old(2, &version_3()), 1)]
#[case::version_2(old(2, &concat(&[&[2], &version_3()[1..]])), 1)]
#[case::new_packet_format(new(2, &version_3()), 1)]
#[case::length_of_two_bytes(concat(&[&[0x89, 0, 22], &version_3()]), 1)]
#[case::length_of_four_bytes(concat(&[&[0x8a, 0, 0, 0, 22], &version_3()]), 1)]
#[case::length_of_five_bytes(concat(&[&[0xc2, 255, 0, 0, 0, 22], &version_3()]), 1)]
#[case::no_length(concat(&[&[0x8b], &version_3()]), 1)]
#[case::hashed(old(2, &version_4(&key_id(), &[])), 1)]
#[case::unhashed(old(2, &version_4(&[5, 2, 1, 2, 3, 4], &key_id())), 1)]
#[case::critical(old(2, &version_4(&concat(&[&[9, 0x80 | 16], &KEY]), &[])), 1)]
#[case::fingerprint_4(old(2, &version_4(&concat(&[&[22, 33, 4], &[7; 12], &KEY]), &[])), 1)]
#[case::fingerprint_6(new(2, &version_6(&concat(&[&[34, 33, 6], &KEY, &[7; 24]]))), 1)]
#[case::fingerprint_and_id(old(2, &version_4(&concat(&[&[22, 33, 4], &[7; 12], &KEY]), &key_id())), 2)]
#[case::long_subpacket(old(2, &version_4(&concat(&[&[255, 0, 0, 0, 9, 16], &KEY]), &[])), 1)]
#[case::two_signatures(concat(&[&old(2, &version_3()), &new(2, &version_3())]), 2)]
#[case::anonymous(old(2, &version_4(&[], &[])), 0)]
#[case::unknown_version(old(2, &[9, 1, 2]), 0)]
#[case::another_packet(new(13, b"somebody"), 0)]
#[case::nothing(vec![], 0)]
fn signatures_name_their_keys(#[case] packets: Vec<u8>, #[case] expected: usize) {
    assert_eq!(issuers(&packets), Ok(vec![KeyId(KEY); expected]));
}

#[rstest]
#[case::text(b"-----BEGIN".to_vec())]
#[case::zeros(vec![0; 100])]
#[case::cut(old(2, &version_3())[..20].to_vec())]
#[case::cut_in_its_key(old(2, &version_3()[..12]))]
#[case::empty(old(2, &[]))]
#[case::of_unknown_length(concat(&[&[0xc2, 0xe3], &version_3()]))]
#[case::subpackets_too_long(old(2, &concat(&[&[4, 0, 1, 8, 0, 200], &key_id()])))]
#[case::empty_subpacket(old(2, &version_4(&[0], &[])))]
#[case::short_key_id(old(2, &version_4(&[8, 16, 1, 2, 3, 4, 5, 6, 7], &[])))]
#[case::short_fingerprint(old(2, &version_4(&[6, 33, 4, 1, 2, 3, 4], &[])))]
#[case::subpacket_of_4_gib(old(2, &version_4(&[255, 255, 255, 255, 255, 16], &[])))]
fn what_is_no_signature_is_an_error(#[case] packets: Vec<u8>) {
    assert_eq!(issuers(&packets), Err(SignatureError));
}

/// Makes a header of entries: tag, type, count and data of each.
fn header(entries: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let data: Vec<u8> = entries.iter().flat_map(|entry| entry.3).copied().collect();
    let mut header = concat(&[
        &(entries.len() as u32).to_be_bytes(),
        &(data.len() as u32).to_be_bytes(),
    ]);
    let mut offset = 0;
    for (tag, kind, count, bytes) in entries {
        for number in [*tag, *kind, offset, *count] {
            header.extend(number.to_be_bytes());
        }
        offset += bytes.len() as u32;
    }
    header.extend(data);
    header
}

fn read_header(bytes: &[u8]) -> Result<Package, String> {
    let mut blocks = cached_file::CachedFile::new(Box::new(bytes), MAX_FILE).unwrap();
    let size = bytes.len() as u64;
    let mut blob = blob::Span {
        blocks: &mut blocks,
        offset: 0,
        size,
    };
    header::read(&mut blob).map_err(|error| error.to_string())
}

const NAME: (u32, u32, u32, &[u8]) = (1000, 6, 1, b"bash\0");

#[rstest]
#[case::unsigned(header(&[NAME]), "bash", 0)]
#[case::without_a_name(header(&[(1001, 6, 1, b"5\0")]), "", 0)]
#[case::each_of_the_tags(header(&[
    (259, 7, 24, &old(2, &version_3())), (262, 7, 24, &old(2, &version_3())), NAME,
    (267, 7, 24, &old(2, &version_3())), (268, 7, 24, &old(2, &version_3()))]), "bash", 4)]
// Two signatures of format 6 in Base64, the second with a line end in it.
#[case::base64(header(&[NAME, (278, 8, 2,
    b"iBYDBQABAgMEGZ4vkf1DHVEBCKvNAAEB\0iBYDBQABAgMEGZ4v\nkf1DHVEBCKvNAAEB\0")]), "bash", 2)]
#[case::other_tags_are_not_read(header(&[NAME, (1002, 99, u32::MAX, b"")]), "bash", 0)]
fn headers(#[case] bytes: Vec<u8>, #[case] name: &str, #[case] signatures: usize) {
    let package = read_header(&bytes).unwrap();
    assert_eq!(
        (&*package.name, package.issuers),
        (name, vec![KeyId(KEY); signatures])
    );
}

#[rstest]
#[case::empty(vec![])]
#[case::no_tags(vec![0; 8])]
#[case::too_many_tags(concat(&[&[0, 1, 0, 0, 0, 0, 0, 0], &vec![0; 0x10_0000]]))]
#[case::longer_than_its_parts(concat(&[&header(&[NAME]), &[0]]))]
#[case::shorter_than_its_parts(header(&[NAME, NAME])[..40].to_vec())]
#[case::signature_outside(header(&[NAME, (268, 7, 100, b"\x88\x16")]))]
#[case::signature_of_2_gib(header(&[NAME, (268, 7, 1 << 31, b"\x88\x16")]))]
#[case::signature_is_text(header(&[NAME, (268, 6, 1, b"\x88\x16")]))]
#[case::signature_is_garbage(header(&[NAME, (268, 7, 4, b"oops")]))]
#[case::base64_is_garbage(header(&[NAME, (278, 8, 1, b"oops!\0")]))]
#[case::name_is_a_number(header(&[(1000, 4, 1, b"bash")]))]
fn damaged_headers_are_errors(#[case] bytes: Vec<u8>) {
    read_header(&bytes).unwrap_err();
}

#[rstest]
#[case(DatabaseFormat::Sqlite)]
#[case(DatabaseFormat::Ndb)]
#[case(DatabaseFormat::Berkeley)]
fn other_files_are_errors(#[case] format: DatabaseFormat) {
    for bytes in [&b""[..], b"x", &[0; 5000], &[0xff; 5000]] {
        assert!(
            packages(format, Box::new(bytes), None).is_err(),
            "{bytes:?}"
        );
    }
}
