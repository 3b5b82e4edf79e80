//! One turn of the sequencer: takes what is in the queue, in one transaction, and appends what it means to the oplog.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sqlx::{Connection as _, Executor as _, FromRow, PgConnection};

use super::commit::{BucketTotal, Commit, Op};
use super::fault;
use super::plan::{Plan, Statement};
use crate::store::catalog::{SHAPE, Table};
use crate::store::triggers::IS_UNREAD;
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
    /// The tables of which every row is looked at.
    pub unread: &'a HashSet<i64>,
    /// The tables that are not looked at now. Their rows stay in the queue, unless they are to be read as a whole later on.
    pub resting: &'a HashSet<i64>,
}

/// What came of a drain.
pub(crate) enum Drained {
    /// There was nothing to do.
    Nothing,
    Commit(Box<Commit>, Outcome),
    /// These tables in the queue have other columns than the plan was made for. Nothing was done.
    TablesChanged(Vec<i64>),
}

/// What became of single tables.
#[derive(Default)]
pub(crate) struct Outcome {
    /// They were looked at.
    pub fine: HashSet<i64>,
    /// They could not be, and why not.
    pub failed: HashMap<i64, Failed>,
    /// The beginning of a row's key, for each table with rows that are too long to be synced.
    pub too_long: BTreeMap<i64, String>,
}

/// Why a table could not be looked at.
pub(crate) struct Failed {
    pub error: String,
    /// Its rows are in the queue again. Otherwise it has to be read as a whole.
    pub is_queued: bool,
}

/// Which rows are looked at; each of these includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Read {
    /// Those in the queue.
    Noted,
    /// Those, and what is left of tables that are not published any more.
    Absent,
    /// Every row: another release of the service has read them.
    Everything,
    /// Every row, and the version becomes the active one.
    Activation,
}

/// Drains the queue.
///
/// Everything happens in one snapshot: the queue says which rows were changed by the transactions that the snapshot sees, and
/// the rows are read as it sees them. A transaction that commits later is not seen by halves; it is in a later drain, and
/// because op ids are given here and not when the row is written, its operations get greater ids than any before.
///
/// An error that may be one table's is found out by doing all of it again with a savepoint before each statement. So drains in which
/// nothing fails, nearly all, need none.
pub(crate) async fn drain(connection: &mut PgConnection, job: &Job<'_>) -> sqlx::Result<Drained> {
    match attempt(connection, job, false).await {
        Err(error) if fault::may_be_of_one_table(&error) => attempt(connection, job, true).await,
        done => done,
    }
}

