//! Runs the programs that check and get tools.

use std::collections::VecDeque;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::cargo_run;

/// How much of a failed program's output an error repeats.
const LINES: usize = 40;

/// What a program prints, trimmed; `None` if it is not there or fails.
pub async fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program to its end without showing its output, except in the error when it fails. Each line of its stderr goes
/// to `on_line` as it comes.
pub async fn run(mut command: Command, mut on_line: impl FnMut(&str)) -> Result<()> {
    let line = command_line(&command);
    cargo_run::forget(&mut command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("Cannot run `{line}`"))?;
    let mut last = VecDeque::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await? {
            on_line(&line);
            last.push_back(line);
            if last.len() > LINES {
                last.pop_front();
            }
        }
    }
    let status = child.wait().await?;
    if !status.success() {
        bail!("`{line}` failed ({status}).\n{}", Vec::from(last).join("\n"));
    }
    Ok(())
}

/// As a person would type it.
pub fn command_line(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
