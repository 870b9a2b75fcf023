//! Metadata that no tool would write.

use std::fmt::Write;

use proptest::prelude::*;
use proptest::sample::Index;
use rstest::rstest;

use super::*;
use crate::test_disks::{MIB, MemoryDisk, place, texts};

const PV: &str = "aaaaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaaaa";
const AREA: usize = 4096;
const AREA_SIZE: usize = MIB / 2 - AREA;
const TEXT: usize = AREA + 512;

/// Makes a disk of a physical volume with a metadata area that holds `text`.
fn disk(text: &str) -> Vec<u8> {
    let mut disk = vec![0; MIB];
    place(
        &mut disk,
        512,
        b"LABELONE\x01\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0LVM2 001",
    );
    place(&mut disk, 544, PV.replace('-', "").as_bytes());
    let areas = [MIB / 2, MIB / 2, 0, 0, AREA, AREA_SIZE, 0, 0, 2];
    let areas = areas.map(|number| (number as u64).to_le_bytes()).concat();
    place(&mut disk, 544 + 40, &areas);
    place(&mut disk, AREA + 4, b" LVM2 x[5A%r0N*>\x01\0\0\0");
    let fields = [AREA, AREA_SIZE, TEXT - AREA, text.len() + 1];
    let fields = fields.map(|number| (number as u64).to_le_bytes()).concat();
    place(&mut disk, AREA + 24, &fields);
    place(&mut disk, TEXT, text.as_bytes());
    seal(&mut disk);
    disk
}

/// Makes all checksums right.
fn seal(disk: &mut [u8]) {
    let length = crate::bytes::le64(disk, AREA + 48).unwrap() as usize;
    let text = disk
        .get(TEXT..TEXT.saturating_add(length))
        .unwrap_or_default();
    let sum = checksum(&[text]).to_le_bytes();
    place(disk, AREA + 56, &sum);
    let sum = checksum(&[&disk[AREA + 4..TEXT]]).to_le_bytes();
    place(disk, AREA, &sum);
    let sum = checksum(&[&disk[532..1024]]).to_le_bytes();
    place(disk, 528, &sum);
}

fn read(disk: Vec<u8>) -> Assembled {
    assemble(vec![Member {
        name: "disk".into(),
        source: Arc::new(MemoryDisk(disk)),
    }])
}

