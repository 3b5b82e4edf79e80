//! Formats Rust as the app's own `cargo fmt` does.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The text, formatted by the rules of the app in `root`. `path` is for errors.
pub fn format(root: &Path, path: &Path, text: &str) -> Result<String> {
    let missing =
        "rustfmt is needed to write Rust as the app has it, and does not run: rustup component add rustfmt";
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--config-path"])
        .arg(root)
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context(missing)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).context(missing)?;
    }
    let output = child.wait_with_output().context(missing)?;
    if !output.status.success() {
        bail!(
            "rustfmt does not take what {} would be:\n{}",
            path.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout).context("rustfmt does not answer in UTF-8")
}
