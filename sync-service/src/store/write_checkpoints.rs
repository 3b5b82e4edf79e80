//! Write checkpoints: how a client learns that what it has uploaded has come back.
//!
//! A value is drawn when the upload is committed, and the sequencer publishes it out of a snapshot that sees the drawing,
//! and so everything committed before. Values must never go backwards for a client, or its downloads freeze without a word.
//! So they are kept per client, and are taken from the clock, in microseconds, which is ahead of every value drawn before
//! even when this table was lost.

use sqlx::{PgConnection, PgExecutor};

/// Draws the next value for a client of a user. One that has raised its own to the last there is stays there.
pub(crate) async fn draw(executor: impl PgExecutor<'_>, user: &str, client: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "WITH drawn AS (
             INSERT INTO sync_service.write_checkpoint AS w (user_id, client_id, value)
             VALUES ($1, $2, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
             ON CONFLICT (user_id, client_id) DO UPDATE SET value = greatest(least(w.value, 9223372036854775806) + 1, excluded.value)
             RETURNING user_id, client_id, value
         )
         INSERT INTO sync_service.requested_write_checkpoint SELECT user_id, client_id, value FROM drawn RETURNING value",
    )
    .bind(user)
    .bind(client)
    .fetch_one(executor)
    .await
}

/// Takes a value that the client has chosen, unless a greater one stands. Returns the one that stands.
pub(crate) async fn raise(
    executor: impl PgExecutor<'_>,
    user: &str,
    client: &str,
    value: i64,
) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "WITH drawn AS (
             INSERT INTO sync_service.write_checkpoint AS w (user_id, client_id, value) VALUES ($1, $2, $3)
             ON CONFLICT (user_id, client_id) DO UPDATE SET value = greatest(w.value, excluded.value)
             RETURNING user_id, client_id, value
         )
         INSERT INTO sync_service.requested_write_checkpoint SELECT user_id, client_id, value FROM drawn RETURNING value",
    )
    .bind(user)
    .bind(client)
    .bind(value)
    .fetch_one(executor)
    .await
}

/// Publishes what was requested before the snapshot. Returns user, client and value.
pub(crate) async fn publish(connection: &mut PgConnection) -> sqlx::Result<Vec<(String, String, i64)>> {
    sqlx::query_as(
        "WITH taken AS (DELETE FROM sync_service.requested_write_checkpoint RETURNING user_id, client_id, value)
         INSERT INTO sync_service.published_write_checkpoint AS p
         SELECT user_id, client_id, max(value) FROM taken GROUP BY user_id, client_id
         ON CONFLICT (user_id, client_id) DO UPDATE SET value = greatest(p.value, excluded.value)
         RETURNING user_id, client_id, value",
    )
    .fetch_all(connection)
    .await
}

/// The value published for a client.
pub(crate) async fn published(
    connection: &mut PgConnection,
    user: &str,
    client: &str,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar(
        "SELECT value FROM sync_service.published_write_checkpoint WHERE user_id = $1 AND client_id = $2",
    )
    .bind(user)
    .bind(client)
    .fetch_optional(connection)
    .await
}
