//! `cargo realtime doctor`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::output::Output;
use crate::toolchain::{self, Check, NeededFor, Status};
use crate::workspace::Workspace;

/// Prints what is here and what is missing. Fails if something needed is missing.
pub async fn run(output: Output) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let checks = toolchain::checks(workspace.as_ref()).await;
    let is_missing =
        |need| checks.iter().any(|it| it.needed_for == need && matches!(it.status, Status::Missing { .. }));
    let (dev, test) = (!is_missing(NeededFor::Dev), !is_missing(NeededFor::Test));
    output.print(&json!({ "readyForDev": dev, "readyForTest": dev && test, "checks": checks }), || {
        text(&checks, workspace.is_some(), dev, test)
    })?;
    Ok(if dev && test { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(checks: &[Check], in_app: bool, dev: bool, test: bool) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut lines: Vec<_> = checks.iter().map(|check| line(check, width)).collect();
    if !in_app {
        lines.push("Not inside an app, so only what every app needs was looked for.".to_owned());
    }
    lines.push(
        match (dev, test) {
            (true, true) => "Everything is here.",
            (true, false) => {
                "`cargo realtime dev` has all it needs; `cargo realtime test` installs what it misses."
            }
            (false, _) => {
                "`cargo realtime dev` installs what is missing, as far as it can; so do the commands above."
            }
        }
        .to_owned(),
    );
    lines.join("\n")
}

fn line(check: &Check, width: usize) -> String {
    let name = check.name;
    match &check.status {
        Status::Found(found) => format!("✓ {name:<width$}  {found}"),
        Status::Missing { problem, get } => {
            let mark = if check.needed_for == NeededFor::Nothing { "–" } else { "✗" };
            format!("{mark} {name:<width$}  {problem}\n  {:<width$}  get it: {get}", "")
        }
    }
}
