//! The wasm-bindgen program, in exactly the version of the library in Cargo.lock: any other refuses the app's wasm.
//!
//! cargo-leptos runs the first `wasm-bindgen` on PATH, whatever its version, but looks into the app's
//! `node_modules/.bin` before. So the right one is linked from there, and other projects keep theirs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use directories::ProjectDirs;
use toml::Table;

use super::{Status, cargo_install, child};
use crate::progress::Progress;
use crate::workspace::Workspace;

/// Whether the program that cargo-leptos would take is the right one.
pub async fn check(workspace: &Workspace) -> Status {
    let wanted = match wanted(workspace) {
        Ok(wanted) => wanted,
        Err(error) => {
            return Status::Missing { problem: error.to_string(), get: "cargo generate-lockfile".to_owned() };
        }
    };
    let taken = Some(link_path(workspace)).filter(|link| link.exists()).or_else(on_path);
    let version = match &taken {
        Some(program) => version(program).await,
        None => None,
    };
    let problem = match version {
        Some(version) if version == wanted => return Status::Found(version),
        Some(version) => format!("{version}, but Cargo.lock has {wanted}"),
        None => format!("not installed in version {wanted}"),
    };
    Status::Missing { problem, get: format!("cargo install wasm-bindgen-cli --version {wanted}") }
}

/// A program of the right version: one that is on PATH, else one of our own, which is installed if need be.
pub async fn obtain(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    let wanted = wanted(workspace)?;
    let dirs = ProjectDirs::from("", "", "cargo-realtime").context(
        "This user has no home directory, so there is no place to install wasm-bindgen to. Set HOME.",
    )?;
    let root = dirs.cache_dir().join("tools").join(format!("wasm-bindgen-{wanted}"));
    let own = root.join("bin/wasm-bindgen");
    for program in on_path().into_iter().chain([own.clone()]) {
        if version(&program).await.as_ref() == Some(&wanted) {
            return Ok(program);
        }
    }
    install(&wanted, &root, progress).await?;
    Ok(own)
}

/// Puts the program where cargo-leptos finds it first.
pub fn link(workspace: &Workspace, program: &Path) -> Result<()> {
    let link = link_path(workspace);
    if link.read_link().is_ok_and(|target| target == program) {
        return Ok(());
    }
    let make = || {
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link)?;
        }
        if let Some(dir) = link.parent() {
            fs::create_dir_all(dir)?;
        }
        symlink(program, &link)
    };
    make().with_context(|| format!("Cannot link {} as {}", program.display(), link.display()))
}

async fn install(version: &str, root: &Path, progress: &Progress) -> Result<()> {
    let step = progress.step(format!(
        "Installing wasm-bindgen {version}, the version in Cargo.lock: once per version, 2 to 5 minutes where it must be \
         compiled"
    ));
    let root = root.to_str().context("The user's cache directory is not UTF-8")?;
    let crate_version = format!("wasm-bindgen-cli@{version}");
    if !cargo_install::download(&step, &[&crate_version, "--root", root]).await {
        // It runs for moments, so it need not be fast.
        let profile = [
            ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
            ("CARGO_PROFILE_RELEASE_LTO", "off"),
            ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
        ];
        cargo_install::compile(&step, &[&crate_version, "--root", root], &profile, None).await?;
    }
    step.done(format!("Installed wasm-bindgen {version}"));
    Ok(())
}

fn on_path() -> Option<PathBuf> {
    which::which("wasm-bindgen").ok()
}

fn link_path(workspace: &Workspace) -> PathBuf {
    workspace.root.join("node_modules/.bin/wasm-bindgen")
}

/// From `wasm-bindgen 0.2.100`.
async fn version(program: &Path) -> Option<String> {
    let text = child::output(program.to_str()?, &["--version"]).await?;
    text.split_whitespace().nth(1).map(str::to_owned)
}

fn wanted(workspace: &Workspace) -> Result<String> {
    let path = workspace.root.join("Cargo.lock");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("Cannot read {}. `cargo generate-lockfile` makes it.", path.display()))?;
    let lock: Table = text.parse().with_context(|| format!("{} is not valid TOML", path.display()))?;
    let packages = lock.get("package").and_then(|packages| packages.as_array());
    let is_it = |package: &&toml::Value| {
        package.get("name").is_some_and(|name| name.as_str() == Some("wasm-bindgen"))
    };
    let version =
        packages.into_iter().flatten().find(is_it).and_then(|package| package.get("version")?.as_str());
    version.map(str::to_owned).with_context(|| format!("{} does not name wasm-bindgen", path.display()))
}
