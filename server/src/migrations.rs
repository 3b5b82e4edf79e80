//! Migrations, run at every start. A lock in Postgres makes servers that start together take turns.

use anyhow::{Context, anyhow};
use sqlx::{
    Connection, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};

use crate::database::{Fault, fault};

static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Runs the files in `migrations/` that this database has not seen, over a connection of its own: to change a large table may
/// take longer than any request.
pub(crate) async fn run(database: &PgConnectOptions) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect_with(database).await?;
    MIGRATOR
        .run(&mut connection)
        .await
        .map_err(advised)
        .context("The migrations in migrations/ have not all run")?;
    connection.close().await?;
    Ok(())
}

/// The error, with what to change where Postgres is the matter and not the migration.
fn advised(error: MigrateError) -> anyhow::Error {
    let cause = match &error {
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => fault(cause),
        _ => None,
    };
    let error = anyhow!(error);
    match cause.map(Fault::advice) {
        Some(advice) => error.context(advice),
        None => error,
    }
}
