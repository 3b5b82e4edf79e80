//! `cargo realtime create-database`.

use anyhow::Result;

use super::dry_run::{self, DryRun};
use crate::output::Output;
use crate::progress::Progress;
use crate::providers::DatabaseProvider;
use crate::stack::Stack;
use crate::stack::home::Home;
use crate::stack::state::State;
use crate::tools::{CreateDatabase, DatabaseCreated};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    tool: CreateDatabase,
    /// Who runs the database
    #[arg(long, value_enum, default_value_t)]
    provider: DatabaseProvider,
    #[command(flatten)]
    dry_run: DryRun,
    #[command(flatten)]
    pub output: Output,
}

/// Makes a database.
pub async fn run(arguments: Arguments) -> Result<()> {
    if arguments.dry_run.is_wanted() {
        let requests = arguments.tool.plan(&State::read(&Home::locate()?)?, arguments.provider).await?;
        return dry_run::print(arguments.output, &requests);
    }
    let mut stack = Stack::open(Home::locate()?, Progress::new()).await?;
    let database = arguments.tool.call(&mut stack, arguments.provider).await?;
    arguments.output.print(&database, || text(&database))
}

fn text(DatabaseCreated { database_id, created, .. }: &DatabaseCreated) -> String {
    let what = if *created { "Made" } else { "There is already" };
    format!(
        "{what} the database {database_id}. Next: cargo realtime database-sync-enable --database-id {database_id}"
    )
}
