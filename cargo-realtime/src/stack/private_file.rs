//! Files with secrets in them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes `text` so that only its owner may read it (0600), and so that whoever reads sees the old or the new
/// content, never a part.
pub fn write(path: &Path, text: &str) -> Result<()> {
    // Through a symbolic link, its target is what must be replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let unfinished = target.with_file_name(format!(
        ".{}.{}",
        target.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id()
    ));
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, &target)
    };
    write().with_context(|| format!("Cannot write {}", path.display()))
}