/// Makes a group of one physical volume of 8 extents of 64 KiB, and logical volumes.
fn group(volumes: &str) -> String {
    format!(
        "vg {{ id = \"bbbbbb-bbbb-bbbb-bbbb-bbbb-bbbb-bbbbbb\" seqno = 1 extent_size = 128
            physical_volumes {{ pv0 {{ id = \"{PV}\" device = \"/dev/sda\" pe_start = 1024 pe_count = 8 }} }}
            logical_volumes {{ {volumes} }} }} # the end"
    )
}

/// Makes a visible volume of segments, each of which is its first extent, its number of extents, and the rest of it.
fn lv(name: &str, segments: &[(u64, u64, &str)]) -> String {
    let mut text = format!(
        "{name} {{ status = [\"READ\", \"VISIBLE\"] segment_count = {} ",
        segments.len()
    );
    for (number, (start, count, rest)) in segments.iter().enumerate() {
        write!(
            text,
            "segment{number} {{ start_extent = {start} extent_count = {count} {rest} }} "
        )
        .unwrap();
    }
    text + "}"
}

const LINEAR: &str = "type = \"striped\" stripe_count = 1 stripes = [\"pv0\", 0]";

#[test]
fn a_forged_volume_is_read() {
    let mut disk = disk(&group(&lv("root", &[(0, 8, LINEAR)])));
    disk[MIB - 1] = 7;
    let assembled = read(disk);
    let root = open(&assembled, "/dev/vg/root");
    let mut byte = [0];
    root.read_at(root.size() - 1, &mut byte).unwrap();
    assert_eq!((root.size(), byte), (MIB as u64 / 2, [7]));
}

#[rstest]
#[case::behind_the_end(&[(0, 9, LINEAR)], "extents behind the end of pv0")]
#[case::gap(&[(0, 1, LINEAR), (2, 1, LINEAR)], "overlap, or do not meet")]
#[case::overlap(&[(0, 2, LINEAR), (1, 2, LINEAR)], "overlap, or do not meet")]
#[case::late_start(&[(1, 2, LINEAR)], "overlap, or do not meet")]
#[case::empty(&[(0, 0, LINEAR)], "overlap, or do not meet")]
#[case::nothing(&[], "segments are missing")]
#[case::sum(&[(0, u64::MAX, "type = \"zero\""), (u64::MAX, 1, LINEAR)], "larger than any disk")]
#[case::product(&[(0, u64::MAX / 128, "type = \"zero\"")], "larger than any disk")]
#[case::start(&[(0, 2, "type = \"striped\" stripes = [\"pv0\", 18446744073709551615]")], "larger than any disk")]
#[case::no_stripes(&[(0, 2, "type = \"striped\" stripes = []")], "stripes of different sizes")]
#[case::half_a_stripe(&[(0, 3, "type = \"striped\" stripe_size = 8 stripes = [\"pv0\", 0, \"pv0\", 2]")], "different sizes")]
#[case::no_chunk(&[(0, 2, "type = \"striped\" stripes = [\"pv0\", 0, \"pv0\", 2]")], "a size that does not fit")]
#[case::odd_chunk(&[(0, 2, "type = \"striped\" stripe_size = 7 stripes = [\"pv0\", 0, \"pv0\", 2]")], "a size that does not fit")]
#[case::nowhere(&[(0, 2, "type = \"striped\" stripes = [\"pv9\", 0]")], "there is no volume pv9")]
#[case::itself(&[(0, 2, "type = \"striped\" stripes = [\"root\", 0]")], "root lies on itself")]
#[case::mirror_of_nothing(&[(0, 2, "type = \"mirror\" mirrors = []")], "a mirror of nothing")]
#[case::raid_of_nothing(&[(0, 2, "type = \"raid1\" raids = []")], "no copy of a RAID 1 is complete")]
#[case::half_a_leg(&[(0, 2, "type = \"raid1\" raids = [\"root\"]")], "a segment lacks a field")]
#[case::raid5(&[(0, 2, "type = \"raid5_ls\" raids = [\"a\", \"b\"]")], "unsupported LVM2 segments: raid5_ls")]
#[case::thin(&[(0, 2, "type = \"thin+FLAG\" thin_pool = \"pool\"")], "unsupported LVM2 segments: thin")]
#[case::no_type(&[(0, 2, "")], "a segment lacks a field")]
fn a_volume_that_contradicts_itself_takes_no_other_along(
    #[case] segments: &[(u64, u64, &str)],
    #[case] expected: &str,
) {
    let text = group(&(lv("root", segments) + &lv("sane", &[(0, 8, LINEAR)])));
    let assembled = read(disk(&text));
    let error = error(&assembled, "/dev/vg/root");
    assert!(error.contains(expected), "{error}");
    open(&assembled, "/dev/vg/sane");
}

/// A name goes into the error of every volume that lies on it.
#[test]
fn long_names_of_parts_are_refused() {
    let nowhere = format!(
        "type = \"striped\" stripes = [\"{}\", 0]",
        "a".repeat(10_000)
    );
    let assembled = read(disk(&group(&lv("root", &[(0, 1, &nowhere)]))));
    assert!(error(&assembled, "/dev/vg/root").len() < 200);
}

#[test]
fn volumes_beyond_the_limit_are_a_problem() {
    let volumes: Vec<String> = (0..1025)
        .map(|number| lv(&format!("v{number}"), &[(0, 1, LINEAR)]))
        .collect();
    let assembled = read(disk(&group(&volumes.concat())));
    assert_eq!(assembled.volumes.len(), 1024);
    assert_eq!(
        texts(&assembled.problems),
        ["1025 logical volumes: only 1024 are read"]
    );
}

/// Volumes each of which lies on the one before, or twice on it.
#[rstest]
#[case::opened_from_below(|number| format!("v{number:03}"))]
#[case::opened_from_above(|number| format!("v{:03}", 999 - number))]
fn towers_of_volumes_are_low(#[case] name: fn(u32) -> String) {
    let mut volumes = lv(&name(0), &[(0, 1, LINEAR)]);
    for number in 1..200 {
        let below = format!("type = \"striped\" stripes = [\"{}\", 0]", name(number - 1));
        volumes += &lv(&name(number), &[(0, 1, &below)]);
        volumes += &lv(&format!("twice{number}"), &[(0, 1, &below), (1, 1, &below)]);
    }
    let assembled = read(disk(&group(&volumes)));
    assert_eq!(assembled.volumes.len(), 399);
    open(&assembled, &format!("/dev/vg/{}", name(0)));
    let error = error(&assembled, &format!("/dev/vg/{}", name(199)));
    assert!(
        error.contains("more than 8 volumes lie on each other"),
        "{error}"
    );
}

#[rstest]
#[case::circle("a", "b", "a lies on itself")]
#[case::into_a_circle("c", "a", "lies on itself")]
fn circles_end(#[case] from: &str, #[case] to: &str, #[case] expected: &str) {
    let on = |name: &str| format!("type = \"striped\" stripes = [\"{name}\", 0]");
    let volumes = lv(from, &[(0, 1, &on(to))]) + &lv("b", &[(0, 1, &on("a"))]);
    let volumes = if from == "a" {
        volumes
    } else {
        volumes + &lv("a", &[(0, 1, &on("b"))])
    };
    let assembled = read(disk(&group(&volumes)));
    let error = error(&assembled, &format!("/dev/vg/{from}"));
    assert!(error.contains(expected), "{error}");
}

#[rstest]
#[case::name_of_a_group(group("").replace("vg {", "../vg {"), "a name that no tool would allow")]
#[case::name_of_a_volume(group(&lv("a/b", &[(0, 1, LINEAR)])), "a name that no tool would allow")]
#[case::long_name(group(&lv(&"a".repeat(128), &[(0, 1, LINEAR)])), "a name that no tool would allow")]
#[case::nothing(String::new(), "not one volume group")]
#[case::two_groups(group("") + "\n" + &group(""), "not one volume group")]
#[case::extents_of_nothing(group("").replace("extent_size = 128", "extent_size = 0"), "lack a field")]
#[case::huge_extents(group("").replace("extent_size = 128", "extent_size = 36028797018963969"), "lack a field")]
#[case::identity(group("").replace("bbbbbb-", "bbb bb-"), "lack a field")]
#[case::no_sequence(group("").replace("seqno", "other"), "lack a field")]
#[case::open_end("vg {".into(), "line 1: a name is expected")]
#[case::no_value("vg {\n a = }".into(), "line 2: a value is expected")]
#[case::no_equals("vg { a b }".into(), "`{` or `=` is expected")]
#[case::open_string("vg { a = \"b }".into(), "the end of a string is expected")]
#[case::open_list("vg { a = [1, 2".into(), "`,` or `]` is expected")]
#[case::deep_sections("a {".repeat(1000), "nested more than 16 deep")]
#[case::deep_lists(format!("a = {}", "[".repeat(1000)), "nested more than 16 deep")]
fn a_text_that_is_not_understood_is_a_problem(#[case] text: String, #[case] expected: &str) {
    let assembled = read(disk(&text));
    assert_eq!(names(&assembled), [] as [&str; 0]);
    let [problem] = &texts(&assembled.problems)[..] else {
        panic!("{:?}", assembled.problems)
    };
    assert!(
        problem.starts_with("disk: metadata area at byte 4096: ") && problem.contains(expected),
        "{problem}"
    );
}

#[test]
fn a_text_of_many_entries_is_refused() {
    let text = format!("a = [{}]", "1,".repeat(1 << 18));
    assert_eq!(text::parse(&text), Err(text::TextDamage::Entries));
}

#[test]
fn what_is_written_is_parsed() {
    let text = "# first\nvg { a = 5 # five\n b = \"with \\\" # and }\" c = [ ] d = [\"x\", -1, 2.5,] e { f=1 } }\0 ignored {";
    let root = text::parse(text).unwrap();
    let vg = root.section("vg").unwrap();
    assert_eq!(vg.number("a"), Some(5));
    assert_eq!(vg.text("b"), Some("with \\\" # and }"));
    assert_eq!(vg.list("c"), Some(&[][..]));
    assert_eq!(
        vg.list("d"),
        Some(
            &[
                text::Value::Text("x"),
                text::Value::Other,
                text::Value::Other
            ][..]
        )
    );
    assert_eq!(vg.section("e").unwrap().number("f"), Some(1));
}

/// A location of the text in its area.
#[rstest]
#[case::in_the_header(100, 64, "outside of the area")]
#[case::behind_the_area(AREA_SIZE + 1, 64, "outside of the area")]
#[case::into_itself(AREA_SIZE - 10, AREA_SIZE, "outside of the area")]
#[case::too_long(512, 5 << 20, "a text of 5242880 bytes")]
#[case::endless(512, usize::MAX, "4194304 are the limit")]
#[case::wrong_sum(1024, 64, "the text does not match its checksum")]
fn a_text_is_looked_for_in_its_area(
    #[case] offset: usize,
    #[case] size: usize,
    #[case] expected: &str,
) {
    let mut disk = disk(&group(""));
    place(&mut disk, AREA + 40, &(offset as u64).to_le_bytes());
    place(&mut disk, AREA + 48, &(size as u64).to_le_bytes());
    seal(&mut disk);
    let problems = texts(&read(disk).problems);
    assert!(problems[0].contains(expected), "{problems:?}");
}

#[test]
fn an_area_that_is_ignored_is_no_copy() {
    let mut disk = disk(&group(&lv("root", &[(0, 8, LINEAR)])));
    place(&mut disk, AREA + 60, &[1]);
    seal(&mut disk);
    assert!(read(disk).volumes.is_empty());
}

#[rstest]
#[case::none(vec![0; MIB], "no LVM2 label")]
#[case::short(vec![0; 100], "no LVM2 label")]
#[case::sum({ let mut disk = disk(""); disk[600] ^= 1; disk }, "sector 1 does not match its checksum")]
#[case::sector({ let mut disk = disk(""); disk[520] = 2; seal(&mut disk); disk }, "sector 1 contradicts itself")]
#[case::header({ let mut disk = disk(""); disk[533] = 2; seal(&mut disk); disk }, "sector 1 contradicts itself")]
#[case::areas({ let mut disk = disk(""); disk[584..1024].fill(1); seal(&mut disk); disk }, "sector 1 contradicts itself")]
fn a_partition_without_a_label_is_a_problem(#[case] disk: Vec<u8>, #[case] expected: &str) {
    let problems = texts(&read(disk).problems);
    assert!(problems[0].contains(expected), "{problems:?}");
}

/// Opens and reads all volumes.
fn exercise(disk: Vec<u8>) {
    for volume in read(disk).volumes {
        let Ok(source) = volume.source else { continue };
        let mut buffer = vec![0; 70_000];
        for offset in [
            0,
            1,
            source.size() / 2,
            source.size().saturating_sub(70_000),
        ] {
            let _ = source.read_at(offset, &mut buffer);
        }
    }
}

fn seed() -> String {
    let striped =
        "type = \"striped\" stripe_count = 2 stripe_size = 8 stripes = [\"pv0\", 0, \"pv0\", 4]";
    let mirror = "type = \"mirror\" mirrors = [\"root\", 0, \"pv0\", 1]";
    let raid = "type = \"raid1\" raids = [\"root\", \"striped\", \"mirror\", \"striped\"]";
    group(
        &[
            lv("root", &[(0, 2, LINEAR), (2, 1, "type = \"zero\"")]),
            lv("striped", &[(0, 4, striped)]),
            lv("mirror", &[(0, 1, mirror)]),
            lv("raid", &[(0, 2, raid)]),
        ]
        .concat(),
    )
}

const WORDS: [&str; 16] = [
    "0",
    "1",
    "8",
    "4294967296",
    "18446744073709551615",
    "36028797018963968",
    "pv0",
    "root",
    "raid",
    "mirror",
    "striped",
    "{",
    "}",
    "[",
    "]",
    "\"",
];

proptest! {
    /// Words of a text replaced by others.
    #[test]
    fn changed_texts_are_survived(changes in prop::collection::vec((any::<Index>(), any::<Index>()), 1..6)) {
        let seed = seed();
        let mut words: Vec<&str> = seed.split(' ').collect();
        for (at, word) in changes {
            let quoted = at.get(&words).starts_with('"');
            let at = at.index(words.len());
            words[at] = match WORDS[word.index(WORDS.len())] {
                "root" if quoted => "\"root\",",
                "raid" if quoted => "\"raid\",",
                word => word,
            };
        }
        exercise(disk(&words.join(" ")));
    }

    /// Bytes of the headers replaced by others.
    #[test]
    fn changed_headers_are_survived(changes in prop::collection::vec((0usize..1024, prop::sample::select(vec![0u8, 1, 2, 0x10, 0x7f, 0x80, 0xff])), 1..8)) {
        let mut disk = disk(&seed());
        for (at, byte) in changes {
            disk[if at < 512 { 512 + at } else { AREA + at - 512 }] = byte;
        }
        seal(&mut disk);
        exercise(disk);
    }
}
