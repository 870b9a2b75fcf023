//! fstab: mount points lie in the tree, and are absolute.
#![no_main]

use houndigrade::filesystem::fstab;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for entry in fstab::parse(&String::from_utf8_lossy(data)).unwrap_or_default() {
        assert!(entry.at.starts_with('/') && entry.at != "/");
        assert!(entry.at.split('/').all(|name| !matches!(name, "." | "..")));
    }
});
