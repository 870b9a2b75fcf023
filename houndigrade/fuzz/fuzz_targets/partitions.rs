//! Partition tables: MBR, extended boot records, GPT.
#![no_main]

use houndigrade::partition;
use houndigrade_fuzz::InputDisk;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = partition::read(&InputDisk::new(data));
});
