//! Gets programs that are crates: as a ready binary where `cargo binstall` is installed, else by compiling them.

use std::time::Duration;

use anyhow::Result;
use tokio::process::Command;

use super::child;
use crate::progress::Step;

/// How long a download may take before compiling is the better bet.
const DOWNLOAD_PATIENCE: Duration = Duration::from_secs(180);

/// Tries `cargo binstall ARGUMENTS`; says whether that worked.
pub async fn download(step: &Step, arguments: &[&str]) -> bool {
    if which::which("cargo-binstall").is_err() {
        return false;
    }
    step.detail("trying cargo binstall");
    let mut binstall = Command::new("cargo");
    binstall.args(["binstall", "--no-confirm", "--disable-strategies", "compile"]).args(arguments);
    let run = child::run(binstall, |line| step.detail(line));
    tokio::time::timeout(DOWNLOAD_PATIENCE, run).await.is_ok_and(|result| result.is_ok())
}

/// Runs `cargo install ARGUMENTS`, counting the crates as they are compiled. `crates` is about how many there will be.
pub async fn compile(
    step: &Step,
    arguments: &[&str],
    profile: &[(&str, &str)],
    crates: Option<u32>,
) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.arg("install").args(arguments).env("CARGO_TERM_COLOR", "never").envs(profile.iter().copied());
    let mut compiled = 0;
    let of = crates.map_or_else(|| " crates".to_owned(), |crates| format!(" of about {crates} crates"));
    child::run(cargo, |line| {
        if line.trim_start().starts_with("Compiling ") {
            compiled += 1;
            step.detail(&format!("compiling, {compiled}{of}"));
        }
    })
    .await
}
