//! How a browser's changes travel to `POST /api/sync`, and how the server answers.
//!
//! A request carries whole client transactions, oldest first; the server applies each in one Postgres
//! transaction, so nobody ever sees half of one. The answer has a verdict for every change, in the same order.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Changes of one client transaction, at the most: Postgres applies them in one transaction, which others wait for.
pub const MAX_CHANGES: usize = 10_000;

/// Bytes of one client transaction's JSON, at the most. The server takes a body of eight mebibytes; this leaves room for
/// what stands around the changes.
pub const MAX_BYTES: usize = 7 * 1024 * 1024;

/// The body of `POST /api/sync`. `C` is a [`Change`], or the text of one where it is only passed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UploadRequest<C = Change> {
    /// The id of the browser's database. Together with [`Transaction::epoch`] and [`Change::op_id`] it names a change for
    /// good.
    pub client_id: String,
    /// The user whose changes these are, so that they are never taken for those of whoever has signed in meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The client transactions, oldest first.
    pub transactions: Vec<Transaction<C>>,
}

/// What one `write_transaction` changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transaction<C = Change> {
    /// The epoch of the browser's database in which it was made ([`crate::queue`]). Pages from before there were epochs
    /// send none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The changes, oldest first.
    pub changes: Vec<C>,
    /// Says that this is only the outline of a transaction which is too large to be sent: `changes` are its first and its
    /// last without their columns, and so many more are left out. It is never applied; its user gets a notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted: Option<u64>,
}

/// One changed row, as PowerSync's upload queue holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its number in the client's upload queue; grows with every change.
    pub op_id: i64,
    /// What was done to the row.
    pub op: Operation,
    /// The table's name.
    #[serde(rename = "type")]
    pub table: String,
    /// The row's id.
    pub id: String,
    /// The columns: all that are not `NULL` for a put, the changed ones for a patch, none for a delete.
    #[serde(default)]
    pub data: Option<Map<String, Value>>,
    /// The row as the browser saw it before a patch or a delete, if the table tracks previous values
    /// ([`crate::Table::track_previous`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Map<String, Value>>,
}

/// What was done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// The row was inserted or replaced. A column that is absent is `NULL`; one that may not be `NULL` keeps its
    /// value or, in a new row, gets its default.
    Put,
    /// Some columns were changed.
    Patch,
    /// The row was deleted.
    Delete,
}

impl Operation {
    /// The word on the wire and in `rejections.operation`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Operation::Put => "PUT",
            Operation::Patch => "PATCH",
            Operation::Delete => "DELETE",
        }
    }
}

/// The answer of `POST /api/sync`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UploadResponse {
    /// One verdict per change, in the order of the request.
    pub verdicts: Vec<Verdict>,
}

/// What became of a change. Either way the client is done with it: a rejected change is rolled back by sync.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The change's number, from the request.
    pub op_id: i64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It is in Postgres, or needed nothing done, such as a change to a row that somebody else has deleted.
    Applied,
    /// It is not in Postgres and never will be.
    Rejected {
        /// Why, for programs.
        code: Code,
        /// Why, as a sentence for people.
        reason: String,
    },
}

/// Why a change was rejected. The words are stable: clients may compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No synced table has that name.
    UnknownTable,
    /// The table has no such column.
    UnknownColumn,
    /// A value is not of its column's type.
    WrongType,
    /// A value is larger than its column, or the database, takes.
    TooLarge,
    /// The user has no right to make this change to this row.
    Forbidden,
    /// A constraint of the database does not hold with this change.
    Constraint,
    /// The row is not any more what it was when the user changed it, and its table does not merge such changes.
    Stale,
    /// The user would have more rows than a device can hold.
    TooManyRows,
    /// Another change in the same client transaction was rejected, and they go together.
    Transaction,
}

impl Code {
    /// The word on the wire and in `rejections.code`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::UnknownTable => "unknown_table",
            Code::UnknownColumn => "unknown_column",
            Code::WrongType => "wrong_type",
            Code::TooLarge => "too_large",
            Code::Forbidden => "forbidden",
            Code::Constraint => "constraint",
            Code::Stale => "stale",
            Code::TooManyRows => "too_many_rows",
            Code::Transaction => "transaction",
        }
    }
}
