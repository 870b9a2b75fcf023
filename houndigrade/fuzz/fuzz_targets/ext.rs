//! ext3 and ext4 with a dirty journal and, so that damage gets further, no checksums.
#![no_main]

use std::sync::Arc;

use houndigrade::MemoryBudget;
use houndigrade::filesystem::{self, Content};
use houndigrade_fuzz::{Patched, walk};
use libfuzzer_sys::fuzz_target;

const SEEDS: [&[u8]; 3] = [
    include_bytes!("../seeds/ext3"),
    include_bytes!("../seeds/ext4"),
    include_bytes!("../seeds/ext4_journal_checksum"),
];

fuzz_target!(|data: &[u8]| {
    let Some((which, changes)) = data.split_first() else {
        return;
    };
    let disk = Arc::new(Patched::new(
        SEEDS[usize::from(*which) % SEEDS.len()],
        changes,
    ));
    if let Ok(fs) = filesystem::open(Content::Ext("ext4"), disk, &MemoryBudget::default()) {
        walk(&*fs);
    }
});
