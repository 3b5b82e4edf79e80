//! One open stream.

mod checkpoint;
mod line;
mod oplog;
mod output;
mod request;
mod search;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

pub(crate) use self::checkpoint::{BucketState, Checkpoint, CheckpointError, Client};
use self::line::{Id, Line, Operation, Row, StreamInfo};
use self::oplog::Place;
use self::output::{Closed, Output};
pub(crate) use self::request::StreamRequest;
use crate::sequencer::commit::{Commit, Op};
use crate::shared::{Active, Shared};
use crate::store::write_checkpoints;

/// A client that is being sent what it is to have.
pub(crate) struct Session {
    shared: Arc<Shared>,
    client: Arc<Client>,
    commits: broadcast::Receiver<Arc<Commit>>,
    active: watch::Receiver<Option<Arc<Active>>>,
    /// The last checkpoint that was sent.
    current: Checkpoint,
    /// Set when `current` may have missed something: when to ask Postgres again.
    ask_at: Option<Instant>,
    /// Up to which operation each bucket was sent, or is held by the client.
    sent: HashMap<String, i64>,
    /// The buckets of `current` of which not everything was sent.
    unsent: BTreeSet<String>,
    output: Output,
    expires: Expiry,
}

/// Why a stream ends.
enum End {
    Closed,
    /// The token expired, or the config was replaced.
    Finished,
    /// There is more now than a client is given. The client opens the stream again, and is told so.
    TooMany(String),
}

/// What came of sending a checkpoint's operations.
#[derive(Debug, PartialEq)]
enum Sent {
    All,
    /// A bucket was compacted beyond the checkpoint, of which something is therefore missing in the oplog.
    Outdated,
}

impl From<Closed> for End {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

/// The official service's code for more buckets, or more results on the way to them, than a client is given.
pub(crate) const TOO_MANY: &str = "PSYNC_S2305";

/// How long to wait before Postgres is asked again after an error.
const RETRY: Duration = Duration::from_millis(500);

/// A reader that has not taken the end of its stream so long after the token expired is cut off.
const LINGER: Duration = Duration::from_secs(60);

impl Session {
    /// Finds out what the client is to have. `commits` must be from before.
    pub async fn begin(
        shared: Arc<Shared>,
        client: Client,
        body: mpsc::Sender<Bytes>,
    ) -> Result<Self, CheckpointError> {
        let client = Arc::new(client);
        let commits = shared.commits();
        let active = shared.active();
        let current = client.checkpoint(&shared.pool).await?;
        if client.knows_another_oplog(&current) {
            // It may wait for a write checkpoint that was lost with the oplog that it knows, and show nothing new until then.
            write_checkpoints::draw(&shared.pool, &client.user.id, client.id()).await?;
            shared.wake.notify_one();
        }
        let expires = Expiry::new(client.user.expires_at);
        // The client drops what the first checkpoint does not name. If such a bucket comes later, it begins anew.
        let held = client.request.buckets.iter().filter(|(name, _)| current.buckets.contains_key(*name));
        let sent = held.map(|(name, after)| (name.clone(), *after)).collect();
        let output = Output::new(body, shared.metrics.data_sent.clone());
        Ok(Self {
            shared,
            client,
            commits,
            active,
            current,
            ask_at: None,
            sent,
            unsent: BTreeSet::new(),
            output,
            expires,
        })
    }

    /// Sends until the client goes, the token expires, the config is replaced or the service stops.
    pub async fn run(mut self) {
        let shared = self.shared.clone();
        let (user, client) = (self.client.user.id.clone(), self.client.id().to_owned());
        let began = Instant::now();
        let longest = self.expires.at.saturating_duration_since(began) + LINGER;
        shared.metrics.connections.inc();
        let why = tokio::select! {
            ended = self.send() => match ended {
                Err(End::Closed) => "its client has gone",
                Ok(()) | Err(End::Finished) => "its token or its sync config has expired",
                Err(End::TooMany(reason)) => {
                    warn!(user, client, code = TOO_MANY, reason, "a stream has to end");
                    "its client is to have too much"
                }
            },
            () = shared.stopping.cancelled() => "the service stops",
            () = tokio::time::sleep(longest) => "its client reads too slowly",
        };
        shared.metrics.connections.dec();
        info!(
            user,
            client,
            seconds = began.elapsed().as_secs(),
            bytes = self.output.sent(),
            why,
            "a stream has ended"
        );
    }

