//! Users as rows: when one comes to be, and when a guest is forgotten.

use sqlx::{PgExecutor, PgPool};

use crate::{
    AppState,
    client_ip::ClientIp,
    error::Result,
    session::{self, SignedIn},
};

/// Sees to it that the user has a row, before the first thing of theirs that is kept. A guest has none until then, so that
/// nobody who only looks costs anything.
///
/// A user who has been deleted is not made again: that is answered by 401.
pub(crate) async fn ensure(state: &AppState, client: ClientIp, user: &SignedIn) -> Result<()> {
    if !user.is_kept {
        state.rate_limits.guest(client)?;
        insert(&state.pool, &user.id).await?;
    }
    Ok(())
}

/// Makes the row, unless it is there.
pub(crate) async fn insert(executor: impl PgExecutor<'_>, id: &str) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(id)
        .execute(executor)
        .await?;
    Ok(())
}

/// Deletes guests who have been away for so long that no cookie leads to them any more, and forgets whom no cookie could
/// bring back. A guest's lists stay as long as others are on them.
pub(crate) async fn forget(pool: &PgPool) -> sqlx::Result<()> {
    // One at a time, so that no statement has more than one user's rows to delete.
    let idle: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM users WHERE name IS NULL AND seen_at < now() - make_interval(days => $1) AND NOT EXISTS (
             SELECT FROM lists JOIN members ON members.list_id = lists.id
             WHERE lists.owner_id = users.id AND members.user_id <> users.id
         )",
    )
    .bind(session::GONE_AFTER_DAYS)
    .fetch_all(pool)
    .await?;
    for id in idle {
        sqlx::query(
            "DELETE FROM users WHERE id = $1 AND name IS NULL AND seen_at < now() - make_interval(days => $2)",
        )
        .bind(id)
        .bind(session::GONE_AFTER_DAYS)
        .execute(pool)
        .await?;
    }
    sqlx::query("DELETE FROM deleted_users WHERE deleted_at < now() - make_interval(days => $1)")
        .bind(session::GONE_AFTER_DAYS)
        .execute(pool)
        .await?;
    Ok(())
}
