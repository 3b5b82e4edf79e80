//! `cargo realtime connect-app-to-database`.

use anyhow::Result;

use crate::output::Output;
use crate::progress::Progress;
use crate::stack::Stack;
use crate::stack::home::Home;
use crate::tools::{AppConnected, ConnectAppToDatabase};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    tool: ConnectAppToDatabase,
    #[command(flatten)]
    pub output: Output,
}

/// Writes an app's environment.
pub async fn run(arguments: Arguments) -> Result<()> {
    let mut stack = Stack::open(Home::locate()?, Progress::new()).await?;
    let connected = arguments.tool.call(&mut stack)?;
    arguments.output.print(&connected, || text(&connected))
}

fn text(connected: &AppConnected) -> String {
    format!(
        "The app {} uses the database {}: {} says where it is. Next: cd {} && cargo realtime dev",
        connected.app_id,
        connected.database_id,
        connected.env_file.display(),
        connected.path.display()
    )
}