    async fn send(&mut self) -> Result<(), End> {
        self.first_checkpoint().await?;
        loop {
            tokio::select! {
                () = self.output.closed() => return Err(End::Closed),
                changed = self.active.changed() => {
                    changed.map_err(|_| End::Finished)?;
                    self.check_version()?;
                    self.refresh().await?;
                }
                commit = self.commits.recv() => match commit {
                    Ok(commit) => self.take(&commit).await?,
                    Err(_) => self.refresh().await?,
                },
                () = tokio::time::sleep_until(self.expires.next) => self.keep_alive().await?,
                () = until(self.ask_at) => self.refresh().await?,
            }
        }
    }

    async fn first_checkpoint(&mut self) -> Result<(), End> {
        let config = &self.client.active.streams.streams;
        let streams = self.client.streams().into_iter().map(|index| &config[index]);
        let streams = streams.map(|s| StreamInfo { name: &s.name, is_default: s.auto_subscribe, errors: [] });
        let line = Line::Checkpoint(line::Checkpoint {
            last_op_id: Id(self.current.last_op_id),
            write_checkpoint: self.current.write_checkpoint.map(Id),
            buckets: self.current.buckets.iter().map(|(name, bucket)| describe(name, bucket)).collect(),
            streams: streams.collect(),
        });
        self.output.push(&line).await?;
        self.output.flush().await?;
        let buckets = by_priority(&self.current.buckets);
        self.send_data(buckets, None).await
    }

    /// Sends what a commit of the sequencer means for the client, without asking Postgres where that is possible.
    async fn take(&mut self, commit: &Commit) -> Result<(), End> {
        if commit.drain <= self.current.drain || self.ask_at.is_some() {
            return Ok(());
        }
        if commit.drain > self.current.drain + 1
            || commit.lookups.iter().any(|lookup| self.current.lookups.contains(lookup))
        {
            return self.refresh().await;
        }
        self.current.drain = commit.drain;
        let mut updated = BTreeMap::new();
        for (name, total) in &commit.buckets {
            if let Some(bucket) = self.current.buckets.get_mut(name) {
                bucket.total = *total;
                updated.insert(name.clone(), bucket.clone());
            }
        }
        let (user, client) = (&self.client.user.id, self.client.id());
        let fulfilled = commit.write_checkpoints.iter().find(|(u, c, _)| u == user && c == client);
        if updated.is_empty() && fulfilled.is_none() {
            return Ok(());
        }
        self.current.last_op_id = commit.last_op_id;
        if let Some((.., value)) = fulfilled {
            self.current.write_checkpoint = Some(*value);
        }
        self.send_diff(updated, Vec::new(), commit.ops.as_deref()).await
    }

    /// Asks Postgres what the client is to have now and sends the difference.
    async fn refresh(&mut self) -> Result<(), End> {
        let new = match self.client.checkpoint(&self.shared.pool).await {
            Ok(new) => new,
            Err(CheckpointError::TooMany(reason)) => return Err(End::TooMany(reason)),
            Err(error) => {
                debug!(%error, "Postgres did not answer; it will be asked again");
                self.ask_at = Some(Instant::now() + RETRY);
                return Ok(());
            }
        };
        self.ask_at = None;
        if new.last_op_id < self.current.last_op_id {
            // The database is not the one it was; the client begins again.
            return Err(End::Finished);
        }
        let old = std::mem::replace(&mut self.current, new);
        let is_new = |(name, bucket): &(&String, &BucketState)| {
            old.buckets.get(*name) != Some(*bucket) || self.unsent.contains(*name)
        };
        let updated: BTreeMap<_, _> = self
            .current
            .buckets
            .iter()
            .filter(is_new)
            .map(|(name, bucket)| (name.clone(), bucket.clone()))
            .collect();
        let removed: Vec<String> =
            old.buckets.into_keys().filter(|name| !self.current.buckets.contains_key(name)).collect();
        if updated.is_empty() && removed.is_empty() && old.write_checkpoint == self.current.write_checkpoint {
            return Ok(());
        }
        self.send_diff(updated, removed, None).await
    }

