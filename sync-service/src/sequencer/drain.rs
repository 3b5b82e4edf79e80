//! One turn of the sequencer: takes what is in the queue, in one transaction, and appends what it means to the oplog.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::{Connection as _, Executor as _, FromRow, PgConnection};

use super::commit::{BucketTotal, Commit, Op};
use super::plan::{Plan, Statement};
use crate::store::catalog::{SHAPE, Table};
use crate::store::{versions, write_checkpoints};
use crate::streams::Streams;

/// What the queue is read for.
pub(crate) struct Job<'a> {
    pub version: i64,
    pub streams: &'a Streams,
    pub plan: &'a Plan,
    /// The tables that the plan was made for.
    pub tables: &'a [Table],
    pub read: Read,
}

/// What came of a drain.
pub(crate) enum Drained {
    /// There was nothing to do.
    Nothing,
    Commit(Box<Commit>),
    /// A table in the queue has other columns than the plan was made for. Nothing was done.
    TablesChanged,
}

/// Which rows are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Read {
    /// Those in the queue.
    Noted,
    /// Every row: a table has come or gone, or another release of the service has read them.
    Everything,
    /// Every row, and the version becomes the active one.
    Activation,
}

/// Drains the queue.
///
/// Everything happens in one snapshot: the queue says which rows were changed by the transactions that the snapshot sees, and
/// the rows are read as it sees them. A transaction that commits later is not seen by halves; it is in a later drain, and
/// because op ids are given here and not when the row is written, its operations get greater ids than any before.
pub(crate) async fn drain(connection: &mut PgConnection, job: &Job<'_>) -> sqlx::Result<Drained> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let queue: Vec<Noted> =
        sqlx::query_as(&TAKE_QUEUE.replace("{SHAPE}", SHAPE)).fetch_all(&mut *transaction).await?;
    let is_other = |noted: &Noted| job.tables.iter().any(|t| t.oid == noted.rel && t.shape != noted.shape);
    if queue.iter().any(is_other) {
        transaction.rollback().await?;
        return Ok(Drained::TablesChanged);
    }
    let write_checkpoints = write_checkpoints::publish(&mut transaction).await?;
    if queue.is_empty() && write_checkpoints.is_empty() && job.read == Read::Noted {
        transaction.rollback().await?;
        return Ok(Drained::Nothing);
    }
    let changes = Changes {
        everything: job.read != Read::Noted,
        tables: queue.into_iter().map(|n| (n.rel, if n.whole { None } else { n.keys })).collect(),
    };
    let (first_op_id, before): (i64, i64) = sqlx::query_as(NEXT_OP_ID).fetch_one(&mut *transaction).await?;
    if changes.are_many() {
        transaction.execute(PLAN_FOR_MANY).await?;
    }
    let mut commit = Commit { write_checkpoints, ..Commit::default() };
    let next_op_id = append(&mut transaction, job, &changes, first_op_id, &mut commit).await?;
    commit.last_op_id = if next_op_id > first_op_id { next_op_id - 1 } else { before };
    commit.op_count = u64::try_from(next_op_id - first_op_id).unwrap_or(0);
    commit.drain = sqlx::query_scalar(ADVANCE).bind(commit.last_op_id).fetch_one(&mut *transaction).await?;
    if next_op_id - first_op_id <= MAX_OPS_PASSED_ON {
        commit.ops = few_ops(&mut transaction, &commit, first_op_id).await?;
    }
    match job.read {
        Read::Noted => {}
        Read::Everything => versions::remember_reading(&mut transaction, job.version).await?,
        Read::Activation => versions::activate(&mut transaction, job.version).await?,
    }
    transaction.commit().await?;
    Ok(Drained::Commit(Box::new(commit)))
}

/// What the queue says of a table.
#[derive(FromRow)]
struct Noted {
    rel: i64,
    keys: Option<Vec<String>>,
    /// Whether any row may have changed.
    whole: bool,
    shape: Option<i64>,
}

/// Beyond so many noted rows of a table the statements are planned for many.
const MANY: usize = 5000;

/// Postgres plans for a handful of rows: it knows neither how long the list of keys is nor, before the first ANALYZE, what is in
/// the service's tables. Its nested loops then take minutes for what a hash join does in a second.
const PLAN_FOR_MANY: &str = "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_nestloop = off";

