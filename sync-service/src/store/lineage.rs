//! Whether the schema was written in this database.
//!
//! A database that was restored from a dump, copied, or recovered to an earlier point in time has the schema of another one in it.
//! The clients know what happened in that other one; op ids and config versions go on by the clock, so nothing would be
//! reused, but what clients have and what the oplog says of it would differ without anybody noticing.
//! A restore of the data directory's files leaves no such trace. It shows in clients that are ahead, bucket by bucket.

use sqlx::{Executor as _, PgConnection};
use tracing::warn;

/// Removes the schema when another database's service, or one with another layout of the schema, has written it. Returns the
/// sync config that was deployed there.
pub(super) async fn break_with_another(connection: &mut PgConnection) -> sqlx::Result<Option<String>> {
    if !exists(connection, "sync_service.config_version").await? {
        return Ok(None);
    }
    let written_in: Option<String> = if exists(connection, "sync_service.progress").await? {
        // A layout of before `lineage` has no such column; read this way, it only has none in the row.
        let lineage = "SELECT to_jsonb(p) ->> 'lineage' FROM sync_service.progress p";
        sqlx::query_scalar::<_, Option<String>>(lineage).fetch_optional(&mut *connection).await?.flatten()
    } else {
        None
    };
    let here = here(connection).await?;
    if written_in.as_ref() == Some(&here) {
        return Ok(None);
    }
    warn!(
        ?written_in,
        here, "the database is not the one that was synced before; every client downloads everything again"
    );
    let deployed = "SELECT content FROM sync_service.config_version WHERE state IN ('deploying', 'active') ORDER BY version DESC LIMIT 1";
    let config = sqlx::query_scalar(deployed).fetch_optional(&mut *connection).await?;
    connection.execute("DROP SCHEMA sync_service CASCADE").await?;
    Ok(config)
}

/// Notes that the schema is of this database.
pub(super) async fn remember(connection: &mut PgConnection) -> sqlx::Result<()> {
    let here = here(connection).await?;
    sqlx::query("INSERT INTO sync_service.progress (last_op_id, drain, lineage) VALUES (0, 0, $1) ON CONFLICT DO NOTHING")
        .bind(here)
        .execute(connection)
        .await?;
    Ok(())
}

/// Of the schema; another number makes the schema anew.
const LAYOUT: u32 = 2;

/// A dump is restored under another database id, and a recovery to a point in time begins another timeline.
async fn here(connection: &mut PgConnection) -> sqlx::Result<String> {
    sqlx::query_scalar(
        "SELECT concat_ws('/', $1::text, s.system_identifier, c.timeline_id, d.oid)
         FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d WHERE d.datname = current_database()",
    )
    .bind(LAYOUT.to_string())
    .fetch_one(connection)
    .await
}

async fn exists(connection: &mut PgConnection, table: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(connection).await
}
