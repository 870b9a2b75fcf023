//! houndigrade
fn main() {}
