//! `cargo realtime up`.

use anyhow::Result;

use crate::output::Output;
use crate::progress::Progress;
use crate::stack::home::Home;
use crate::stack::report::Report;
use crate::stack::{Stack, app};
use crate::toolchain;
use crate::workspace::Workspace;

/// Starts the local stack; inside an app, connects the app to its database, too.
pub async fn run(output: Output) -> Result<()> {
    let workspace = Workspace::find()?;
    let progress = Progress::new();
    let mut stack = Stack::open(Home::locate()?, progress.clone()).await?;
    stack.up().await?;
    if let Some(workspace) = &workspace {
        app::ensure_connected(&mut stack, &workspace.root, None).await?;
    }
    let report = Report::of(stack.home())?;
    // Nobody waits for the stack while npm works.
    drop(stack);
    if let Some(workspace) = workspace.filter(|workspace| workspace.root.join("package.json").exists()) {
        toolchain::try_packages(&workspace, &progress).await;
    }
    output.print(&report, || report.text())
}
