//! The one task that writes the oplog.
//!
//! It holds an advisory lock on the connection on which it writes, so that of several processes on one database one writes
//! and the others stand by, and so that losing the connection loses the right to write with it.

pub(crate) mod commit;
mod drain;
mod plan;
mod row;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::Instant;
use tracing::{info, warn};

use self::drain::{Drained, Job, Read, drain};
use self::plan::Plan;
use crate::shared::{Active, Shared};
use crate::store::catalog::{self, Table};
use crate::store::{set_up, triggers, versions};
use crate::streams::{self, Streams};

/// Leads for as long as the process runs; whatever goes wrong, it begins again with a new connection.
pub(crate) async fn run(shared: Arc<Shared>) -> Infallible {
    let mut wait = SHORTEST_WAIT;
    loop {
        let began = Instant::now();
        let Err(error) = lead(&shared).await;
        shared.lost(&error);
        warn!(%error, "the sequencer has to begin again");
        wait = if began.elapsed() > LONGEST_WAIT { SHORTEST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
        tokio::time::sleep(wait).await;
    }
}

/// Wakes the sequencer when Postgres says that something was noted. Only a hint: it also looks every [`POLL`].
pub(crate) async fn listen(shared: Arc<Shared>) -> Infallible {
    loop {
        let error = match PgListener::connect_with(&shared.pool).await {
            Ok(mut listener) => hear(&shared, &mut listener).await,
            Err(error) => error,
        };
        tracing::debug!(%error, "not listening for notifications");
        tokio::time::sleep(LONGEST_WAIT).await;
    }
}

async fn hear(shared: &Shared, listener: &mut PgListener) -> sqlx::Error {
    if let Err(error) = listener.listen(triggers::CHANNEL).await {
        return error;
    }
    loop {
        match listener.try_recv().await {
            Ok(_) => shared.wake.notify_one(),
            Err(error) => return error,
        }
    }
}

/// What of a config finds no table or column.
pub(crate) fn problems(streams: &Streams, tables: &[Table]) -> Vec<String> {
    Plan::new(0, streams, tables).problems
}

const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How often the sequencer looks by itself, for rows, for a deployed config and for changes of the tables.
const POLL: Duration = Duration::from_secs(1);

/// Of the advisory lock; any number that no one else in the database uses.
const LOCK: i64 = 0x73_79_6e_63_5f_73_65_71;

async fn lead(shared: &Shared) -> sqlx::Result<Infallible> {
    let mut connection = PgConnection::connect_with(&shared.options).await?;
    // If this process is killed during a long statement, Postgres then notices, and lets go of the lock for the next one. Not every
    // system can tell it; there the statement runs to its end.
    let _ = connection.execute("SET client_connection_check_interval = '1s'").await;
    stand_by(shared, &mut connection).await?;
    set_up(&mut connection).await?;
    let mut leader =
        Leader { shared, connection, tables: Vec::new(), active: None, plan: None, read: Read::Noted };
    leader.load().await?;
    let mut looked = None;
    loop {
        if looked.is_none_or(|at: Instant| at.elapsed() >= POLL) || shared.take_deployed() {
            leader.look().await?;
            looked = Some(Instant::now());
        }
        leader.drain().await?;
        shared.leads();
        tokio::select! {
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Waits for the lock. A process that does not get it at once is not the one that streams are served from.
async fn stand_by(shared: &Shared, connection: &mut PgConnection) -> sqlx::Result<()> {
    while !sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(LOCK)
        .fetch_one(&mut *connection)
        .await?
    {
        shared.stands_by();
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

struct Leader<'a> {
    shared: &'a Shared,
    connection: PgConnection,
    tables: Vec<Table>,
    active: Option<Arc<Active>>,
    plan: Option<Plan>,
    /// What the next drain has to look at.
    read: Read,
}

impl Leader<'_> {
    /// Takes up the active config where the last leader left it.
    async fn load(&mut self) -> sqlx::Result<()> {
        self.install().await?;
        let Some(version) = versions::in_state(&mut self.connection, "active").await? else { return Ok(()) };
        match streams::compile(&version.content) {
            Ok(streams) => {
                let plan = Plan::new(version.version, &streams, &self.tables);
                if version.was_read_by_another_release() {
                    self.read = Read::Everything;
                }
                self.active = Some(Arc::new(Active { version, streams, problems: plan.problems.clone() }));
                self.plan = Some(plan);
            }
            Err(refusals) => {
                warn!(?refusals, "the active sync config is not supported any more; deploy another")
            }
        }
        Ok(())
    }

    /// Looks for changes of the tables and for a deployed config.
    async fn look(&mut self) -> sqlx::Result<()> {
        if catalog::tables(&mut self.connection).await? != self.tables {
            self.install().await?;
            self.plan_again();
        }
        if let Some(version) = versions::in_state(&mut self.connection, "deploying").await? {
            self.activate(version).await?;
        }
        Ok(())
    }

    /// Brings the triggers onto the tables of the publication.
    async fn install(&mut self) -> sqlx::Result<()> {
        let mut transaction = self.connection.begin().await?;
        let tables = catalog::tables(&mut transaction).await?;
        let (with_key, without): (Vec<Table>, Vec<Table>) =
            tables.iter().cloned().partition(|t| t.key().next().is_some());
        if triggers::install(&mut transaction, &with_key).await? {
            self.read = Read::Everything;
        }
        transaction.commit().await?;
        without
            .iter()
            .for_each(|table| warn!(table = %table.name, "a table without primary key is not synced"));
        self.tables = tables;
        Ok(())
    }

    /// Takes up the tables as they are now. Rows are not read again for it: as at the official service, a new column reaches
    /// a client with the next `UPDATE` of the row.
    fn plan_again(&mut self) {
        if let Some(active) = &self.active {
            self.plan = Some(Plan::new(active.version.version, &active.streams, &self.tables));
        }
    }

    /// Reads every table for a deployed config and switches to it, in one transaction. The one before serves until then.
    async fn activate(&mut self, version: versions::Version) -> sqlx::Result<()> {
        let streams = match streams::compile(&version.content) {
            Ok(streams) => streams,
            Err(refusals) => {
                return versions::fail(&mut self.connection, version.version, &format!("{refusals:?}")).await;
            }
        };
        let began = Instant::now();
        let plan = Plan::new(version.version, &streams, &self.tables);
        let job = Job {
            version: version.version,
            streams: &streams,
            plan: &plan,
            tables: &self.tables,
            read: Read::Activation,
        };
        match drain_retrying(&mut self.connection, &job).await {
            // The next look finds the tables as they are, and the config still waiting.
            Ok(Drained::TablesChanged) => return Ok(()),
            Ok(_) => {}
            Err(sqlx::Error::Database(error)) if !is_shutdown(&*error) => {
                warn!(%error, version = version.version, "a sync config cannot be activated");
                return versions::fail(&mut self.connection, version.version, &error.to_string()).await;
            }
            Err(error) => return Err(error),
        }
        info!(version = version.version, took = ?began.elapsed(), "a sync config is active");
        self.active = Some(Arc::new(Active { version, streams, problems: plan.problems.clone() }));
        self.plan = Some(plan);
        self.read = Read::Noted;
        self.shared.set_active(self.active.clone());
        self.shared.clean_up_soon();
        Ok(())
    }

    /// Publishes what was noted.
    async fn drain(&mut self) -> sqlx::Result<()> {
        let (none, nothing) =
            (Streams::default(), Plan { sources: vec![], lookups: vec![], problems: vec![] });
        let job = Job {
            version: self.active.as_ref().map_or(0, |active| active.version.version),
            streams: self.active.as_ref().map_or(&none, |active| &active.streams),
            plan: self.plan.as_ref().unwrap_or(&nothing),
            tables: &self.tables,
            read: self.read,
        };
        let drained = drain_retrying(&mut self.connection, &job).await?;
        if matches!(drained, Drained::TablesChanged) {
            self.install().await?;
            self.plan_again();
            self.shared.wake.notify_one();
            return Ok(());
        }
        self.read = Read::Noted;
        self.shared.metrics.drained();
        // The same config after a reconnect is sent too: streams that were held meanwhile then ask Postgres what they missed.
        if !self.shared.is_leading() {
            self.shared.set_active(self.active.clone());
        }
        if let Drained::Commit(commit) = drained {
            self.shared.publish(*commit);
        }
        Ok(())
    }
}

async fn drain_retrying(connection: &mut PgConnection, job: &Job<'_>) -> sqlx::Result<Drained> {
    loop {
        match drain(connection, job).await {
            Err(sqlx::Error::Database(error)) if is_conflict(&*error) => {
                warn!(%error, "the drain is repeated")
            }
            done => return done,
        }
    }
}

/// Serialization failure or deadlock.
fn is_conflict(error: &dyn sqlx::error::DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("40001" | "40P01"))
}

/// Postgres is going away or starting up.
fn is_shutdown(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| code.starts_with("57P"))
}
