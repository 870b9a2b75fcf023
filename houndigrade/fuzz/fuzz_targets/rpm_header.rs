//! Headers of packages and the OpenPGP signatures in them: the input as the only header of an ndb database.
#![no_main]

use houndigrade::rpm::{DatabaseFormat, packages};
use houndigrade_fuzz::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &[u8]| {
    let blocks = (header.len() + 28).div_ceil(16);
    let number = |number: usize| (number as u32).to_le_bytes();
    let mut file = [&b"RpmP"[..], &[0; 8], &number(1), &[0; 16]].concat();
    file.extend([&b"Slot"[..], &number(1), &number(256), &number(blocks)].concat());
    while file.len() < 4096 {
        file.extend([&b"Slot"[..], &[0; 12]].concat());
    }
    file.extend([&b"BlbS"[..], &number(1), &number(0), &number(header.len())].concat());
    file.extend(header);
    file.resize(4096 + blocks * 16 - 8, 0);
    file.extend([&number(header.len())[..], b"BlbE"].concat());
    let Ok(packages) = packages(DatabaseFormat::Ndb, Box::new(Bytes(&file)), None) else {
        panic!("the database around the header is sound");
    };
    assert_eq!(packages.count(), 1);
});
