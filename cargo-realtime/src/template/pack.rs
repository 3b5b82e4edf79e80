//! Packs the files that an app is made of, from a checkout of the repository that is the template.
//!
//! This file is compiled twice: `build.rs` packs what an installed program carries, and the program itself packs, where
//! it was built for working on the template.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use ignore::{DirEntry, WalkBuilder};

/// What ends the name of a file that takes the place of the file of the same name without it.
pub const TWIN: &str = ".liquid";

/// Says what is not part of an app; its own name is not in it.
const LIST: &str = "cargo-generate.toml";

/// The files of an app below `root`, as a `tar.gz` that is the same whenever they are.
pub fn pack(root: &Path) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    archive.mode(tar::HeaderMode::Deterministic);
    for file in files(root)? {
        archive
            .append_path_with_name(root.join(&file), &file)
            .with_context(|| format!("Cannot pack {}", root.join(&file).display()))?;
    }
    Ok(archive.into_inner()?.finish()?)
}

/// Their paths below `root`, in order: what git does not ignore, without what the list names, and without what a twin
/// takes the place of.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let left_out = left_out(root)?;
    let base = root.to_owned();
    let is_part = move |entry: &DirEntry| {
        entry.path().strip_prefix(&base).is_ok_and(|path| !left_out.iter().any(|left_out| path == left_out))
    };
    let mut files = Vec::new();
    // What a person ignores on all of their machine may well be part of the template.
    let mut walk = WalkBuilder::new(root);
    walk.hidden(false).git_global(false).parents(false).require_git(false).filter_entry(is_part);
    for entry in walk.build() {
        let entry = entry?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) && !twin(entry.path()).exists() {
            files.push(entry.path().strip_prefix(root)?.to_owned());
        }
    }
    files.sort();
    Ok(files)
}

fn left_out(root: &Path) -> Result<Vec<PathBuf>> {
    let path = root.join(LIST);
    let read = || -> Result<Vec<PathBuf>> {
        let list: toml::Table = std::fs::read_to_string(&path)?.parse()?;
        let ignored = list.get("template").and_then(|template| template.get("ignore"));
        Ok(ignored.context("It has no template.ignore")?.clone().try_into()?)
    };
    let mut left_out = read()
        .with_context(|| format!("Cannot read {}, which says what is part of an app", path.display()))?;
    left_out.push(LIST.into());
    Ok(left_out)
}

fn twin(path: &Path) -> PathBuf {
    let mut twin = path.as_os_str().to_owned();
    twin.push(TWIN);
    twin.into()
}