async fn attempt(connection: &mut PgConnection, job: &Job<'_>, singly: bool) -> sqlx::Result<Drained> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let kept: Vec<i64> = job.resting.difference(job.unread).copied().collect();
    let take = TAKE_QUEUE.replace("{SHAPE}", SHAPE);
    let queue: Vec<Noted> = sqlx::query_as(&take).bind(&kept).fetch_all(&mut *transaction).await?;
    let is_other = |noted: &&Noted| job.tables.iter().any(|t| t.oid == noted.rel && t.shape != noted.shape);
    let changed: Vec<i64> = queue.iter().filter(is_other).map(|noted| noted.rel).collect();
    if !changed.is_empty() {
        transaction.rollback().await?;
        return Ok(Drained::TablesChanged(changed));
    }
    let write_checkpoints = write_checkpoints::publish(&mut transaction).await?;
    let changes = Changes::new(job, queue);
    if changes.are_none() && write_checkpoints.is_empty() {
        transaction.rollback().await?;
        return Ok(Drained::Nothing);
    }
    let (first_op_id, before): (i64, i64) = sqlx::query_as(NEXT_OP_ID).fetch_one(&mut *transaction).await?;
    if changes.are_many() {
        transaction.execute(PLAN_FOR_MANY).await?;
    }
    let mut append = Append {
        job,
        changes: &changes,
        singly,
        next_op_id: first_op_id,
        commit: Commit { write_checkpoints, ..Commit::default() },
        outcome: Outcome::default(),
    };
    append.all(&mut transaction).await?;
    let Append { next_op_id, mut commit, outcome, .. } = append;
    commit.last_op_id = if next_op_id > first_op_id { next_op_id - 1 } else { before };
    commit.op_count = u64::try_from(next_op_id - first_op_id).unwrap_or(0);
    commit.drain = sqlx::query_scalar(ADVANCE).bind(commit.last_op_id).fetch_one(&mut *transaction).await?;
    if next_op_id - first_op_id <= MAX_OPS_PASSED_ON {
        commit.ops = few_ops(&mut transaction, &commit, first_op_id).await?;
    }
    match job.read {
        Read::Noted | Read::Absent => {}
        Read::Everything => versions::remember_reading(&mut transaction, job.version).await?,
        Read::Activation => versions::activate(&mut transaction, job.version).await?,
    }
    transaction.commit().await?;
    Ok(Drained::Commit(Box::new(commit), outcome))
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

/// The rows to look at.
struct Changes {
    everything: bool,
    absent: bool,
    /// By table; None stands for all rows.
    tables: HashMap<i64, Option<Vec<String>>>,
}

impl Changes {
    fn new(job: &Job<'_>, queue: Vec<Noted>) -> Self {
        let mut tables: HashMap<_, _> =
            queue.into_iter().map(|n| (n.rel, if n.whole { None } else { n.keys })).collect();
        tables.extend(job.unread.iter().map(|rel| (*rel, None)));
        tables.retain(|rel, _| !job.resting.contains(rel));
        let everything = matches!(job.read, Read::Everything | Read::Activation);
        Self { everything, absent: everything || job.read == Read::Absent, tables }
    }

    fn are_none(&self) -> bool {
        !self.everything && !self.absent && self.tables.is_empty()
    }

    fn are_many(&self) -> bool {
        self.everything || self.tables.values().any(|keys| keys.as_ref().is_none_or(|keys| keys.len() > MANY))
    }

    /// The statement to run, and the row keys for it; None when its table has not changed.
    fn of<'a>(&'a self, statement: &'a Statement) -> Option<(&'a str, Option<&'a [String]>)> {
        let Some(table) = statement.table else {
            return self.absent.then_some((statement.all_rows.as_str(), None));
        };
        match self.tables.get(&table) {
            Some(Some(keys)) if !self.everything => Some((&statement.some_rows, Some(keys))),
            None if !self.everything => None,
            _ => Some((&statement.all_rows, None)),
        }
    }
}

/// The running of the statements of the changed tables.
struct Append<'a> {
    job: &'a Job<'a>,
    changes: &'a Changes,
    /// Whether a statement may fail without the others.
    singly: bool,
    next_op_id: i64,
    commit: Commit,
    outcome: Outcome,
}

