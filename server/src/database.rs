//! The connections to Postgres, and what is wrong where there is none.

use std::{io, time::Duration};

use anyhow::bail;
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::limits;

/// How long to wait for a Postgres that is still starting.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for a name that nobody knows. Where containers start together, it may be known a moment later.
const PATIENCE_WITH_NAMES: Duration = Duration::from_secs(5);

/// Waits until Postgres takes connections. Only what can heal by itself is waited for, so a wrong password ends it.
pub(crate) async fn wait(options: &PgConnectOptions) -> anyhow::Result<()> {
    let place = format!(
        "Postgres at {}:{}, database {:?}",
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap_or_default()
    );
    let began = Instant::now();
    let mut told = false;
    loop {
        let error = match look(options).await {
            Ok(()) => return Ok(()),
            Err(error) if fault(&error) == Some(Fault::Away) && is_something_else(options).await => {
                sqlx::Error::Protocol("what listens there does not speak as Postgres does".to_owned())
            }
            Err(error) => error,
        };
        let Some(fault) = fault(&error) else {
            bail!(
                "{place}, refuses this server: {error}. Check DIRECT_DATABASE_URL, or run `cargo realtime up`."
            );
        };
        let patience = match fault {
            Fault::Away | Fault::Busy => PATIENCE,
            Fault::UnknownHost => PATIENCE_WITH_NAMES,
            fault => bail!("{place}, cannot be used: {error}. {}", fault.advice()),
        };
        if began.elapsed() >= patience {
            bail!("{place}, cannot be reached: {error}. {}", fault.advice());
        }
        if !told {
            tracing::info!("waiting for {place}: {error}");
            told = true;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Connects as the pool will, and finds out whether it is Postgres itself that has answered.
async fn look(options: &PgConnectOptions) -> sqlx::Result<()> {
    // What answers nothing at all is not waited for for long: perhaps it is no Postgres.
    let options = limited(options);
    let connecting = timeout(limits::CONNECT, PgConnection::connect_with(&options));
    let mut connection = connecting.await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    let limit: String =
        sqlx::query_scalar("SELECT setting FROM pg_settings WHERE name = 'statement_timeout'")
            .fetch_one(&mut connection)
            .await?;
    connection.close().await?;
    // A pooler that drops settings gives every statement to any of its connections.
    let is_ours = limit == limits::STATEMENT.as_millis().to_string();
    is_ours.then_some(()).ok_or_else(|| sqlx::Error::Configuration(POOLER.into()))
}

/// Whether there is a server which answers the first question of every Postgres client, for TLS, as no Postgres does.
async fn is_something_else(options: &PgConnectOptions) -> bool {
    let ask = async {
        let mut server = TcpStream::connect((options.get_host(), options.get_port())).await?;
        server.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
        server.read_u8().await
    };
    matches!(timeout(limits::CONNECT, ask).await, Ok(Ok(answer)) if !b"SNE".contains(&answer))
}

const POOLER: &str = "a pooler has answered, and dropped the settings of this connection";

/// The pool for everything the server does with `limit` connections. It makes new ones as needed, so it survives a restart of
/// Postgres.
pub(crate) fn pool(options: &PgConnectOptions, limit: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(limit)
        // While Postgres is away a request should be told so soon; it will be sent again.
        .acquire_timeout(limits::ACQUIRE)
        .connect_lazy_with(limited(options))
}

/// Work that has begun is ended by nobody but Postgres. It sees to it that no statement, no wait for a lock and no forgotten
/// transaction goes on for long.
fn limited(options: &PgConnectOptions) -> PgConnectOptions {
    let milliseconds = |limit: Duration| limit.as_millis().to_string();
    options.clone().options([
        ("statement_timeout", milliseconds(limits::STATEMENT)),
        ("lock_timeout", milliseconds(limits::LOCK)),
        ("idle_in_transaction_session_timeout", milliseconds(limits::IDLE_IN_TRANSACTION)),
    ])
}

/// Why Postgres does not do what it is asked, where that is not the statement's own fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// It is away, starting, or out of connections, and will be back.
    Away,
    /// It is well, but this took too long, or somebody else was first. The same may succeed later.
    Busy,
    /// It takes no changes until an administrator, or its provider, lets it.
    ReadOnly,
    /// Its disk is full.
    Full,
    /// No such host.
    UnknownHost,
    /// It is a pooler, or no Postgres.
    NotPostgres,
    /// Its certificate is not one to be trusted, or it has none.
    Certificate,
}

impl Fault {
    /// What to change, as sentences for the person who runs the server.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Fault::Away => {
                "Start it, on your own machine by `cargo realtime up`, or check DIRECT_DATABASE_URL."
            }
            Fault::Busy => "Look for what keeps it busy.",
            Fault::ReadOnly => {
                "Make the database writable: it is a replica, or its provider has stopped changes, as many do where the disk is full."
            }
            Fault::Full => "Make room on its disk.",
            Fault::UnknownHost => "Check the host in DIRECT_DATABASE_URL.",
            Fault::NotPostgres => {
                "DIRECT_DATABASE_URL must be the address of Postgres itself. Where it is a pooler's, take the direct one, \
                 and give the pooler's to VITE_DATABASE_URL; else check host and port."
            }
            Fault::Certificate => {
                "Check DIRECT_DATABASE_URL: `sslrootcert=/path/of/ca.pem` names the authority that has signed the \
                 certificate, the host must be the name in it and no IP address, and `sslmode=disable` is for a Postgres without TLS."
            }
        }
    }
}

