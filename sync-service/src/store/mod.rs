//! The service's own Postgres schema, `sync_service`, and what it reads of the app's.

pub(crate) mod catalog;
mod lineage;
pub(crate) mod mapping;
pub(crate) mod triggers;
pub(crate) mod versions;
pub(crate) mod write_checkpoints;

use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection};

/// Makes what is missing of the schema. Run under the sequencer's lock.
///
/// What is there is of no use when it was written in another database, as after a restore: clients may have seen more than it
/// knows of. Then it is made anew and the sync config deployed again, so that every bucket has a new name and clients download
/// everything.
pub(crate) async fn set_up(connection: &mut PgConnection) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    let config = lineage::break_with_another(&mut transaction).await?;
    transaction.execute(include_str!("schema.sql")).await?;
    transaction.execute(include_str!("functions.sql")).await?;
    lineage::remember(&mut transaction).await?;
    if let Some(content) = config {
        versions::deploy(&mut transaction, &content).await?;
    }
    transaction.commit().await
}

/// How many operations a new client downloads of a row of `sync_service.bucket`: those in the oplog, and the CLEAR that stands for the
/// compacted ones.
pub(crate) const DOWNLOADED: &str = "op_count + (compacted_to > 0)::int";

/// How the connections are made that requests and streams share. Postgres itself ends what takes too long on them, whatever has become
/// of those who wait for it: a statement, a lock that is not given, and a transaction in which nothing happens.
pub(crate) fn shared_connect_options(options: &PgConnectOptions) -> PgConnectOptions {
    // A page of the oplog takes milliseconds. A deploy waits for another one.
    options.clone().options([("statement_timeout", "30s"), ("lock_timeout", "10s")])
}

/// How every connection of the service is made. What is right must depend neither on the settings of the server nor on those of the
/// role: not the text that Postgres makes of values, and not how long something may take.
pub(crate) fn connect_options(url: &str) -> sqlx::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url)?
        .application_name("sync-service")
        .options([
            ("TimeZone", "UTC"),
            ("DateStyle", "ISO"),
            ("IntervalStyle", "postgres"),
            ("bytea_output", "hex"),
        ])
        .options([("extra_float_digits", "1"), ("client_min_messages", "warning")])
        // Its statements are short, and Postgres guesses their costs too high; compiling them would take most of their time.
        .options([("jit", "off")])
        // The longest is the first copy of a large table.
        .options([("statement_timeout", "10min"), ("lock_timeout", "10s")])
        // A transaction in which nothing happens belongs to a process that is no more. A connection may wait for work for ever.
        .options([("idle_in_transaction_session_timeout", "30s"), ("idle_session_timeout", "0")]);
    Ok(options.disable_statement_logging())
}

/// The rest of [`connect_options`], for a setting that only Postgres 17 and later have.
pub(crate) async fn settle(connection: &mut PgConnection) -> sqlx::Result<()> {
    connection
        .execute("SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'")
        .await?;
    Ok(())
}

/// A connection of its own, for what may take long.
pub(crate) async fn connect(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let mut connection = PgConnection::connect_with(options).await?;
    settle(&mut connection).await?;
    Ok(connection)
}
