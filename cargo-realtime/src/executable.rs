//! This program's own file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// Where this program lies; also after it was built anew while running, when Linux calls the old file deleted.
pub fn path() -> Result<PathBuf> {
    let path = std::env::current_exe().context("Cannot find this program's own file")?;
    let bytes = path.as_os_str().as_bytes();
    Ok(bytes.strip_suffix(b" (deleted)").map_or_else(|| path.clone(), |rest| OsStr::from_bytes(rest).into()))
}