/// The changed rows by table; None stands for all of them.
struct Changes {
    everything: bool,
    tables: HashMap<i64, Option<Vec<String>>>,
}

impl Changes {
    fn are_many(&self) -> bool {
        self.everything || self.tables.values().any(|keys| keys.as_ref().is_none_or(|keys| keys.len() > MANY))
    }

    /// The statement to run, and the row keys for it; None when the table has not changed.
    fn of<'a>(&'a self, statement: &'a Statement) -> Option<(&'a str, Option<&'a [String]>)> {
        if self.everything {
            return Some((&statement.all_rows, None));
        }
        match self.tables.get(&statement.table?)? {
            None => Some((&statement.all_rows, None)),
            Some(keys) => Some((&statement.some_rows, Some(keys))),
        }
    }
}

/// Runs the statements of the changed tables. Returns the next free op id.
async fn append(
    connection: &mut PgConnection,
    job: &Job<'_>,
    changes: &Changes,
    first_op_id: i64,
    commit: &mut Commit,
) -> sqlx::Result<i64> {
    for (index, statement) in job.plan.lookups.iter().enumerate() {
        let Some((sql, keys)) = changes.of(statement) else { continue };
        let query = sqlx::query_scalar(sql).bind(keys).bind(job.version).bind(number(index));
        let inputs: Vec<String> = query.fetch_all(&mut *connection).await?;
        commit.lookups.extend(inputs.into_iter().map(|input| (index, input)));
    }
    let mut next_op_id = first_op_id;
    for (index, statement) in job.plan.sources.iter().enumerate() {
        let Some((sql, keys)) = changes.of(statement) else { continue };
        let query = sqlx::query_as(sql).bind(keys).bind(job.version).bind(number(index)).bind(next_op_id);
        let object_type = job.streams.sources.get(index).map_or("", |source| source.object_type.as_str());
        let totals: Vec<(String, i64, i64, i64)> =
            query.bind(object_type).fetch_all(&mut *connection).await?;
        for (name, checksum, count, new) in totals {
            next_op_id += new;
            commit.buckets.insert(name, BucketTotal { checksum, count });
        }
    }
    Ok(next_op_id)
}

/// Beyond this, and beyond [`MAX_BYTES_PASSED_ON`], streams read a commit's operations from Postgres.
const MAX_OPS_PASSED_ON: i64 = 1000;
const MAX_BYTES_PASSED_ON: usize = 256 * 1024;

async fn few_ops(
    connection: &mut PgConnection,
    commit: &Commit,
    first_op_id: i64,
) -> sqlx::Result<Option<Vec<Arc<Op>>>> {
    let buckets: Vec<&String> = commit.buckets.keys().collect();
    if buckets.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let ops: Vec<Op> = sqlx::query_as(
        "SELECT bucket, op_id, op, object_type, object_id, checksum, data FROM sync_service.oplog
         WHERE bucket = ANY($1) AND op_id >= $2 ORDER BY bucket, op_id",
    )
    .bind(&buckets)
    .bind(first_op_id)
    .fetch_all(connection)
    .await?;
    let bytes: usize = ops.iter().map(|op| op.data.as_ref().map_or(0, String::len)).sum();
    Ok((bytes <= MAX_BYTES_PASSED_ON).then(|| ops.into_iter().map(Arc::new).collect()))
}

fn number(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

const TAKE_QUEUE: &str = "WITH taken AS (DELETE FROM sync_service.queue RETURNING rel, key)
    SELECT rel::bigint, array_agg(DISTINCT key) FILTER (WHERE key IS NOT NULL) AS keys, bool_or(key IS NULL) AS whole, {SHAPE} AS shape
    FROM taken GROUP BY rel";

/// The clock, in microseconds, unless it is behind. So an op id is above all that were ever given, even when this schema
/// was dropped or the database restored from an older copy.
const NEXT_OP_ID: &str =
    "SELECT greatest(last_op_id + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint), last_op_id
    FROM sync_service.progress";

const ADVANCE: &str = "UPDATE sync_service.progress SET last_op_id = $1, drain = drain + 1 RETURNING drain";
