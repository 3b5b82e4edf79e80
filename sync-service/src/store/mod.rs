//! The service's own Postgres schema, `sync_service`, and what it reads of the app's.

pub(crate) mod catalog;
pub(crate) mod mapping;
pub(crate) mod triggers;
pub(crate) mod versions;
pub(crate) mod write_checkpoints;

use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _, PgConnection};

/// Makes what is missing of the schema. Run under the sequencer's lock.
pub(crate) async fn set_up(connection: &mut PgConnection) -> sqlx::Result<()> {
    connection.execute(include_str!("schema.sql")).await?;
    connection.execute(include_str!("functions.sql")).await?;
    Ok(())
}

/// How every connection of the service is made. Text that Postgres makes of values must not depend on the server's settings.
pub(crate) fn connect_options(url: &str) -> sqlx::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url)?
        .application_name("sync-service")
        .options([
            ("TimeZone", "UTC"),
            ("DateStyle", "ISO"),
            ("IntervalStyle", "postgres"),
            ("bytea_output", "hex"),
        ])
        .options([("extra_float_digits", "1"), ("client_min_messages", "warning")]);
    Ok(options.disable_statement_logging())
}
