//! What a command prints to stdout: text for people, JSON for machines.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};
use serde::Serialize;

/// How a command's result is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Output {
    /// Print the result as one JSON document on stdout; progress still goes to stderr
    #[arg(long)]
    pub json: bool,
}

impl Output {
    /// Prints a result.
    pub fn print(self, result: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        line(&match self.json {
            true => serde_json::to_string_pretty(result)?,
            false => text(),
        })
    }
}

/// Prints a line. A reader that has seen enough, such as `head`, is no failure.
pub fn line(text: &str) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("Cannot write to stdout"),
    }
}

/// An error with what led to it, the outermost first.
pub fn error_text(error: &anyhow::Error) -> String {
    let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
    causes.join("\n  because: ")
}
