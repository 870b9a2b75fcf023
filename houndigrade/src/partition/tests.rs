use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::test_disks::{MIB, MemoryDisk, partitioned, texts};

/// Number, first MiB, MiB and purpose.
type Summary = (Option<u32>, u64, u64, Option<&'static str>);

fn summary(disk: Vec<u8>) -> (Vec<Summary>, Vec<String>) {
    let Table {
        partitions,
        problems,
    } = read(&MemoryDisk(disk)).unwrap();
    let mib = MIB as u64;
    let summary = |part: Partition| (part.number, part.start / mib, part.size / mib, part.purpose);
    let partitions = partitions.into_iter().map(summary).collect();
    (partitions, texts(&problems))
}

const GPT: &str = "label: gpt
1MiB,1MiB,21686148-6449-6E6F-744E-656564454649
2MiB,2MiB,U
4MiB,1MiB,S
5MiB,2MiB,L
";
fn gpt_partitions() -> Vec<Summary> {
    vec![
        (Some(1), 1, 1, Some("BIOS boot")),
        (Some(2), 2, 2, Some("EFI system partition")),
        (Some(3), 4, 1, Some("swap")),
        (Some(4), 5, 2, None),
    ]
}

#[test]
fn mbr_with_logical_partitions() {
    let script = "label: dos\n1MiB,1MiB,S\n2MiB,1MiB,L\n3MiB,,E\n4MiB,1MiB,L\n6MiB,1MiB,S\n";
    let Some(disk) = partitioned(8 * MIB, script) else {
        return;
    };
    let expected = vec![
        (Some(1), 1, 1, Some("swap")),
        (Some(2), 2, 1, None),
        (Some(5), 4, 1, None),
        (Some(6), 6, 1, Some("swap")),
    ];
    assert_eq!(summary(disk), (expected, vec![]));
}

/// `PARTUUID`, `PARTLABEL`, mount point, and whether the type is Windows'.
type Names = (Option<String>, Option<String>, Option<&'static str>, bool);

fn names(disk: Vec<u8>) -> Vec<Names> {
    let names = |part: Partition| (part.uuid, part.label, part.mount_point, part.windows);
    let partitions = read(&MemoryDisk(disk)).unwrap().partitions;
    partitions.into_iter().map(names).collect()
}

#[test]
fn gpt_names_its_partitions() {
    let script = "label: gpt
size=1MiB, type=8484680C-9521-48C6-9C11-B0720656F69E, uuid=0F47F516-098A-4081-A3A7-7A9B98000E7F, name=\"USR-Ä\"
size=1MiB, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=1F47F516-098A-4081-A3A7-7A9B98000E7F
";
    let Some(disk) = partitioned(8 * MIB, script) else {
        return;
    };
    let uuid = |first| Some(format!("{first}f47f516-098a-4081-a3a7-7a9b98000e7f"));
    let usr = (uuid(0), Some("USR-Ä".into()), Some("/usr"), false);
    assert_eq!(names(disk), [usr, (uuid(1), None, None, true)]);
}

#[test]
fn mbr_names_its_partitions_after_the_disk() {
    let script = "label: dos\nlabel-id: 0x0b1b2b3b\n1MiB,1MiB,7\n2MiB,,E\n3MiB,1MiB,L\n";
    let Some(disk) = partitioned(8 * MIB, script) else {
        return;
    };
    let named = |uuid: &str, windows| (Some(uuid.into()), None, None, windows);
    assert_eq!(
        names(disk),
        [named("0b1b2b3b-01", true), named("0b1b2b3b-05", false)]
    );
}

#[test]
fn a_chain_that_bites_its_tail_ends() {
    let Some(mut disk) = partitioned(8 * MIB, "label: dos\n1MiB,,E\n2MiB,1MiB,L\n") else {
        return;
    };
    // The second entry of the first extended record now links to that record: sector 0 would end the chain, so one further.
    let link = MIB + 446 + 16;
    disk[link + 4] = 0x05;
    disk[link + 8..link + 16].copy_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0]);
    let record = disk[MIB..MIB + 512].to_vec();
    disk[MIB + 512..MIB + 1024].copy_from_slice(&record);
    let (partitions, problems) = summary(disk);
    assert_eq!(partitions.len(), 128);
    assert_eq!(problems, ["more than 128 logical partitions"]);
}

