//! Reading the oplog in batches.

use sqlx::{FromRow, PgPool};

use crate::sequencer::commit::Op;

/// The next operations of some buckets, in the order of the list: at most [`MAX_OPS`], and at most one beyond [`MAX_BYTES`].
/// `buckets` are names with the op id behind which to begin; nothing above `last_op_id` is read.
pub(crate) async fn next(
    pool: &PgPool,
    buckets: &[(String, i64)],
    last_op_id: i64,
) -> sqlx::Result<Vec<Entry>> {
    let names: Vec<&str> = buckets.iter().map(|(name, _)| name.as_str()).collect();
    let after: Vec<i64> = buckets.iter().map(|(_, after)| *after).collect();
    sqlx::query_as(NEXT)
        .bind(names)
        .bind(after)
        .bind(last_op_id)
        .bind(MAX_OPS)
        .bind(MAX_BYTES)
        .fetch_all(pool)
        .await
}

/// An operation, and what comes behind it.
#[derive(Debug, FromRow)]
pub(crate) struct Entry {
    #[sqlx(flatten)]
    pub op: Op,
    /// Whether there is another operation in the same bucket.
    pub more_in_bucket: bool,
    /// Whether there is another operation in any of the buckets.
    pub more: bool,
}

const MAX_OPS: i64 = 1000;
const MAX_BYTES: i64 = 1_000_000;

/// Reads one operation more than is given, to know whether there is more.
const NEXT: &str = "
SELECT bucket, op_id, op, object_type, object_id, checksum, data,
    following IS NOT DISTINCT FROM bucket AS more_in_bucket, following IS NOT NULL AS more
FROM (
    SELECT *, lead(bucket) OVER place AS following, row_number() OVER place AS number,
        sum(coalesce(octet_length(data), 0)) OVER place - coalesce(octet_length(data), 0) AS bytes_before
    FROM (
        SELECT wanted.position, o.*
        FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS wanted (name, after, position)
        CROSS JOIN LATERAL (
            SELECT * FROM sync_service.oplog o
            WHERE o.bucket = wanted.name COLLATE \"C\" AND o.op_id > wanted.after AND o.op_id <= $3
            ORDER BY o.op_id LIMIT $4 + 1
        ) o
        ORDER BY wanted.position, o.op_id LIMIT $4 + 1
    ) o
    WINDOW place AS (ORDER BY position, op_id)
) o
WHERE number <= $4 AND bytes_before < $5
ORDER BY number";