impl Append<'_> {
    async fn all(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let (job, changes) = (self.job, self.changes);
        let lookups = job.plan.lookups.iter().enumerate().map(|(index, s)| (Part::Lookup(index), s));
        let sources = job.plan.sources.iter().enumerate().map(|(index, s)| (Part::Source(index), s));
        for (part, statement) in lookups.chain(sources) {
            if let Some((sql, keys)) = changes.of(statement) {
                self.one(connection, Run { table: statement.table, part, sql, keys }).await?;
            }
        }
        // What no stream reads needs no reading.
        let unused = job.unread.iter().filter(|rel| changes.tables.contains_key(rel));
        self.outcome.fine.extend(unused);
        self.outcome.fine.retain(|rel| !self.outcome.failed.contains_key(rel));
        self.remember(connection).await
    }

    async fn one(&mut self, connection: &mut PgConnection, run: Run<'_>) -> sqlx::Result<()> {
        let Some(table) = run.table.filter(|_| self.singly) else {
            self.outcome.fine.extend(run.table);
            return self.run(connection, run).await;
        };
        if self.outcome.failed.contains_key(&table) {
            return Ok(());
        }
        let mut savepoint = connection.begin().await?;
        match self.run(&mut savepoint, run).await {
            Ok(()) => {
                savepoint.commit().await?;
                self.outcome.fine.insert(table);
            }
            Err(error) if fault::may_be_of_one_table(&error) => {
                savepoint.rollback().await?;
                // Nobody writes to a table that is locked, so what waits in the queue does not become more.
                let is_queued = fault::is_lock(&error)
                    && matches!(self.changes.tables.get(&table), Some(Some(_)))
                    && !self.changes.everything;
                self.outcome.failed.insert(table, Failed { error: error.to_string(), is_queued });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn run(&mut self, connection: &mut PgConnection, run: Run<'_>) -> sqlx::Result<()> {
        let Run { table, part, sql, keys } = run;
        let mut too_long = None;
        match part {
            Part::Lookup(index) => {
                let query = sqlx::query_as(sql).bind(keys).bind(self.job.version).bind(number(index));
                let found: Vec<(Option<String>, Option<String>)> = query.fetch_all(connection).await?;
                for (input, too_long_key) in found {
                    self.commit.lookups.extend(input.map(|input| (index, input)));
                    too_long = too_long.or(too_long_key);
                }
            }
            Part::Source(index) => {
                let query = sqlx::query_as(sql).bind(keys).bind(self.job.version).bind(number(index));
                let source = self.job.streams.sources.get(index);
                let query = query.bind(self.next_op_id).bind(source.map_or("", |s| s.object_type.as_str()));
                let found: Vec<Appended> = query.fetch_all(connection).await?;
                for (bucket, checksum, count, new, too_long_key) in found {
                    self.next_op_id += new;
                    self.commit.buckets.extend(bucket.map(|name| (name, BucketTotal { checksum, count })));
                    too_long = too_long.or(too_long_key);
                }
            }
        }
        self.outcome.too_long.extend(table.zip(too_long));
        Ok(())
    }

    /// What is left to do for single tables outlives this process.
    async fn remember(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let read: Vec<i64> = self.outcome.fine.intersection(self.job.unread).copied().collect();
        if !read.is_empty() {
            sqlx::query(ARE_READ).bind(read).execute(&mut *connection).await?;
        }
        for (table, failed) in &self.outcome.failed {
            let keys = self.changes.tables.get(table).and_then(Option::as_ref);
            match keys.filter(|_| failed.is_queued) {
                Some(keys) => sqlx::query(PUT_BACK).bind(table).bind(keys).execute(&mut *connection).await?,
                None => sqlx::query(IS_UNREAD).bind(table).execute(&mut *connection).await?,
            };
        }
        Ok(())
    }
}

/// A statement of the plan.
#[derive(Clone, Copy)]
enum Part {
    Lookup(usize),
    Source(usize),
}

/// What a source's statement gives of a bucket, or of a row that is too long.
type Appended = (Option<String>, i64, i64, i64, Option<String>);

/// A statement to run: its table, its text, and the keys of the rows that it looks at.
#[derive(Clone, Copy)]
struct Run<'a> {
    table: Option<i64>,
    part: Part,
    sql: &'a str,
    keys: Option<&'a [String]>,
}

const ARE_READ: &str = "DELETE FROM sync_service.unread WHERE rel::bigint = ANY($1)";

const PUT_BACK: &str = "INSERT INTO sync_service.queue (rel, key) SELECT $1::bigint::oid, unnest($2::text[])";

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

const TAKE_QUEUE: &str = "WITH taken AS (DELETE FROM sync_service.queue WHERE rel::bigint <> ALL($1) RETURNING rel, key)
    SELECT rel::bigint, array_agg(DISTINCT key) FILTER (WHERE key IS NOT NULL) AS keys, bool_or(key IS NULL) AS whole, {SHAPE} AS shape
    FROM taken GROUP BY rel";

/// The clock, in microseconds, unless it is behind. So an op id is above all that were ever given, even when this schema
/// was dropped or the database restored from an older copy.
const NEXT_OP_ID: &str =
    "SELECT greatest(last_op_id + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint), last_op_id
    FROM sync_service.progress";

const ADVANCE: &str = "UPDATE sync_service.progress SET last_op_id = $1, drain = drain + 1 RETURNING drain";
