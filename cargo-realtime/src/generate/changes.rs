//! The files that a generator writes: all of them or none.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

/// What becomes of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// The file, from the app's root.
    pub path: PathBuf,
    /// Whether it is new.
    pub created: bool,
    /// What is in it then.
    #[serde(skip)]
    pub text: String,
}

impl FileChange {
    /// A new file.
    pub fn created(path: impl Into<PathBuf>, text: String) -> Self {
        Self { path: path.into(), created: true, text }
    }

    /// A file that is there.
    pub fn changed(path: impl Into<PathBuf>, text: String) -> Self {
        Self { path: path.into(), created: false, text }
    }
}

/// Writes all changes below `root`, or none where one cannot be written.
pub fn apply(root: &Path, changes: &[FileChange]) -> Result<()> {
    // Whatever can go wrong with the disk goes wrong here, beside the files and not in them.
    let mut staged = Vec::new();
    for change in changes {
        let path = root.join(&change.path);
        let folder = path.parent().unwrap_or(root);
        let stage = || {
            let mut file = tempfile::Builder::new().permissions(permissions(&path)).tempfile_in(folder)?;
            file.write_all(change.text.as_bytes())?;
            std::io::Result::Ok(file)
        };
        let file =
            stage().with_context(|| format!("{} cannot be written. Nothing was changed.", path.display()))?;
        staged.push((path, change.created, file));
    }
    let mut undo = Vec::new();
    for (path, created, file) in staged {
        let before = fs::read(&path).ok();
        let written = if created { file.persist_noclobber(&path) } else { file.persist(&path) };
        if let Err(error) = written {
            restore(undo);
            return Err(error)
                .with_context(|| format!("{} cannot be written. Nothing was changed.", path.display()));
        }
        undo.push((path, before));
    }
    Ok(())
}

/// As the file has them, or as a new one gets them.
fn permissions(path: &Path) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).map_or_else(|_| fs::Permissions::from_mode(0o644), |metadata| metadata.permissions())
}

fn restore(undo: Vec<(PathBuf, Option<Vec<u8>>)>) {
    for (path, before) in undo {
        // The error that led here is the one to tell about.
        let _ = match before {
            Some(text) => fs::write(path, text),
            None => fs::remove_file(path),
        };
    }
}
