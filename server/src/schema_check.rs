//! The check, at start, that Postgres is what the schema crate says.

use anyhow::bail;
use schema::{PostgresColumn, TABLES, Table};
use sqlx::{PgPool, Row};

use crate::upload::conflict;

/// Stops the start where Postgres and the schema crate differ, with all differences.
pub(crate) async fn run(pool: &PgPool) -> anyhow::Result<()> {
    let differences = differences(pool).await?;
    if differences.is_empty() {
        return Ok(());
    }
    bail!("The database does not fit the schema crate:\n  {}", differences.join("\n  "));
}

/// Everything that differs, a sentence each; empty where nothing does.
async fn differences(pool: &PgPool) -> sqlx::Result<Vec<String>> {
    let mut differences = Vec::new();
    for table in TABLES {
        let columns = columns(pool, table).await?;
        differences.extend(table.differences(&columns));
        if !columns.is_empty() && !row_security(pool, table).await? {
            differences.push(format!(
                "table {0} has no row-level security: write a migration with ALTER TABLE {0} ENABLE ROW LEVEL SECURITY and a policy",
                table.name
            ));
        }
    }
    differences.extend(publication_differences(&published(pool).await?));
    differences.extend(conflict::differences());
    Ok(differences)
}

fn publication_differences(published: &[String]) -> Vec<String> {
    let missing = TABLES.iter().filter(|table| !published.iter().any(|name| name == table.name)).map(|table| {
        format!(
            "table {0} is not in the publication powersync: write a migration with ALTER PUBLICATION powersync ADD TABLE {0}",
            table.name
        )
    });
    let unknown = published.iter().filter(|name| Table::named(name).is_none()).map(|name| {
        format!(
            "table {name} is in the publication powersync, but not in the schema crate: add it to schema/src/tables.rs"
        )
    });
    missing.chain(unknown).collect()
}

async fn columns(pool: &PgPool, table: &Table) -> sqlx::Result<Vec<PostgresColumn>> {
    let rows = sqlx::query(
        "SELECT column_name::text, data_type::text, is_nullable = 'YES' FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position",
    )
    .bind(table.name)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(PostgresColumn {
                name: row.try_get(0)?,
                data_type: row.try_get(1)?,
                nullable: row.try_get(2)?,
            })
        })
        .collect()
}

async fn row_security(pool: &PgPool, table: &Table) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT relrowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = $1",
    )
    .bind(table.name)
    .fetch_one(pool)
    .await
}

async fn published(pool: &PgPool) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT tablename::text FROM pg_publication_tables WHERE pubname = 'powersync' ORDER BY tablename",
    )
    .fetch_all(pool)
    .await
}
