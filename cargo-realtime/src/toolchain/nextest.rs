//! cargo-nextest, which runs Rust tests faster; `cargo test` does where it is missing.

use super::{Status, child};

/// Whether it is here.
pub async fn is_here() -> bool {
    matches!(check().await, Status::Found(_))
}

/// What was found of it.
pub async fn check() -> Status {
    match child::output("cargo", &["nextest", "--version"]).await {
        Some(text) => Status::Found(text.lines().next().unwrap_or_default().to_owned()),
        None => Status::Missing {
            problem: "not installed, so `cargo test` is used".to_owned(),
            get: "cargo install cargo-nextest --locked".to_owned(),
        },
    }
}
