//! Migrations, run at every start. A lock in Postgres makes servers that start together take turns.

use anyhow::Context;
use sqlx::{PgPool, migrate::Migrator};

static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Runs the files in `migrations/` that this database has not seen.
pub(crate) async fn run(pool: &PgPool) -> anyhow::Result<()> {
    MIGRATOR.run(pool).await.context("The migrations in migrations/ have not all run")
}
