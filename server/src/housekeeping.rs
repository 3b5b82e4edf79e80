//! What is deleted once nobody needs it.

use std::{sync::Arc, time::Duration};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{rate_limit::RateLimits, upload::replay, users};

/// Deletes old uploads, expired sessions and guests who cannot come back, now and once a day, and forgets what nobody is limited
/// by, once a minute.
///
/// Its connection has no limits, unlike those for requests: where there is much to delete, it takes its time.
pub(crate) fn spawn(database: &PgConnectOptions, rate_limits: Arc<RateLimits>) {
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(database.clone());
    tokio::spawn(async move {
        let mut daily = tokio::time::interval(Duration::from_secs(24 * 60 * 60));
        loop {
            daily.tick().await;
            if let Err(error) = delete(&pool).await {
                tracing::warn!("what is not needed any more cannot be deleted, tomorrow again: {error}");
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
}

async fn delete(pool: &PgPool) -> sqlx::Result<()> {
    replay::forget(pool).await?;
    sqlx::query("DELETE FROM sessions WHERE expiry_date < now()").execute(pool).await?;
    users::forget(pool).await
}
