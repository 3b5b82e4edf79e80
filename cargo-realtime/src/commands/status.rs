//! `cargo realtime status`.

use anyhow::Result;

use crate::output::Output;
use crate::stack::home::Home;
use crate::stack::report::Report;

/// Prints what the local stack runs.
pub async fn run(output: Output) -> Result<()> {
    let report = Report::of(&Home::locate()?)?;
    output.print(&report, || report.text())
}
