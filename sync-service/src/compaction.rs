//! Keeping the oplog about as long as there are rows.
//!
//! An operation is superseded when a later one of the same bucket is about the same row; a REMOVE is of use only to those who
//! have seen the PUT. Compaction deletes both, up to some operation of the bucket, and keeps the sum of their checksums. A client
//! that has everything up to there notices nothing. Every other one, a new one among them, is sent a CLEAR that carries
//! this sum, and behind it all that the oplog holds.
//!
//! So a client that was away may download a bucket again. The newest operations, half as many as there are rows, are never
//! touched, so it downloads at most about twice as much as it has missed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tracing::{debug, info, warn};

use crate::shared::Shared;
use crate::{Config, Error, store};

/// Compacts every bucket of a database's oplog as far as possible, while the service runs or not. The service compacts by
/// itself what has become too long; this is for a moment when nobody syncs, as every client that has not everything downloads
/// the compacted buckets again. Returns the number of deleted operations.
///
/// # Errors
/// When Postgres cannot be reached or does not have the service's schema.
pub async fn compact(config: &Config) -> Result<u64, Error> {
    let options = store::connect_options(&config.database_url).map_err(Error::DatabaseUrl)?;
    let mut connection = store::connect(&options).await.map_err(Error::Postgres)?;
    let buckets = sqlx::query_as(EVERY_BUCKET).fetch_all(&mut connection).await.map_err(Error::Postgres)?;
    compact_buckets(&mut connection, buckets).await.map_err(Error::Postgres)
}

/// Compacts now and then for as long as the process runs.
pub(crate) async fn run(shared: Arc<Shared>) -> Infallible {
    loop {
        tokio::time::sleep(EVERY).await;
        if !shared.is_leading() {
            continue;
        }
        match compact_too_long(&shared).await {
            Ok(0) => {}
            Ok(deleted) => info!(deleted, "the oplog was compacted"),
            Err(error) => warn!(%error, "the oplog could not be compacted; it will be tried again"),
        }
    }
}

const EVERY: Duration = Duration::from_secs(5);

/// The buckets in which more is superseded than there are rows, and how many of their newest operations are left alone.
const TOO_LONG: &str = "SELECT name, greatest(500, row_count / 2) FROM sync_service.bucket
    WHERE op_count - row_count > greatest(1000, row_count)";

const EVERY_BUCKET: &str = "SELECT name, 0::bigint FROM sync_service.bucket WHERE op_count > row_count";

async fn compact_too_long(shared: &Shared) -> sqlx::Result<u64> {
    let buckets: Vec<_> = sqlx::query_as(TOO_LONG).fetch_all(&shared.pool).await?;
    if buckets.is_empty() {
        return Ok(0);
    }
    let mut connection = store::connect(&shared.options).await?;
    compact_buckets(&mut connection, buckets).await
}

async fn compact_buckets(connection: &mut PgConnection, buckets: Vec<(String, i64)>) -> sqlx::Result<u64> {
    let mut deleted = 0;
    for (bucket, kept) in buckets {
        deleted += compact_bucket(connection, &bucket, kept).await?;
    }
    Ok(deleted)
}

/// In one statement, so that whoever reads the bucket sees all of it or nothing.
async fn compact_bucket(connection: &mut PgConnection, bucket: &str, kept: i64) -> sqlx::Result<u64> {
    let deleted: Option<i64> =
        sqlx::query_scalar(COMPACT).bind(bucket).bind(kept).fetch_optional(connection).await?;
    let deleted = deleted.and_then(|deleted| u64::try_from(deleted).ok()).unwrap_or(0);
    debug!(bucket, deleted, "a bucket was compacted");
    Ok(deleted)
}

/// Parameters: `$1` bucket, `$2` how many of its newest operations are left alone. Somebody else may compact
/// the same bucket at the same time, and further; what that has deleted stays deleted.
const COMPACT: &str = "
WITH newest AS (
    SELECT op_id AS compacted_to FROM sync_service.oplog WHERE bucket = $1 ORDER BY op_id DESC OFFSET $2 LIMIT 1
),
superseded AS (
    SELECT op_id FROM (
        SELECT op_id, op, lead(op_id) OVER (PARTITION BY object_type, object_id ORDER BY op_id) AS next
        FROM sync_service.oplog, newest WHERE bucket = $1 AND op_id <= compacted_to
    ) o WHERE op = 'REMOVE' OR next IS NOT NULL
),
deleted AS (
    DELETE FROM sync_service.oplog o USING superseded s WHERE o.bucket = $1 AND o.op_id = s.op_id RETURNING o.checksum
),
gone AS (SELECT count(*) AS ops, coalesce(sum(checksum), 0)::bigint AS checksum FROM deleted)
UPDATE sync_service.bucket b
SET op_count = b.op_count - gone.ops, compacted_to = greatest(b.compacted_to, newest.compacted_to),
    compacted_checksum = (b.compacted_checksum + gone.checksum) & 4294967295
FROM newest, gone WHERE b.name = $1 AND gone.ops > 0 RETURNING gone.ops";
