//! The git repository of a new app, with a first commit.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::progress::Progress;

/// Makes the folder `app`, which will be moved to `dir`, a git repository with everything in it committed.
///
/// As with `cargo new`, an app inside another repository belongs to that one, unless it is ignored there. Without git, an
/// app has no repository; both is said.
pub async fn init(app: &Path, dir: &Path, progress: &Progress) -> Result<()> {
    if which::which("git").is_err() {
        progress.line("git is not installed, so the app has no repository yet");
        return Ok(());
    }
    if is_inside_another(dir).await? {
        progress.line("The app is inside a git repository, which it is now part of; nothing is committed");
        return Ok(());
    }
    run(app, &["init", "--quiet"]).await?;
    run(app, &["add", "--all"]).await?;
    let mut identity: &[&str] = &[];
    if !succeeds(app, &["var", "GIT_COMMITTER_IDENT"]).await? {
        progress.line("git does not know your name and email, so the first commit is by \"nobody\"");
        identity = &["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"];
    }
    // Neither a question for a passphrase nor somebody's hooks for their own code belong here.
    let alone = ["-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null"];
    run(app, &[identity, &alone, &["commit", "--quiet", "--message", "A new app"]].concat()).await
}

async fn is_inside_another(dir: &Path) -> Result<bool> {
    let parent = dir.parent().unwrap_or(dir);
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    Ok(succeeds(parent, &["rev-parse", "--is-inside-work-tree"]).await?
        && !succeeds(parent, &["check-ignore", "--quiet", &format!("{name}/")]).await?)
}

async fn succeeds(dir: &Path, arguments: &[&str]) -> Result<bool> {
    Ok(output(dir, arguments).await?.status.success())
}

async fn run(dir: &Path, arguments: &[&str]) -> Result<()> {
    let output = output(dir, arguments).await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`git {}` failed ({}). {}", arguments.join(" "), output.status, said.trim());
    }
    Ok(())
}

async fn output(dir: &Path, arguments: &[&str]) -> Result<std::process::Output> {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    // A hook of git runs its programs with these, and then they name another repository than the folder's.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    git.output().await.context("Cannot run git")
}
