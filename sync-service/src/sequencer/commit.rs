//! What the sequencer tells the open streams about one of its commits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::FromRow;

/// One commit of the sequencer. It only says sooner what Postgres says too; a stream that missed one asks Postgres.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    /// The number of the commit: `progress.drain`.
    pub drain: i64,
    /// Every operation of this commit and of those before has an id up to this one.
    pub last_op_id: i64,
    /// How many operations it has.
    pub op_count: u64,
    /// The buckets that got operations.
    pub buckets: HashMap<String, BucketTotal>,
    /// The results that changed, as (index of the lookup, input).
    pub lookups: HashSet<(usize, String)>,
    /// User, client and value of the write checkpoints that this commit fulfils.
    pub write_checkpoints: Vec<(String, String, i64)>,
    /// The new operations by bucket and id, unless they are many.
    pub ops: Option<Vec<Arc<Op>>>,
}

/// A bucket up to a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct BucketTotal {
    /// The sum of the checksums of its operations, modulo 2^32.
    pub checksum: i64,
    /// The number of operations that a new client downloads.
    pub count: i64,
}

/// An entry of the oplog.
#[derive(Debug, FromRow)]
pub(crate) struct Op {
    pub bucket: String,
    pub op_id: i64,
    pub op: String,
    /// The table, as the client calls it; an operation about the whole bucket has none, and no `object_id`.
    pub object_type: Option<String>,
    pub object_id: Option<String>,
    pub checksum: i64,
    pub data: Option<String>,
}