    async fn send_diff(
        &mut self,
        updated: BTreeMap<String, BucketState>,
        removed: Vec<String>,
        ops: Option<&[Arc<Op>]>,
    ) -> Result<(), End> {
        for name in &removed {
            self.sent.remove(name);
            self.unsent.remove(name);
        }
        let line = Line::CheckpointDiff(line::CheckpointDiff {
            last_op_id: Id(self.current.last_op_id),
            write_checkpoint: self.current.write_checkpoint.map(Id),
            removed_buckets: removed.iter().map(String::as_str).collect(),
            updated_buckets: updated.iter().map(|(name, bucket)| describe(name, bucket)).collect(),
        });
        self.output.push(&line).await?;
        self.send_data(by_priority(&updated), ops).await
    }

    /// Sends the operations of the buckets, the most urgent first, and completes the checkpoint.
    async fn send_data(
        &mut self,
        buckets: BTreeMap<u8, Vec<String>>,
        ops: Option<&[Arc<Op>]>,
    ) -> Result<(), End> {
        let last = buckets.keys().next_back().copied();
        let last_op_id = Id(self.current.last_op_id);
        self.unsent.extend(buckets.values().flatten().cloned());
        for (priority, names) in buckets {
            let sent = match ops {
                Some(ops) => self.send_ops(&names, ops).await?,
                None => self.send_from_oplog(&names).await?,
            };
            if sent == Sent::Outdated {
                self.ask_at = Some(Instant::now());
                return Ok(());
            }
            if Some(priority) != last {
                self.output.push(&Line::PartialCheckpointComplete { last_op_id, priority }).await?;
                self.output.flush().await?;
            }
        }
        self.check_version()?;
        self.output.push(&Line::CheckpointComplete { last_op_id }).await?;
        self.output.flush().await?;
        Ok(())
    }

    /// Sends operations that came with the commit.
    async fn send_ops(&mut self, names: &[String], ops: &[Arc<Op>]) -> Result<Sent, End> {
        for name in names {
            let of_bucket: Vec<&Op> = ops.iter().map(Arc::as_ref).filter(|op| op.bucket == *name).collect();
            let after = self.sent.get(name).copied().unwrap_or(0);
            self.send_bucket(&of_bucket, after, false).await?;
            self.is_sent(name);
        }
        Ok(Sent::All)
    }

    /// Sends operations out of the oplog, batch by batch. When Postgres goes away it waits for it: what a client needs up to a
    /// checkpoint stays in the oplog until the bucket is compacted, and then the next batch begins the bucket anew.
    async fn send_from_oplog(&mut self, names: &[String]) -> Result<Sent, End> {
        let place = |name: &String| Place::new(name.clone(), self.sent.get(name).copied().unwrap_or(0));
        let mut left: Vec<Place> = names.iter().map(place).collect();
        let mut limit = oplog::FIRST_BATCH;
        while !left.is_empty() {
            let batch = match oplog::next(&self.shared.pool, &left, self.current.last_op_id, limit).await {
                Ok(batch) => batch,
                Err(error) => {
                    debug!(%error, "the oplog cannot be read; it will be tried again");
                    tokio::time::sleep(RETRY).await;
                    self.pause().await?;
                    continue;
                }
            };
            for bucket in batch.chunk_by(|a, b| a.op.bucket == b.op.bucket) {
                let (Some(first), Some(last)) = (bucket.first(), bucket.last()) else { continue };
                if first.compacted_to > self.current.last_op_id {
                    return Ok(Sent::Outdated);
                }
                let at = left.iter().position(|place| place.bucket == first.op.bucket).unwrap_or(0);
                left.drain(..at).for_each(|place| self.is_sent(&place.bucket));
                let ops: Vec<&Op> = bucket.iter().map(|entry| &entry.op).collect();
                self.send_bucket(&ops, left[0].after, last.more_in_bucket).await?;
                left[0].advance(last);
            }
            self.output.flush().await?;
            limit = (limit * 2).min(oplog::LARGEST_BATCH);
            if batch.last().is_none_or(|entry| !entry.more) {
                left.drain(..).for_each(|place| self.is_sent(&place.bucket));
            }
            self.pause().await?;
        }
        Ok(Sent::All)
    }

