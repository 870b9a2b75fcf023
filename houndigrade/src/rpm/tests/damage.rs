//! Databases that were forged, or damaged by a disk.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rstest::rstest;

use super::databases::{Made, made};
use super::read;
use crate::filesystem::{FileSystemError, OpenFile};
use crate::rpm::{Budget, DatabaseFormat, packages};
use crate::test_disks::random_cases;

/// Reading ends, and no package is met twice, with any bytes overwritten.
#[rstest]
#[case("sqlite")]
#[case("sqlite-wal")]
#[case("ndb-many")]
#[case("berkeley-big-endian")]
fn damage_is_survived(#[case] name: &str) {
    let Some(made) = made() else { return };
    let sound = &made.databases[name];
    let count = read(sound).0.len();
    let bytes = |size: usize| prop::collection::vec((0..size, any::<u8>()), 1..60);
    let changes = (
        bytes(sound.file.len()),
        bytes(5000),
        bytes(sound.wal.as_ref().map_or(1, Vec::len)),
    );
    let survived = TestRunner::new(random_cases(20)).run(&changes, |(anywhere, start, log)| {
        let mut database = sound.clone();
        for (at, byte) in anywhere.into_iter().chain(start) {
            database.file[at] = byte;
        }
        for (wal, (at, byte)) in database.wal.iter_mut().zip(log) {
            wal[at] = byte;
        }
        let (found, error) = read(&database);
        prop_assert!(found.len() <= count || error.is_some());
        Ok(())
    });
    survived.unwrap();
}

fn berkeley_pages(made: &Made, kind: u8) -> Vec<usize> {
    let pages = made.file.chunks(4096).enumerate().skip(1);
    pages
        .filter(|(_, page)| page[25] == kind)
        .map(|(number, _)| number)
        .collect()
}

/// First pages can still be read, for example of a package without a signature.
#[test]
fn overflow_pages_in_a_circle_cost_the_headers_on_them() {
    let Some(made) = made() else { return };
    let mut database = made.databases["berkeley-many"].clone();
    let unsigned = read(&database)
        .0
        .into_iter()
        .filter(|package| package.1.is_empty())
        .count();
    for page in berkeley_pages(&database, 7) {
        let own = database.file[page * 4096 + 8..][..4].to_vec();
        database.file[page * 4096 + 16..][..4].copy_from_slice(&own);
    }
    let (found, error) = read(&database);
    assert_eq!(found.len(), unsigned);
    assert!(error.unwrap().ends_with("continues no header"));
}

#[test]
fn buckets_in_a_circle_end() {
    let Some(made) = made() else { return };
    let mut database = made.databases["berkeley-many"].clone();
    for page in berkeley_pages(&database, 13)
        .into_iter()
        .chain(berkeley_pages(&database, 2))
    {
        let own = database.file[page * 4096 + 8..][..4].to_vec();
        database.file[page * 4096 + 16..][..4].copy_from_slice(&own);
    }
    let (_, error) = read(&database);
    let error = error.unwrap();
    assert!(error.contains("leads back to page"), "{error}");
}

#[test]
fn a_lost_page_of_a_bucket_costs_its_packages() {
    let Some(made) = made() else { return };
    let mut database = made.databases["berkeley-many"].clone();
    let sound = read(&database).0.len();
    let page = berkeley_pages(&database, 13)[0];
    database.file[page * 4096..][..4096].fill(0);
    let (found, error) = read(&database);
    assert!(
        found.len() < sound && found.len() > sound / 2,
        "{} of {sound}",
        found.len()
    );
    assert_eq!(
        error.unwrap(),
        format!("it is damaged: page {page} is not one of a bucket")
    );
}

/// Debian and Ubuntu have such a database once somebody has run `rpm` there: Berkeley DB writes a page with the first key on it.
#[test]
fn an_empty_berkeley_database_has_no_packages() {
    let Some(made) = made() else { return };
    let mut database = made.databases["berkeley-many"].clone();
    database.file.truncate(3 * 4096);
    let mut put = |at: usize, number: u32| {
        database.file[at..at + 4].copy_from_slice(&number.to_le_bytes());
    };
    let (last_page, last_bucket, keys, spares) = (32, 72, 88, 96);
    for (at, number) in [(last_page, 2), (last_bucket, 1), (keys, 0)] {
        put(at, number);
    }
    for doubling in 0..32 {
        put(spares + 4 * doubling, if doubling < 2 { 1 } else { 0 });
    }
    database.file[4096..].fill(0);
    assert_eq!(read(&database), (vec![], None));
}

#[test]
fn pages_of_a_table_in_a_circle_end() {
    let Some(made) = made() else { return };
    let mut database = made.databases["sqlite-many"].clone();
    let sound = read(&database).0.len();
    // Every child of every interior page is the page itself.
    for (number, page) in database.file.chunks_mut(4096).enumerate().skip(1) {
        if page[0] != 5 {
            continue;
        }
        for cell in 0..usize::from(u16::from_be_bytes([page[3], page[4]])) {
            let at = usize::from(u16::from_be_bytes([
                page[12 + 2 * cell],
                page[13 + 2 * cell],
            ]));
            page[at..at + 4].copy_from_slice(&(number as u32 + 1).to_be_bytes());
        }
    }
    let (found, error) = read(&database);
    assert!(found.len() < sound);
    assert!(error.is_some());
}

#[test]
fn slots_of_the_same_header_count_once() {
    let Some(made) = made() else { return };
    let mut database = made.databases["ndb-many"].clone();
    let slots = database.file[12] as usize * 256;
    let used = database.file[32..]
        .chunks(16)
        .find(|slot| slot[8..12] != [0; 4])
        .unwrap()
        .to_vec();
    for slot in 2..slots {
        database.file[slot * 16..][..16].copy_from_slice(&used);
    }
    assert_eq!(read(&database).0.len(), 1);
}

#[test]
fn headers_that_overlap_are_no_more_than_the_file() {
    let size = 0x1000;
    let mut budget = Budget::new(size, 0);
    for _ in 0..4 {
        budget.package(size / 4).unwrap();
    }
    let error = budget.package(size / 4).unwrap_err();
    assert!(error.to_string().ends_with("taken together"));
}

/// A file of any size that holds nothing: a sparse one on a small disk.
struct Sparse(Vec<u8>, u64);

impl OpenFile for Sparse {
    fn size(&self) -> u64 {
        self.1
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileSystemError> {
        buffer.fill(0);
        (&*self.0).read_at(offset, buffer)?;
        Ok(buffer.len())
    }
}

#[rstest]
#[case(DatabaseFormat::Sqlite, "sqlite-many")]
#[case(DatabaseFormat::Ndb, "ndb-many")]
#[case(DatabaseFormat::Berkeley, "berkeley-many")]
fn a_file_of_a_size_that_no_database_has_is_refused(
    #[case] format: DatabaseFormat,
    #[case] name: &str,
) {
    let Some(made) = made() else { return };
    let sparse = Sparse(made.databases[name].file.clone(), 1 << 40);
    let Err(error) = packages(format, Box::new(sparse), None) else {
        panic!("read");
    };
    assert_eq!(
        error.to_string(),
        "it has more than 2147483648 bytes in a file"
    );
}
