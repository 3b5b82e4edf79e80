//! The one task that writes the oplog.
//!
//! It holds an advisory lock on the connection on which it writes, so that of several processes on one database one writes
//! and the others stand by, and so that losing the connection loses the right to write with it.

pub(crate) mod aside;
pub(crate) mod commit;
mod drain;
mod fault;
mod installing;
mod looked;
mod plan;
mod row;

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{Executor as _, PgConnection};
use tokio::time::Instant;
use tracing::{info, warn};

use self::aside::Aside;
use self::drain::{Drained, Job, Outcome, Read, drain};
use self::installing::Installing;
use self::looked::Looked;
use self::plan::Plan;
use crate::shared::{Active, Report, Shared};
use crate::store::catalog::{self, Table};
use crate::store::{self, set_up, triggers, versions};
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

async fn lead(shared: &Arc<Shared>) -> sqlx::Result<Infallible> {
    let mut connection = store::connect(&shared.options).await?;
    // If this process is killed during a long statement, Postgres then notices, and lets go of the lock for the next one. Not every
    // system can tell it; there the statement runs to its end.
    let _ = connection.execute("SET client_connection_check_interval = '1s'").await;
    stand_by(shared, &mut connection).await?;
    set_up(&mut connection).await?;
    connection.execute(SHORT_PATIENCE).await?;
    let mut leader = Leader::new(shared, connection).await?;
    loop {
        let snapshot = leader.snapshot().await?;
        if shared.take_deployed() || leader.has_to_look(&snapshot) {
            leader.look(&snapshot).await?;
        }
        leader.take_installed();
        leader.drain(&snapshot).await?;
        if leader.plan.is_some() {
            shared.leads(leader.report());
        }
        tokio::select! {
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// While it waits for a lock on one table, nothing is synced of all others.
const SHORT_PATIENCE: &str = "SET lock_timeout = '100ms'";

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
    shared: &'a Arc<Shared>,
    connection: PgConnection,
    /// The published tables that have a primary key.
    tables: Vec<Table>,
    /// The oids of the tables that have triggers.
    noted: HashSet<i64>,
    /// The oids of the tables that have to be read as a whole.
    unread: HashSet<i64>,
    aside: Aside,
    /// What was said of the tables that have rows which are too long to be synced.
    too_long: BTreeMap<i64, String>,
    installing: Option<Installing>,
    looked: Looked,
    /// What the database was like when nothing was left to do.
    at_rest: Option<String>,
    /// The names of the published tables that have no primary key.
    keyless: Vec<String>,
    active: Option<Arc<Active>>,
    /// None before the first look.
    plan: Option<Plan>,
    /// What the next drain has to look at.
    read: Read,
}

impl<'a> Leader<'a> {
    /// Takes up the active config where the last leader left it.
    async fn new(shared: &'a Arc<Shared>, mut connection: PgConnection) -> sqlx::Result<Self> {
        let unread: Vec<i64> = sqlx::query_scalar(UNREAD).fetch_all(&mut connection).await?;
        let version = versions::in_state(&mut connection, "active").await?;
        let mut leader = Self {
            shared,
            connection,
            tables: Vec::new(),
            noted: HashSet::new(),
            unread: unread.into_iter().collect(),
            aside: Aside::default(),
            too_long: BTreeMap::new(),
            installing: None,
            looked: Looked::default(),
            at_rest: None,
            keyless: Vec::new(),
            active: None,
            plan: None,
            read: Read::Absent,
        };
        let Some(version) = version else { return Ok(leader) };
        match streams::compile(&version.content) {
            Ok(streams) => {
                if version.was_read_by_another_release() {
                    leader.read = Read::Everything;
                }
                leader.active = Some(Arc::new(Active { version, streams }));
            }
            Err(refusals) => {
                warn!(?refusals, "the active sync config is not supported any more; deploy another")
            }
        }
        Ok(leader)
    }

    /// What the database is like: it changes with every transaction that writes anything. At rest this is all that is asked of it.
    async fn snapshot(&mut self) -> sqlx::Result<String> {
        sqlx::query_scalar("SELECT pg_current_snapshot()::text").fetch_one(&mut self.connection).await
    }

    fn has_to_look(&self, snapshot: &str) -> bool {
        self.looked.is_due(snapshot, Instant::now()) || self.aside.is_due()
    }

    /// Looks for changes of the tables and for a deployed config.
    async fn look(&mut self, snapshot: &str) -> sqlx::Result<()> {
        let began = Instant::now();
        match self.look_at_tables().await {
            // Somebody is changing a table. What they change is seen when they are done.
            Err(error) if fault::is_lock(&error) => self.looked.in_vain(),
            looked => looked.map(|()| self.looked.took(snapshot, began.elapsed()))?,
        }
        if self.is_settled()
            && let Some(version) = versions::in_state(&mut self.connection, "deploying").await?
        {
            self.activate(version).await?;
        }
        Ok(())
    }

    async fn look_at_tables(&mut self) -> sqlx::Result<()> {
        let tables = catalog::tables(&mut self.connection).await?;
        let (tables, keyless): (Vec<Table>, Vec<Table>) =
            tables.into_iter().partition(|table| table.key().next().is_some());
        self.warn_of(keyless.iter().map(|table| table.name.to_string()).collect());
        let mut missing = triggers::missing(&mut self.connection, &tables).await?;
        let noted: HashSet<i64> = missing.noted.iter().copied().collect();
        let resting = self.aside.resting();
        missing.install.retain(|table| !resting.contains(&table.oid));
        if tables != self.tables || noted != self.noted || self.plan.is_none() {
            if self.tables.iter().any(|table| !tables.iter().any(|now| now.oid == table.oid)) {
                self.read = self.read.max(Read::Absent);
            }
            (self.tables, self.noted) = (tables, noted);
            self.aside.keep(&self.tables);
            self.plan_again();
        }
        if self.installing.is_none() && !missing.is_none() {
            self.installing = Some(Installing::begin(self.shared, missing));
        }
        Ok(())
    }

    fn warn_of(&mut self, keyless: Vec<String>) {
        for table in keyless.iter().filter(|table| !self.keyless.contains(table)) {
            warn!(table, "a table without primary key is not synced");
        }
        self.keyless = keyless;
    }

    /// Whether every table has its triggers, or is known not to get them soon. A config that is activated before would find them empty.
    fn is_settled(&self) -> bool {
        self.tables.iter().all(|table| self.noted.contains(&table.oid) || self.aside.has(table.oid))
    }

    /// Takes up what has become of the triggers that are being installed.
    fn take_installed(&mut self) {
        let Some(installing) = &mut self.installing else { return };
        let Some(done) = installing.take() else {
            self.installing = None;
            return;
        };
        if done.is_empty() {
            return;
        }
        // A config may have waited for it, and other tables may need triggers by now.
        self.looked.again();
        self.shared.wake.notify_one();
        let mut has_new = false;
        for (oid, outcome) in done {
            match outcome {
                Ok(()) => {
                    has_new |= self.noted.insert(oid);
                    self.unread.insert(oid);
                    self.aside.take_back(oid);
                }
                Err(error) => self.aside.put(oid, &self.tables, format!("it gets no triggers: {error}")),
            }
        }
        if has_new {
            self.plan_again();
        }
    }

    /// Takes up the tables as they are now. Rows are not read again for it: as at the official service, a new column reaches
    /// a client with the next `UPDATE` of the row.
    fn plan_again(&mut self) {
        let active = self.active.as_ref();
        self.plan = Some(
            active.map_or_else(Plan::default, |active| self.plan_of(active.version.version, &active.streams)),
        );
    }

    fn plan_of(&self, version: i64, streams: &Streams) -> Plan {
        let tables = self.tables.iter().filter(|table| self.noted.contains(&table.oid));
        Plan::new(version, streams, &tables.cloned().collect::<Vec<_>>())
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
        let plan = self.plan_of(version.version, &streams);
        let job = Job {
            version: version.version,
            streams: &streams,
            plan: &plan,
            tables: &self.tables,
            read: Read::Activation,
            unread: &self.unread,
            resting: &HashSet::new(),
        };
        let outcome = match drain_retrying(&mut self.connection, &job).await {
            Ok(Drained::Commit(_, outcome)) => outcome,
            Err(error) if !fault::is_lock(&error) => return Err(error),
            // The next look finds the tables as they are, and the config still waiting.
            _ => {
                self.looked.again();
                return Ok(());
            }
        };
        info!(version = version.version, took = ?began.elapsed(), "a sync config is active");
        self.active = Some(Arc::new(Active { version, streams }));
        self.plan = Some(plan);
        self.read = Read::Noted;
        self.take_outcome(outcome);
        self.shared.set_active(self.active.clone());
        self.shared.clean_up_soon();
        Ok(())
    }

    /// Publishes what was noted.
    async fn drain(&mut self, snapshot: &str) -> sqlx::Result<()> {
        let Some(plan) = &self.plan else { return Ok(()) };
        let resting = self.aside.resting();
        let has_unread = self.unread.difference(&resting).next().is_some();
        if self.at_rest.as_deref() == Some(snapshot)
            && self.read == Read::Noted
            && !has_unread
            && !self.aside.is_due()
        {
            self.shared.metrics.drained();
            return Ok(());
        }
        let none = Streams::default();
        let job = Job {
            version: self.active.as_ref().map_or(0, |active| active.version.version),
            streams: self.active.as_ref().map_or(&none, |active| &active.streams),
            plan,
            tables: &self.tables,
            read: self.read,
            unread: &self.unread,
            resting: &resting,
        };
        let drained = match drain_retrying(&mut self.connection, &job).await {
            Err(error) if fault::is_lock(&error) => {
                warn!(%error, "somebody has locked the service's own tables");
                return Ok(());
            }
            drained => drained?,
        };
        if let Drained::TablesChanged(changed) = drained {
            self.look(snapshot).await?;
            if self.looked.was_in_vain() {
                let error = "its columns have changed, and somebody has a table locked".to_owned();
                changed.into_iter().for_each(|oid| self.aside.put(oid, &self.tables, error.clone()));
            }
            self.shared.wake.notify_one();
            return Ok(());
        }
        self.read = Read::Noted;
        self.shared.metrics.drained();
        // The same config after a reconnect is sent too: streams that were held meanwhile then ask Postgres what they missed.
        if !self.shared.is_leading() {
            self.shared.set_active(self.active.clone());
        }
        match drained {
            Drained::Commit(commit, outcome) => {
                self.take_outcome(outcome);
                self.shared.publish(*commit);
            }
            _ => self.at_rest = Some(snapshot.to_owned()),
        }
        Ok(())
    }

    fn report(&self) -> Report {
        let mut problems = self.plan.as_ref().map(|plan| plan.problems.clone()).unwrap_or_default();
        problems.extend(self.too_long.values().cloned());
        Report { problems, aside: self.aside.problems() }
    }

    fn take_outcome(&mut self, outcome: Outcome) {
        for oid in outcome.fine {
            // Read as a whole, it has no such rows any more, or says so again.
            if self.unread.contains(&oid) {
                self.too_long.remove(&oid);
            }
            self.unread.remove(&oid);
            self.aside.take_back(oid);
        }
        for (oid, key) in outcome.too_long {
            let Some(table) = self.tables.iter().find(|table| table.oid == oid) else { continue };
            let problem = format!(
                "Table {} has rows that are not synced: their key, id or a value they are selected by has more than {} bytes. One begins \
                 with {key:?}.",
                table.name,
                plan::MAX_INDEXED
            );
            if self.too_long.insert(oid, problem.clone()).as_ref() != Some(&problem) {
                warn!("{problem}");
            }
        }
        for (oid, failed) in outcome.failed {
            if !failed.is_queued {
                self.unread.insert(oid);
            }
            self.aside.put(oid, &self.tables, failed.error);
        }
    }
}

const UNREAD: &str = "SELECT rel::bigint FROM sync_service.unread";

async fn drain_retrying(connection: &mut PgConnection, job: &Job<'_>) -> sqlx::Result<Drained> {
    loop {
        match drain(connection, job).await {
            Err(error) if fault::is_conflict(&error) => warn!(%error, "the drain is repeated"),
            done => return done,
        }
    }
}
