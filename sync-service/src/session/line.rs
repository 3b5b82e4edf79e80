//! The lines of a stream: one JSON object each, with one key.

use serde::Serialize;
use serde::Serializer;
use serde_json::value::RawValue;

/// A line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line<'a> {
    Checkpoint(Checkpoint<'a>),
    CheckpointDiff(CheckpointDiff<'a>),
    Data(Data<'a>),
    PartialCheckpointComplete {
        last_op_id: Id,
        priority: u8,
    },
    CheckpointComplete {
        last_op_id: Id,
    },
    /// Seconds until the token expires.
    TokenExpiresIn(i64),
}

/// Everything that the client is to have.
#[derive(Debug, Serialize)]
pub(crate) struct Checkpoint<'a> {
    pub last_op_id: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_checkpoint: Option<Id>,
    pub buckets: Vec<Bucket<'a>>,
    pub streams: Vec<StreamInfo<'a>>,
}

/// What has changed since the checkpoint before.
#[derive(Debug, Serialize)]
pub(crate) struct CheckpointDiff<'a> {
    pub last_op_id: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_checkpoint: Option<Id>,
    pub removed_buckets: Vec<&'a str>,
    pub updated_buckets: Vec<Bucket<'a>>,
}

/// A bucket of a checkpoint.
#[derive(Debug, Serialize)]
pub(crate) struct Bucket<'a> {
    pub bucket: &'a str,
    /// Signed, as the official service writes it.
    pub checksum: i32,
    pub count: i64,
    pub priority: u8,
    pub subscriptions: &'a [Reason],
}

/// Why the client gets a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// Index in the checkpoint's `streams`.
    Default(usize),
    /// Index in the request's `subscriptions`.
    Sub(usize),
}

/// A stream that the client gets.
#[derive(Debug, Serialize)]
pub(crate) struct StreamInfo<'a> {
    pub name: &'a str,
    pub is_default: bool,
    pub errors: [(); 0],
}

/// Operations of one bucket.
#[derive(Debug, Serialize)]
pub(crate) struct Data<'a> {
    pub bucket: &'a str,
    pub after: Id,
    pub has_more: bool,
    pub data: Vec<Operation<'a>>,
    pub next_after: Id,
}

/// An entry of the oplog.
#[derive(Debug, Serialize)]
pub(crate) struct Operation<'a> {
    pub op_id: Id,
    pub op: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_id: Option<&'a str>,
    pub checksum: i64,
    pub data: Option<Row<'a>>,
}

/// A row as JSON, in a string or as it is.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Row<'a> {
    Text(&'a str),
    Object(&'a RawValue),
}

impl<'a> Row<'a> {
    pub fn new(text: &'a str, raw: bool) -> Self {
        if raw {
            return Self::Text(text);
        }
        serde_json::from_str(text).map_or(Self::Text(text), Self::Object)
    }
}

/// An op id or a write checkpoint: a number that is sent in a string.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Id(pub i64);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
