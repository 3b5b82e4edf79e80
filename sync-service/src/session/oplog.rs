//! Reading the oplog in batches.

use sqlx::{FromRow, PgPool};

use crate::sequencer::commit::Op;

/// The next operations of some buckets, in the order of the list: at most `limit`, and at most one beyond [`MAX_BYTES`].
/// Nothing above `last_op_id` is read. Where a bucket was compacted beyond it, the checkpoint cannot be completed any more.
pub(crate) async fn next(
    pool: &PgPool,
    places: &[Place],
    last_op_id: i64,
    limit: i64,
) -> sqlx::Result<Vec<Entry>> {
    let names: Vec<&str> = places.iter().map(|place| place.bucket.as_str()).collect();
    let after: Vec<i64> = places.iter().map(|place| place.after).collect();
    let compacted_to: Vec<Option<i64>> = places.iter().map(|place| place.compacted_to).collect();
    sqlx::query_as(NEXT)
        .bind(names)
        .bind(after)
        .bind(compacted_to)
        .bind(last_op_id)
        .bind(limit)
        .bind(MAX_BYTES)
        .fetch_all(pool)
        .await
}

/// How far a bucket was read.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub bucket: String,
    /// The operation behind which to go on.
    pub after: i64,
    /// How far the bucket was compacted when it was read last; None before its first batch.
    pub compacted_to: Option<i64>,
}

impl Place {
    /// Before the first batch, for a client that has everything up to an operation.
    pub fn new(bucket: String, after: i64) -> Self {
        Self { bucket, after, compacted_to: None }
    }

    /// Behind an operation of the same bucket.
    pub fn advance(&mut self, entry: &Entry) {
        self.after = entry.op.op_id;
        self.compacted_to = Some(entry.compacted_to);
    }
}

/// An operation, and what comes behind it.
#[derive(Debug, FromRow)]
pub(crate) struct Entry {
    #[sqlx(flatten)]
    pub op: Op,
    /// How far the bucket is compacted.
    pub compacted_to: i64,
    /// Whether there is another operation in the same bucket.
    pub more_in_bucket: bool,
    /// Whether there is another operation in any of the buckets.
    pub more: bool,
}

/// How many operations the first batch has, so that the client has something to do while the next one is read.
pub(crate) const FIRST_BATCH: i64 = 100;

/// How many operations a batch has at the most.
pub(crate) const LARGEST_BATCH: i64 = 1000;

const MAX_BYTES: i64 = 1_000_000;

/// A client that lacks something of what was compacted is sent a CLEAR and everything from the beginning. So is one that is
/// ahead of the oplog: it has seen a future of the database that was undone. `r` decides it in the same snapshot in which the
/// operations are read. The CLEAR has the id 0: a client whose stream ends right behind it has nothing, and says so next time.
/// The inner LIMIT stands on a nested loop over the list, which reads no bucket beyond it.
///
/// It reads one operation more than is given, to know whether there is more.
const NEXT: &str = "
SELECT bucket, op_id, op, object_type, object_id, checksum, data, compacted_to,
    following IS NOT DISTINCT FROM position AS more_in_bucket, following IS NOT NULL AS more
FROM (
    SELECT *, lead(position) OVER place AS following, row_number() OVER place AS number,
        sum(coalesce(octet_length(data), 0)) OVER place - coalesce(octet_length(data), 0) AS bytes_before
    FROM (
        SELECT w.position, b.compacted_to, o.*
        FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS w (name, after, compacted_to, position)
        CROSS JOIN LATERAL (
            SELECT coalesce(max(compacted_to), 0) AS compacted_to, coalesce(max(compacted_checksum), 0) AS checksum
            FROM sync_service.bucket WHERE name = w.name COLLATE \"C\"
        ) b
        CROSS JOIN LATERAL (
            SELECT CASE WHEN w.compacted_to IS NULL THEN w.after < b.compacted_to OR w.after > $4
                ELSE w.compacted_to <> b.compacted_to END AS anew
        ) r
        CROSS JOIN LATERAL (
            SELECT 0 AS turn, w.name AS bucket, 0::bigint AS op_id, 'CLEAR' AS op, NULL AS object_type,
                NULL AS object_id, b.checksum, NULL AS data
            WHERE r.anew
            UNION ALL
            (SELECT 1, o.* FROM sync_service.oplog o
            WHERE o.bucket = w.name COLLATE \"C\" AND o.op_id > CASE WHEN r.anew THEN 0 ELSE w.after END AND o.op_id <= $4
            ORDER BY o.op_id LIMIT $5 + 1)
        ) o
        LIMIT $5 + 1
    ) o
    WINDOW place AS (ORDER BY position, turn, op_id)
) o
WHERE number <= $5 AND bytes_before < $6
ORDER BY number";
