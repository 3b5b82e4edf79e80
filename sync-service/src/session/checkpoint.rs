//! What a client is to have at a point of the oplog.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sqlx::{Connection as _, PgConnection, PgPool};

use super::line::Reason;
use super::request::StreamRequest;
use super::search::Search;
use crate::auth::User;
use crate::sequencer::commit::BucketTotal;
use crate::shared::Active;
use crate::store::{DOWNLOADED, write_checkpoints};

/// What a client is to have after a commit of the sequencer.
#[derive(Debug, Default)]
pub(crate) struct Checkpoint {
    /// The number of the commit.
    pub drain: i64,
    pub last_op_id: i64,
    pub write_checkpoint: Option<i64>,
    pub buckets: BTreeMap<String, BucketState>,
    /// The lookups, as (index, input), on which the list of buckets depends.
    pub lookups: HashSet<(usize, String)>,
}

/// A bucket of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BucketState {
    pub total: BucketTotal,
    pub priority: u8,
    pub reasons: Vec<Reason>,
}

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    #[error("{0}")]
    Postgres(#[from] sqlx::Error),
    /// The task that asked has failed.
    #[error("{0}")]
    Failed(#[from] tokio::task::JoinError),
    /// Too many buckets, or too many results on the way to them; with what contributes to them.
    #[error("{0}")]
    TooMany(String),
}

/// A client: who it is and what it asks for.
pub(crate) struct Client {
    pub user: User,
    pub request: StreamRequest,
    pub active: Arc<Active>,
}

impl Client {
    /// The user's database, as write checkpoints know it.
    pub fn id(&self) -> &str {
        self.request.client_id.as_deref().unwrap_or_default()
    }

    /// Whether the client was served from an oplog that is not, or not in full, the one that there is.
    pub fn knows_another_oplog(&self, current: &Checkpoint) -> bool {
        let ours = format!("{}#", self.active.version.version);
        self.request
            .buckets
            .iter()
            .any(|(name, after)| !name.starts_with(&ours) || *after > current.last_op_id)
    }

    /// The streams that the client gets, by their indexes in the config.
    pub fn streams(&self) -> Vec<usize> {
        let asked =
            |name: &str| self.request.subscriptions().iter().any(|subscription| subscription.stream == name);
        let streams = self.active.streams.streams.iter().enumerate();
        streams
            .filter(|(_, s)| self.includes(s.auto_subscribe) || asked(&s.name))
            .map(|(index, _)| index)
            .collect()
    }

    pub(super) fn includes(&self, auto_subscribe: bool) -> bool {
        auto_subscribe && self.request.includes_defaults()
    }

    /// Asks Postgres for the client's checkpoint, in a task of its own: what waits for it may end at any moment, and a connection
    /// that is dropped in the middle of `BEGIN` goes back to the pool within the transaction.
    pub async fn checkpoint(self: &Arc<Self>, pool: &PgPool) -> Result<Checkpoint, CheckpointError> {
        let (client, pool) = (Arc::clone(self), pool.clone());
        tokio::spawn(async move { client.read_checkpoint(&pool).await }).await?
    }

    /// All of it is read in one snapshot, and from tables that only the sequencer writes. So the results of the lookups, the
    /// buckets and the write checkpoint are those of the same commit of the sequencer, and so of one snapshot of the app's
    /// tables.
    async fn read_checkpoint(&self, pool: &PgPool) -> Result<Checkpoint, CheckpointError> {
        let mut connection = pool.acquire().await?;
        let mut transaction =
            connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let progress = sqlx::query_as("SELECT drain, last_op_id FROM sync_service.progress");
        let (drain, last_op_id) = progress.fetch_one(&mut *transaction).await?;
        let write_checkpoint =
            write_checkpoints::published(&mut transaction, &self.user.id, self.id()).await?;
        let mut search = Search::new(self, &mut transaction);
        search.buckets().await?;
        let lookups = search.results.into_keys().collect();
        let mut buckets = search.buckets;
        totals(&mut transaction, &mut buckets).await?;
        transaction.commit().await?;
        Ok(Checkpoint { drain, last_op_id, write_checkpoint, buckets, lookups })
    }
}

async fn totals(
    connection: &mut PgConnection,
    buckets: &mut BTreeMap<String, BucketState>,
) -> sqlx::Result<()> {
    let names: Vec<&String> = buckets.keys().collect();
    let totals = format!("SELECT name, checksum, {DOWNLOADED} FROM sync_service.bucket WHERE name = ANY($1)");
    let totals: Vec<(String, i64, i64)> = sqlx::query_as(&totals).bind(&names).fetch_all(connection).await?;
    for (name, checksum, count) in totals {
        if let Some(bucket) = buckets.get_mut(&name) {
            bucket.total = BucketTotal { checksum, count };
        }
    }
    Ok(())
}
