//! The connection to Postgres.

use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::{
    ConnectOptions, Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::Instant;

use crate::error::will_heal;

/// How long to wait for a Postgres that is still starting.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until Postgres takes connections. Only what can heal by itself is waited for, so a wrong password ends it.
pub(crate) async fn wait(options: &PgConnectOptions) -> anyhow::Result<()> {
    let place = format!(
        "Postgres at {}:{}, database {:?}",
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap_or_default()
    );
    let deadline = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        let error = match options.connect().await {
            Ok(connection) => return connection.close().await.with_context(|| place),
            Err(error) => error,
        };
        if !will_heal(&error) {
            bail!(
                "{place}, refuses this server: {error}. Check DIRECT_DATABASE_URL, or run `cargo realtime up`."
            );
        }
        if Instant::now() >= deadline {
            bail!("{place}, cannot be reached: {error}. Run `cargo realtime up`, which starts it.");
        }
        if !told {
            tracing::info!("waiting for {place}: {error}");
            told = true;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// The pool for everything the server does. It makes new connections as needed, so it survives a restart of Postgres.
pub(crate) fn pool(options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        // While Postgres is away a request should be told so soon; it will be sent again.
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(options.clone())
}
