//! What is deleted once nobody needs it.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tower_sessions::ExpiredDeletion;
use tower_sessions_sqlx_store::PostgresStore;

use crate::{rate_limit::RateLimits, session, upload::replay};

/// Deletes old uploads and expired sessions, now and once a day, and forgets what nobody is limited by, once a minute.
pub(crate) fn spawn(pool: PgPool, rate_limits: Arc<RateLimits>) -> anyhow::Result<()> {
    let sessions = session::store(pool.clone())?;
    tokio::spawn(async move {
        let mut daily = tokio::time::interval(Duration::from_secs(24 * 60 * 60));
        loop {
            daily.tick().await;
            if let Err(error) = delete(&pool, &sessions).await {
                tracing::warn!("old uploads and sessions cannot be deleted, tomorrow again: {error}");
            }
        }
    });
    tokio::spawn(async move {
        let mut often = tokio::time::interval(Duration::from_secs(60));
        loop {
            often.tick().await;
            rate_limits.forget();
        }
    });
    Ok(())
}

async fn delete(pool: &PgPool, sessions: &PostgresStore) -> anyhow::Result<()> {
    replay::forget(pool).await?;
    sessions.delete_expired().await?;
    Ok(())
}
