//! What the Rust toolchain must have beyond cargo itself.

use std::path::Path;

use anyhow::Result;
use tokio::process::Command;

use super::{Status, child};
use crate::progress::Progress;

/// What frontends are compiled for.
pub const WASM: &str = "wasm32-unknown-unknown";

/// Whether frontends can be compiled.
pub async fn target() -> Status {
    match child::output("rustc", &["--print", "target-libdir", "--target", WASM]).await {
        Some(libraries) if Path::new(&libraries).is_dir() => Status::Found(WASM.to_owned()),
        _ => Status::Missing {
            problem: format!("the target {WASM} is not installed"),
            get: format!("rustup target add {WASM}"),
        },
    }
}

/// Whether code can be checked as `cargo realtime test` does.
pub async fn components() -> Status {
    let rustfmt = child::output("cargo", &["fmt", "--version"]).await;
    let clippy = child::output("cargo", &["clippy", "--version"]).await;
    match (rustfmt, clippy) {
        (Some(rustfmt), Some(clippy)) => Status::Found(format!("{rustfmt}, {clippy}")),
        _ => Status::Missing {
            problem: "not installed".to_owned(),
            get: "rustup component add rustfmt clippy".to_owned(),
        },
    }
}

/// The minor version of the compiler: 95 for 1.95.0.
pub async fn minor_version() -> Option<u32> {
    let version = child::output("rustc", &["--version"]).await?;
    version.strip_prefix("rustc 1.")?.split('.').next()?.parse().ok()
}

/// Installs the target if it is missing.
pub async fn ensure_target(progress: &Progress) -> Result<()> {
    if let Status::Found(_) = target().await {
        return Ok(());
    }
    rustup(progress, "Rust's target for browsers", &["target", "add", WASM]).await
}

/// Installs rustfmt and clippy if they are missing.
pub async fn ensure_components(progress: &Progress) -> Result<()> {
    if let Status::Found(_) = components().await {
        return Ok(());
    }
    rustup(progress, "rustfmt and clippy", &["component", "add", "rustfmt", "clippy"]).await
}

async fn rustup(progress: &Progress, what: &str, arguments: &[&str]) -> Result<()> {
    let step = progress.step(format!("Installing {what} (rustup {}): a few seconds", arguments.join(" ")));
    let mut rustup = Command::new("rustup");
    rustup.args(arguments);
    child::run(rustup, |line| step.detail(line)).await?;
    step.done(format!("Installed {what}"));
    Ok(())
}