    /// Notes that the client has all of the bucket.
    fn is_sent(&mut self, bucket: &str) {
        self.unsent.remove(bucket);
        self.sent.insert(bucket.to_owned(), self.current.last_op_id);
    }

    async fn send_bucket(&mut self, ops: &[&Op], after: i64, has_more: bool) -> Result<(), End> {
        let (Some(first), Some(last)) = (ops.first(), ops.last()) else { return Ok(()) };
        self.shared.metrics.operations_synced.inc_by(ops.len() as u64);
        let raw = self.client.request.raw_data;
        let data = ops.iter().map(|op| Operation {
            op_id: Id(op.op_id),
            op: &op.op,
            object_type: op.object_type.as_deref(),
            object_id: op.object_id.as_deref(),
            checksum: op.checksum,
            data: op.data.as_deref().map(|data| Row::new(data, raw)),
        });
        let line = Line::Data(line::Data {
            bucket: &first.bucket,
            after: Id(after),
            has_more,
            data: data.collect(),
            next_after: Id(last.op_id),
        });
        self.output.push(&line).await?;
        Ok(())
    }

    /// Between two batches: what cannot wait for the end of the checkpoint.
    async fn pause(&mut self) -> Result<(), End> {
        self.check_version()?;
        if self.expires.next <= Instant::now() { self.keep_alive().await } else { Ok(()) }
    }

    async fn keep_alive(&mut self) -> Result<(), End> {
        let left = self.expires.advance();
        self.output.push(&Line::TokenExpiresIn(left)).await?;
        self.output.flush().await?;
        if left == 0 { Err(End::Finished) } else { Ok(()) }
    }

    /// A stream is of one version of the config. While Postgres is away the version stays.
    fn check_version(&self) -> Result<(), End> {
        let active = self.active.borrow();
        let same = active
            .as_ref()
            .is_some_and(|active| active.version.version == self.client.active.version.version);
        if same { Ok(()) } else { Err(End::Finished) }
    }
}

/// When the client is told how long its token is good for.
struct Expiry {
    at: Instant,
    next: Instant,
}

impl Expiry {
    const EVERY: Duration = Duration::from_secs(20);

    fn new(expires_at: i64) -> Self {
        let left = u64::try_from(expires_at - chrono::Utc::now().timestamp()).unwrap_or(0);
        let now = Instant::now();
        let mut expiry = Self { at: now + Duration::from_secs(left), next: now };
        expiry.plan(now);
        expiry
    }

    /// The seconds that are left, 0 when it has expired.
    fn advance(&mut self) -> i64 {
        let now = Instant::now();
        self.plan(now);
        i64::try_from(self.at.saturating_duration_since(now).as_secs_f64().ceil() as u64).unwrap_or(i64::MAX)
    }

    /// Every 20 seconds, 20 seconds before the end, and at the end.
    fn plan(&mut self, now: Instant) {
        let before_end = self.at.checked_sub(Self::EVERY).filter(|at| *at > now);
        self.next = (now + Self::EVERY).min(before_end.unwrap_or(self.at));
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn by_priority(buckets: &BTreeMap<String, BucketState>) -> BTreeMap<u8, Vec<String>> {
    let mut sorted: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for (name, bucket) in buckets {
        sorted.entry(bucket.priority).or_default().push(name.clone());
    }
    sorted
}

fn describe<'a>(name: &'a str, bucket: &'a BucketState) -> line::Bucket<'a> {
    line::Bucket {
        bucket: name,
        checksum: (bucket.total.checksum & 0xffff_ffff) as u32 as i32,
        count: bucket.total.count,
        priority: bucket.priority,
        subscriptions: &bucket.reasons,
    }
}
