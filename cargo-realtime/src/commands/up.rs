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
    let mut stack = Stack::open(Home::locate()?, Progress::new()).await?;
    stack.up().await?;
    if let Some(workspace) = workspace {
        app::ensure_connected(&mut stack, &workspace.root, None).await?;
        if workspace.root.join("package.json").exists() {
            toolchain::try_packages(&workspace, stack.progress()).await;
        }
    }
    let report = Report::of(stack.home())?;
    output.print(&report, || report.text())
}
