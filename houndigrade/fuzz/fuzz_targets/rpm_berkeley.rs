//! rpm's databases: a hash of Berkeley DB.
#![no_main]

use houndigrade::rpm::DatabaseFormat;
use houndigrade_fuzz::{Bytes, read_packages};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| read_packages(DatabaseFormat::Berkeley, Bytes(data), None));
