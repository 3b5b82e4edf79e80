//! `cargo realtime lint-migrations`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::migrations;
use crate::migrations::lint::{self, Warning};
use crate::output::Output;
use crate::workspace::Workspace;

/// The arguments of `lint-migrations`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Write a new migration that sends the rows again; no migration that is there is changed
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// What does not reach rows that are synced already.
    warnings: Vec<Warning>,
    /// The migration that `--fix` has written.
    written: Option<PathBuf>,
}

/// Prints the warnings; fails if there are any that are not fixed now.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::require()?;
    let migrations = migrations::read(&workspace.root)?;
    let warnings = lint::lint(&migrations);
    let written = if arguments.fix && !warnings.is_empty() {
        let (path, text) = lint::fix(&migrations, &warnings)?;
        fs::write(workspace.root.join(&path), text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Some(path)
    } else {
        None
    };
    let report = Report { warnings, written };
    arguments.output.print(&report, || text(&report))?;
    let clean = report.warnings.is_empty() || report.written.is_some();
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What there is to say about an app's migrations before something else is done; `None` where there is nothing.
pub fn complaint(root: &Path) -> Result<Option<String>> {
    let warnings = lint::lint(&migrations::read(root)?);
    Ok((!warnings.is_empty()).then(|| format!("{}\n{HOW_TO_FIX}", lines(&warnings))))
}

fn lines(warnings: &[Warning]) -> String {
    warnings.iter().map(|warning| format!("{warning}\n")).collect()
}

fn text(report: &Report) -> String {
    let warnings = lines(&report.warnings);
    match (&report.written, report.warnings.len()) {
        (_, 0) => "Every change in migrations/ reaches the rows that are synced already.".to_owned(),
        (Some(path), _) => format!("{warnings}\nWritten: {}, which sends these rows again.", path.display()),
        (None, _) => format!("{warnings}\n{HOW_TO_FIX}"),
    }
}

const HOW_TO_FIX: &str =
    "`cargo realtime lint-migrations --fix` writes a migration that sends these rows again.";