#[test]
fn a_link_out_of_the_disk_is_a_problem_and_the_rest_stays() {
    let Some(mut disk) = partitioned(8 * MIB, "label: dos\n1MiB,1MiB,L\n2MiB,,E\n3MiB,1MiB,L\n")
    else {
        return;
    };
    let link = 2 * MIB + 446 + 16;
    disk[link + 4] = 0x05;
    disk[link + 8..link + 16].copy_from_slice(&[0xff; 8]);
    let (partitions, problems) = summary(disk);
    assert_eq!(partitions, [(Some(1), 1, 1, None), (Some(5), 3, 1, None)]);
    assert_eq!(problems.len(), 1, "{problems:?}");
}

/// Damaged bytes, and whether the partitions survive.
#[rstest]
#[case::nothing(&[], true)]
#[case::primary_header(&[512], true)]
#[case::checksum_of_the_primary(&[512 + 20], true)]
#[case::primary_table(&[1024], true)]
#[case::backup(&[8 * MIB - 512], true)]
#[case::both_headers(&[512, 8 * MIB - 512], false)]
#[case::both_checksums(&[512 + 20, 8 * MIB - 512 + 20], false)]
fn gpt_survives_the_loss_of_one_copy(#[case] damaged: &[usize], #[case] survives: bool) {
    let Some(mut disk) = partitioned(8 * MIB, GPT) else {
        return;
    };
    for &byte in damaged {
        disk[byte] ^= 0xff;
    }
    let (partitions, problems) = summary(disk);
    if survives {
        assert_eq!((partitions, problems), (gpt_partitions(), vec![]));
    } else {
        assert_eq!(partitions, []);
        assert!(
            problems.iter().all(|problem| problem.contains("GPT")),
            "{problems:?}"
        );
        assert!(!problems.is_empty());
    }
}

#[test]
fn a_table_of_more_entries_than_any_tool_writes_is_refused() {
    let Some(mut disk) = partitioned(8 * MIB, GPT) else {
        return;
    };
    for header in [512, 8 * MIB - 512] {
        disk[header + 80..header + 84].copy_from_slice(&u32::MAX.to_le_bytes());
        disk[header + 16..header + 20].fill(0);
        let crc = crc32fast::hash(&disk[header..header + 92]);
        disk[header + 16..header + 20].copy_from_slice(&crc.to_le_bytes());
    }
    let (partitions, problems) = summary(disk);
    assert_eq!(partitions, []);
    assert!(problems[0].contains("4294967295 entries"), "{problems:?}");
}

#[rstest]
#[case::nothing(0)]
#[case::less_than_a_sector(100)]
#[case::zeros(4096)]
fn a_disk_without_a_table_is_one_part(#[case] size: usize) {
    let whole = Partition {
        size: size as u64,
        ..Partition::default()
    };
    let expected = Table {
        partitions: vec![whole],
        problems: vec![],
    };
    assert_eq!(read(&MemoryDisk(vec![0; size])).unwrap(), expected);
}

proptest! {
    /// Any bytes have an answer, within bounds.
    #[test]
    fn random_tables_are_survived(
        mut disk in prop::collection::vec(any::<u8>(), 2048..16384),
        kind in prop::sample::select(vec![0xee, 0x05, 0x83]),
        header in any::<bool>(),
    ) {
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        for entry in 0..4 {
            disk[446 + 16 * entry] = 0;
        }
        disk[450] = kind;
        if header {
            // A header with a right checksum over random fields.
            disk[512..520].copy_from_slice(b"EFI PART");
            disk[524..532].copy_from_slice(&[92, 0, 0, 0, 0, 0, 0, 0]);
            let crc = crc32fast::hash(&disk[512..604]);
            disk[528..532].copy_from_slice(&crc.to_le_bytes());
        }
        let table = read(&MemoryDisk(disk)).unwrap();
        prop_assert!(table.partitions.len() <= 1024);
    }
}
