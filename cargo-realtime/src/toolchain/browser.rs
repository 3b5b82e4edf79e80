//! Chromium, for the tests in a browser.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use nix::unistd::Uid;
use tokio::process::Command;

use super::{Status, child};
use crate::progress::Progress;
use crate::workspace::Workspace;

/// How long Playwright's download may take.
const DOWNLOAD_PATIENCE: Duration = Duration::from_secs(300);

/// Whether there is one, and where.
pub async fn check(workspace: Option<&Workspace>) -> Status {
    match find(workspace).await {
        Ok(Some(program)) => Status::Found(program.display().to_string()),
        Ok(None) => Status::Missing {
            problem: "not installed".to_owned(),
            get: "npx playwright install --with-deps chromium".to_owned(),
        },
        Err(error) => Status::Missing { problem: error.to_string(), get: "unset CHROMIUM_PATH".to_owned() },
    }
}

/// The browser's program, which is installed if there is none: by Playwright, or by Debian's package manager.
pub async fn obtain(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    if let Some(program) = find(Some(workspace)).await? {
        return Ok(program);
    }
    let step = progress.step("Installing Chromium for the tests in a browser: about 150 MB to download");
    let by_playwright = playwright_install(workspace).await;
    if by_playwright.is_err() && Uid::effective().is_root() && which::which("apt-get").is_ok() {
        step.detail("trying apt-get install chromium");
        // Fails when it is not found afterwards, with the whole story.
        let _ = apt(&["update"]).await;
        let _ = apt(&["install", "-y", "chromium"]).await;
    }
    let Some(program) = find(Some(workspace)).await? else {
        let reason = by_playwright.err().map(|error| format!("\n{error:#}")).unwrap_or_default();
        bail!(
            "There is no Chromium for the tests in a browser, and it could not be installed. Install Chromium or Chrome so that \
             it is on PATH, or set CHROMIUM_PATH to its program.{reason}"
        );
    };
    step.done(format!("Installed Chromium: {}", program.display()));
    Ok(program)
}

async fn find(workspace: Option<&Workspace>) -> Result<Option<PathBuf>> {
    if let Some(path) = std::env::var_os("CHROMIUM_PATH").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("CHROMIUM_PATH is {}, where there is no program. Correct it, or unset it.", path.display());
        }
        return Ok(Some(path));
    }
    let on_path = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
        .iter()
        .find_map(|name| which::which(name).ok());
    let installed = ["/Applications/Chromium.app/Contents/MacOS/Chromium", MAC_CHROME].map(PathBuf::from);
    if let Some(program) = on_path.or_else(|| installed.into_iter().find(|path| path.is_file())) {
        return Ok(Some(program));
    }
    match workspace {
        Some(workspace) => Ok(of_playwright(&workspace.root).await),
        None => Ok(None),
    }
}

const MAC_CHROME: &str = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/// The one that Playwright keeps for itself, in the version that it wants.
async fn of_playwright(root: &Path) -> Option<PathBuf> {
    let ask = "console.log(require('@playwright/test').chromium.executablePath())";
    let output = Command::new("node").args(["-e", ask]).current_dir(root).output().await.ok()?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    path.is_file().then_some(path)
}

async fn playwright_install(workspace: &Workspace) -> Result<()> {
    let mut npx = Command::new("npx");
    npx.args(["playwright", "install", "chromium"]).current_dir(&workspace.root);
    tokio::time::timeout(DOWNLOAD_PATIENCE, child::run(npx, |_| {})).await?
}

async fn apt(arguments: &[&str]) -> Result<()> {
    let mut apt = Command::new("apt-get");
    apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    child::run(apt, |_| {}).await
}
