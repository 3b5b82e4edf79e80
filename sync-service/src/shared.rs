//! What the sequencer, the open streams and the HTTP handlers share. All of it can be read from Postgres again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::auth::KeyStore;
use crate::metrics::Metrics;
use crate::sequencer::aside::Problem;
use crate::sequencer::commit::Commit;
use crate::store::{
    self,
    versions::{self, Version},
};
use crate::streams::Streams;

/// See the module.
pub(crate) struct Shared {
    pub config: Config,
    pub keys: KeyStore,
    /// For requests and streams. What may take long makes a connection of its own, by [`Shared::options`].
    pub pool: PgPool,
    pub options: PgConnectOptions,
    pub metrics: Metrics,
    /// Wakes the sequencer.
    pub wake: Notify,
    /// Resolves when the service stops.
    pub stopping: CancellationToken,
    commits: broadcast::Sender<Arc<Commit>>,
    active: watch::Sender<Option<Arc<Active>>>,
    state: watch::Sender<State>,
    report: watch::Sender<Report>,
    deployed: AtomicBool,
}

/// A sync config that is being served.
#[derive(Debug)]
pub(crate) struct Active {
    pub version: Version,
    pub streams: Streams,
}

/// What people are told of the tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// What of the active config finds no table or column.
    pub problems: Vec<String>,
    /// The tables that are set aside.
    pub aside: Vec<Problem>,
}

/// How the sequencer is doing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// It has not been connected yet, or not any more, and why.
    Disconnected(Option<String>),
    /// Another process on the same database is the sequencer.
    StandBy,
    /// It is the sequencer.
    Leading,
}

/// How many commits a stream may be behind before it asks Postgres.
const COMMITS_KEPT: usize = 64;

impl Shared {
    pub fn new(config: Config, keys: KeyStore, pool: PgPool, options: PgConnectOptions) -> Self {
        Self {
            config,
            keys,
            pool,
            options,
            metrics: Metrics::new(),
            wake: Notify::new(),
            stopping: CancellationToken::new(),
            commits: broadcast::Sender::new(COMMITS_KEPT),
            active: watch::Sender::new(None),
            state: watch::Sender::new(State::Disconnected(None)),
            report: watch::Sender::new(Report::default()),
            deployed: AtomicBool::new(false),
        }
    }

    /// The config that is served, and its changes.
    pub fn active(&self) -> watch::Receiver<Option<Arc<Active>>> {
        self.active.subscribe()
    }

    /// The sequencer's commits from now on.
    pub fn commits(&self) -> broadcast::Receiver<Arc<Commit>> {
        self.commits.subscribe()
    }

    /// How the sequencer is doing.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Whether this process is the sequencer and connected.
    pub fn is_leading(&self) -> bool {
        *self.state.borrow() == State::Leading
    }

    /// Says that a config was deployed.
    pub fn deployed(&self) {
        self.deployed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(crate) fn take_deployed(&self) -> bool {
        self.deployed.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn set_active(&self, active: Option<Arc<Active>>) {
        self.active.send_replace(active);
    }

    pub(crate) fn publish(&self, commit: Commit) {
        self.metrics.transactions_replicated.inc();
        self.metrics.rows_replicated.inc_by(commit.op_count);
        // Fails when no stream is open, and then nobody has missed anything.
        let _ = self.commits.send(Arc::new(commit));
    }

    /// How long writers' changes have been waiting to be synced, those of tables that are set aside among them.
    pub async fn replication_lag(&self) -> sqlx::Result<Duration> {
        let aside = self.report.borrow().aside.iter().map(|problem| problem.since.elapsed()).max();
        Ok(self.metrics.queue_lag(&self.pool).await?.max(aside.unwrap_or_default()))
    }

    /// What there is to be said of the tables.
    pub fn report(&self) -> Report {
        self.report.borrow().clone()
    }

    pub(crate) fn leads(&self, report: Report) {
        self.report.send_replace(report);
        self.state.send_if_modified(|state| std::mem::replace(state, State::Leading) != State::Leading);
    }

    pub(crate) fn stands_by(&self) {
        self.state.send_replace(State::StandBy);
        self.active.send_replace(None);
    }

    pub(crate) fn lost(&self, error: &sqlx::Error) {
        self.state.send_replace(State::Disconnected(Some(error.to_string())));
    }

    /// Deletes what replaced configs have left, beside everything else.
    pub(crate) fn clean_up_soon(&self) {
        let options = self.options.clone();
        tokio::spawn(async move {
            let done = match store::connect(&options).await {
                Ok(mut connection) => versions::clean_up(&mut connection).await,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                tracing::warn!(%error, "what a replaced sync config has left could not be deleted; the next one tries again");
            }
        });
    }
}
