//! XFS of version 4 and 5 with a dirty log, whose checksums are zero so that damage gets further.
#![no_main]

use std::sync::Arc;

use houndigrade::MemoryBudget;
use houndigrade::filesystem::{self, Content};
use houndigrade_fuzz::{Patched, walk};
use libfuzzer_sys::fuzz_target;

const SEEDS: [&[u8]; 2] = [
    include_bytes!("../seeds/xfs_v4"),
    include_bytes!("../seeds/xfs_v5"),
];

fuzz_target!(|data: &[u8]| {
    let Some((which, changes)) = data.split_first() else {
        return;
    };
    let disk = Arc::new(Patched::new(
        SEEDS[usize::from(*which) % SEEDS.len()],
        changes,
    ));
    if let Ok(fs) = filesystem::open(Content::Known("xfs"), disk, &MemoryBudget::default()) {
        walk(&*fs);
    }
});
