//! `cargo realtime`.
fn main() {}
