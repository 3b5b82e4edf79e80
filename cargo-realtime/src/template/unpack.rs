//! Makes an app's files of the packed template.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use tar::Archive;

use super::pack::TWIN;

/// What stands for the app's name in twins; it is a variable of cargo-generate.
const PLACEHOLDER: &str = "{{project-name}}";

/// Writes the files in the packed template below `dir`, for an app called `name`; gives their number.
pub fn unpack(packed: &[u8], dir: &Path, name: &str) -> Result<usize> {
    let mut files = 0;
    for entry in Archive::new(GzDecoder::new(packed)).entries()? {
        let mut entry = entry?;
        let (path, mode) = (entry.path()?.into_owned(), entry.header().mode()?);
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        let (path, content) = render(path, content, name)?;
        let path = dir.join(path);
        write(&path, mode, &content).with_context(|| format!("Cannot write {}", path.display()))?;
        files += 1;
    }
    Ok(files)
}

/// A file as it is in an app.
fn render(path: PathBuf, content: Vec<u8>, name: &str) -> Result<(PathBuf, Vec<u8>)> {
    let Some(original) = path.to_str().and_then(|path| path.strip_suffix(TWIN)) else {
        return Ok((path, content));
    };
    let text = String::from_utf8(content).with_context(|| format!("{} is no text", path.display()))?;
    Ok((original.into(), text.replace(PLACEHOLDER, name).into_bytes()))
}

fn write(path: &Path, mode: u32, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(content)
}
