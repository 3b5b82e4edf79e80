//! `cargo realtime destroy`.

use std::io::IsTerminal;

use anyhow::{Context, Result, bail};
use dialoguer::Confirm;
use serde_json::json;

use crate::output::Output;
use crate::progress::Progress;
use crate::stack::home::Home;
use crate::stack::{Stack, database};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The database, as `create-database` has called it
    #[arg(long, value_name = "ID")]
    database_id: String,
    /// Delete its sync service only; the database and its data stay
    #[arg(long)]
    sync_only: bool,
    /// Do not ask whether that is meant
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    pub output: Output,
}

/// Deletes a database, or its sync service only.
pub async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { database_id, sync_only, yes, output } = arguments;
    let mut stack = Stack::open(Home::locate()?, Progress::new()).await?;
    stack.require_database(&database_id)?;
    let what = match sync_only {
        true => format!("the sync service of the database {database_id}"),
        false => format!("the database {database_id} with all its data, and its sync service"),
    };
    if !yes {
        confirm(&what)?;
    }
    match sync_only {
        true => database::database_sync_disable(&mut stack, &database_id).await?,
        false => database::delete_database(&mut stack, &database_id).await?,
    }
    output.print(&json!({ "databaseId": database_id, "syncOnly": sync_only }), || format!("Deleted {what}."))
}

fn confirm(what: &str) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("This would delete {what}. Say --yes if that is meant.");
    }
    let question = format!("Delete {what}?");
    match Confirm::new().with_prompt(question).default(false).interact().context("Nobody has answered")? {
        true => Ok(()),
        false => bail!("Nothing was deleted."),
    }
}
