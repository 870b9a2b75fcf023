//! cloudigrade
fn main() {}
