//! The PowerSync web SDK, bundled for the browser by the app's own `npm run build`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use tokio::process::Command;

use super::{Status, child};
use crate::progress::Progress;
use crate::workspace::Workspace;

/// Whether the bundle is there, and newer than everything it is made from.
pub fn check(workspace: &Workspace) -> Status {
    let root = &workspace.root;
    let bundle = root.join("public/powersync");
    let made_from = ["package.json", "package-lock.json", "frontend/build.mjs"];
    let changed = made_from.iter().filter_map(|file| modified(&root.join(file))).max();
    let problem = match newest(&bundle) {
        None => "not built",
        Some(built) if changed.is_some_and(|changed| changed > built) => "older than what it is made from",
        Some(_) => return Status::Found(bundle.display().to_string()),
    };
    Status::Missing { problem: problem.to_owned(), get: "npm run build".to_owned() }
}

/// Builds the bundle if need be.
pub async fn ensure(workspace: &Workspace, progress: &Progress) -> Result<()> {
    if let Status::Found(_) = check(workspace) {
        return Ok(());
    }
    let step = progress.step("Bundling the PowerSync SDK (npm run build): a few seconds");
    let mut npm = Command::new("npm");
    npm.args(["run", "build"]).current_dir(&workspace.root);
    child::run(npm, |line| step.detail(line)).await?;
    step.done("Bundled the PowerSync SDK");
    Ok(())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// When the youngest file below `dir` was written; `None` if there is none.
fn newest(dir: &Path) -> Option<SystemTime> {
    let mut newest = None;
    let mut dirs: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => dirs.push(path),
                path => newest = newest.max(modified(&path)),
            }
        }
    }
    newest
}