/// What is wrong with Postgres; `None` where it is well and the statement is not.
pub(crate) fn fault(error: &sqlx::Error) -> Option<Fault> {
    match error {
        sqlx::Error::Io(error) if is_unknown_host(error) => Some(Fault::UnknownHost),
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Some(Fault::Away),
        sqlx::Error::Tls(_) => Some(Fault::Certificate),
        sqlx::Error::Protocol(_) | sqlx::Error::Configuration(_) => Some(Fault::NotPostgres),
        sqlx::Error::Database(error) => match error.code()?.as_ref() {
            // What a pooler says of a setting that it does not know, and to what it does not understand.
            "08P01" => Some(Fault::NotPostgres),
            "25006" => Some(Fault::ReadOnly),
            "53100" => Some(Fault::Full),
            // A lock that was not to be had, a statement that took too long, a transaction that stood still.
            "55P03" | "57014" | "25P03" | "25P04" => Some(Fault::Busy),
            code => match code.get(..2)? {
                // Transaction rollbacks: a serialization failure, a deadlock.
                "40" => Some(Fault::Busy),
                // Connection exceptions, insufficient resources, operator intervention.
                "08" | "53" | "57" => Some(Fault::Away),
                _ => None,
            },
        },
        _ => None,
    }
}

fn is_unknown_host(error: &io::Error) -> bool {
    // What `getaddrinfo` says is no kind of its own in the standard library.
    error.to_string().contains("failed to lookup address information")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_database::TestDatabase;

    #[tokio::test]
    async fn every_connection_has_postgres_own_limits() {
        let database = TestDatabase::create().await;
        let pool = pool(&database.options, 1);
        for (setting, limit) in [
            ("statement_timeout", limits::STATEMENT),
            ("lock_timeout", limits::LOCK),
            ("idle_in_transaction_session_timeout", limits::IDLE_IN_TRANSACTION),
        ] {
            let value: String = sqlx::query_scalar("SELECT setting FROM pg_settings WHERE name = $1")
                .bind(setting)
                .fetch_one(&pool)
                .await
                .unwrap();
            assert_eq!(value, limit.as_millis().to_string(), "{setting}");
        }
        pool.close().await;
    }

    #[test]
    fn what_heals_is_told_from_what_does_not() {
        let io = |text: &str| sqlx::Error::Io(io::Error::other(text.to_owned()));
        assert_eq!(fault(&io("connection refused")), Some(Fault::Away));
        assert_eq!(
            fault(&io("failed to lookup address information: Name or service not known")),
            Some(Fault::UnknownHost)
        );
        assert_eq!(fault(&sqlx::Error::PoolTimedOut), Some(Fault::Away));
        assert_eq!(fault(&sqlx::Error::Protocol("unexpected".to_owned())), Some(Fault::NotPostgres));
        assert_eq!(fault(&sqlx::Error::RowNotFound), None);
    }
}
