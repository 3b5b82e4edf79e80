//! `cargo realtime database-sync-enable`.

use anyhow::Result;

use super::dry_run::{self, DryRun};
use crate::output::Output;
use crate::progress::Progress;
use crate::providers::SyncProvider;
use crate::stack::Stack;
use crate::stack::home::Home;
use crate::stack::state::State;
use crate::tools::{DatabaseSyncEnable, SyncEnabled};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    tool: DatabaseSyncEnable,
    /// Who runs the sync service
    #[arg(long, value_enum, default_value_t)]
    provider: SyncProvider,
    #[command(flatten)]
    dry_run: DryRun,
    #[command(flatten)]
    pub output: Output,
}

/// Gives a database a sync service.
pub async fn run(arguments: Arguments) -> Result<()> {
    if arguments.dry_run.is_wanted() {
        let requests = arguments.tool.plan(&State::read(&Home::locate()?)?, arguments.provider).await?;
        return dry_run::print(arguments.output, &requests);
    }
    let mut stack = Stack::open(Home::locate()?, Progress::new()).await?;
    let sync = arguments.tool.call(&mut stack, arguments.provider).await?;
    arguments.output.print(&sync, || text(&sync))
}

fn text(SyncEnabled { database_id, powersync_url, .. }: &SyncEnabled) -> String {
    format!(
        "The database {database_id} syncs at {powersync_url}. Next: cargo realtime connect-app-to-database --app-id APP \
         --database-id {database_id}"
    )
}
