//! What a client is to have at a point of the oplog.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use sqlx::{Connection as _, PgConnection, PgPool};

use super::line::Reason;
use super::request::{StreamRequest, Subscription};
use crate::auth::User;
use crate::sequencer::commit::BucketTotal;
use crate::shared::Active;
use crate::store::{DOWNLOADED, write_checkpoints};
use crate::streams::{Keys, LookupUse, RequestValue, Values};

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
    #[error("Too many buckets: more than {MAX_BUCKETS} for one connection")]
    TooManyBuckets,
}

/// As many buckets as the official service gives to one connection.
const MAX_BUCKETS: usize = 1000;

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

    fn includes(&self, auto_subscribe: bool) -> bool {
        auto_subscribe && self.request.includes_defaults()
    }

    /// Asks Postgres for the client's checkpoint.
    ///
    /// All of it is read in one snapshot, and from tables that only the sequencer writes. So the results of the lookups, the
    /// buckets and the write checkpoint are those of the same commit of the sequencer, and so of one snapshot of the app's
    /// tables.
    pub async fn checkpoint(&self, pool: &PgPool) -> Result<Checkpoint, CheckpointError> {
        let mut connection = pool.acquire().await?;
        let mut transaction =
            connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let progress = sqlx::query_as("SELECT drain, last_op_id FROM sync_service.progress");
        let (drain, last_op_id) = progress.fetch_one(&mut *transaction).await?;
        let write_checkpoint =
            write_checkpoints::published(&mut transaction, &self.user.id, self.id()).await?;
        let mut search = Search {
            client: self,
            connection: &mut transaction,
            results: HashMap::new(),
            buckets: BTreeMap::new(),
        };
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

/// Finds the client's buckets.
struct Search<'a> {
    client: &'a Client,
    connection: &'a mut PgConnection,
    results: HashMap<(usize, String), Vec<String>>,
    buckets: BTreeMap<String, BucketState>,
}

impl Search<'_> {
    async fn buckets(&mut self) -> Result<(), CheckpointError> {
        let client = self.client;
        for (position, index) in client.streams().into_iter().enumerate() {
            let stream = &client.active.streams.streams[index];
            if client.includes(stream.auto_subscribe) {
                self.subscribe(index, Reason::Default(position), None).await?;
            }
            let subscriptions = client.request.subscriptions().iter().enumerate();
            for (i, subscription) in
                subscriptions.filter(|(_, subscription)| subscription.stream == stream.name)
            {
                self.subscribe(index, Reason::Sub(i), Some(subscription)).await?;
            }
        }
        Ok(())
    }

    async fn subscribe(
        &mut self,
        stream: usize,
        reason: Reason,
        subscription: Option<&Subscription>,
    ) -> Result<(), CheckpointError> {
        let active = &self.client.active;
        let stream = &active.streams.streams[stream];
        let parameters = subscription.and_then(|subscription| subscription.parameters.as_ref());
        let priority =
            subscription.and_then(|subscription| subscription.override_priority).unwrap_or(stream.priority);
        for variant in &stream.variants {
            let prefix = &active.streams.sources[variant.source].bucket;
            for key in self.keys(&variant.keys, parameters).await? {
                let bucket = self.buckets.entry(format!("{}#{prefix}{key}", active.version.version));
                let bucket = bucket.or_insert(BucketState {
                    total: BucketTotal::default(),
                    priority,
                    reasons: Vec::new(),
                });
                bucket.priority = bucket.priority.min(priority);
                if !bucket.reasons.contains(&reason) {
                    bucket.reasons.push(reason);
                }
            }
            if self.buckets.len() > MAX_BUCKETS {
                return Err(CheckpointError::TooManyBuckets);
            }
        }
        Ok(())
    }

    /// Every key that the request allows, as the JSON text that a bucket's name ends with.
    fn keys<'b>(
        &'b mut self,
        keys: &'b Keys,
        parameters: Option<&'b Map<String, Value>>,
    ) -> BoxFuture<'b, Result<Vec<String>, CheckpointError>> {
        async move {
            let mut found: Vec<Vec<String>> = vec![Vec::new()];
            for constraints in keys {
                let mut allowed: Option<BTreeSet<String>> = None;
                for values in constraints {
                    let values = self.values(values, parameters).await?;
                    allowed = Some(match allowed {
                        None => values,
                        Some(allowed) => allowed.intersection(&values).cloned().collect(),
                    });
                }
                let allowed = allowed.unwrap_or_default();
                if found.len() * allowed.len() > MAX_BUCKETS {
                    return Err(CheckpointError::TooManyBuckets);
                }
                let longer = |key: &Vec<String>| {
                    allowed
                        .iter()
                        .map(|value| [key.as_slice(), std::slice::from_ref(value)].concat())
                        .collect()
                };
                found = found.iter().flat_map::<Vec<_>, _>(longer).collect();
            }
            Ok(found.iter().map(|key| Value::from(key.as_slice()).to_string()).collect())
        }
        .boxed()
    }

    async fn values(
        &mut self,
        values: &Values,
        parameters: Option<&Map<String, Value>>,
    ) -> Result<BTreeSet<String>, CheckpointError> {
        let uses = match values {
            Values::Request(value) => return Ok(self.request_value(value, parameters).into_iter().collect()),
            Values::Lookup(uses) => uses,
        };
        let mut found = BTreeSet::new();
        for LookupUse { lookup, keys } in uses {
            for input in self.keys(keys, parameters).await? {
                found.extend(self.look_up(*lookup, input).await?.iter().cloned());
            }
        }
        Ok(found)
    }

    async fn look_up(&mut self, lookup: usize, input: String) -> sqlx::Result<&[String]> {
        let key = (lookup, input);
        if !self.results.contains_key(&key) {
            let outputs = sqlx::query_scalar(
                "SELECT DISTINCT output FROM sync_service.lookup_row WHERE version = $1 AND lookup = $2 AND input = $3",
            )
            .bind(self.client.active.version.version)
            .bind(i32::try_from(lookup).unwrap_or(i32::MAX))
            .bind(&key.1)
            .fetch_all(&mut *self.connection)
            .await?;
            self.results.insert(key.clone(), outputs);
        }
        Ok(self.results.get(&key).map_or(&[], Vec::as_slice))
    }

    fn request_value(&self, value: &RequestValue, parameters: Option<&Map<String, Value>>) -> Option<String> {
        let request = &self.client.request;
        let value = match value {
            RequestValue::UserId => return Some(self.client.user.id.clone()),
            RequestValue::Auth(name) => self.client.user.claims.get(name),
            RequestValue::Subscription(name) => parameters.and_then(|parameters| parameters.get(name)),
            RequestValue::Connection(name) => {
                request.parameters.as_ref().and_then(|parameters| parameters.get(name))
            }
        };
        value.and_then(text)
    }
}

/// A value of a request as the text that a synced column of the same value has.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(truth) => Some(u8::from(*truth).to_string()),
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    }
}
