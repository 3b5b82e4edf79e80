//! `cargo realtime mcp`.

use anyhow::{Context, Result};
use rmcp::ServiceExt;
use rmcp::transport::stdio;

use super::create_app::Parent;
use crate::mcp::Server;
use crate::providers::{DatabaseProvider, SyncProvider};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Who runs the databases that create_database makes
    #[arg(long, value_enum, default_value_t)]
    database_provider: DatabaseProvider,
    /// Who runs the sync services that database_sync_enable gives
    #[arg(long, value_enum, default_value_t)]
    sync_provider: SyncProvider,
    #[command(flatten)]
    parent: Parent,
}

/// Serves until the client closes our stdin.
pub async fn run(arguments: Arguments) -> Result<()> {
    let server = Server {
        parent: arguments.parent.path()?,
        database_provider: arguments.database_provider,
        sync_provider: arguments.sync_provider,
    };
    let running = server.serve(stdio()).await.context("No MCP client speaks to us on stdin")?;
    running.waiting().await?;
    Ok(())
}
