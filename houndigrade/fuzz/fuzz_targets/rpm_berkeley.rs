//! rpm's databases: a hash of Berkeley DB.
#![no_main]

use houndigrade::rpm::Format;
use houndigrade_fuzz::{Bytes, read_packages};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| read_packages(Format::Berkeley, Bytes(data), None));
