//! What a sync config says: which rows go into which bucket, and which buckets a user is sent.
//!
//! [`compile`] turns the text into [`Streams`]. Every query becomes one [`Variant`] per alternative of its `WHERE` clause.
//! A variant has two halves. Its [`Source`] looks at rows only: it says which table, which columns, and which columns of the
//! row are the key of the row's bucket. Its `keys` look at the request only: they say which values that key may have for this
//! user. A [`Lookup`] is the half of an `IN (SELECT …)` that looks at rows; its results are kept beside the oplog, so that
//! a user's buckets are found without reading the app's tables.

mod document;
mod position;
mod query;

use std::fmt;

/// Reads a sync config. Refuses what is outside the supported subset, with every reason found.
pub fn compile(text: &str) -> Result<Streams, Vec<Refusal>> {
    document::read(text)
}

/// A compiled sync config.
#[derive(Debug, Default)]
pub struct Streams {
    /// The streams in the order of the text; a checkpoint's `streams` and `default` indexes follow it.
    pub streams: Vec<Stream>,
    /// The distinct sources of all streams. Streams that select the same rows by the same key share one, and so its buckets.
    pub sources: Vec<Source>,
    /// The distinct lookups of all streams.
    pub lookups: Vec<Lookup>,
}

/// One stream of the config.
#[derive(Debug)]
pub struct Stream {
    /// Its key in the text.
    pub name: String,
    /// Whether a client gets it without asking.
    pub auto_subscribe: bool,
    /// 0 (first) to 3.
    pub priority: u8,
    /// The alternatives of its queries.
    pub variants: Vec<Variant>,
}

/// One alternative of a query: the rows of a source, in the buckets whose key the request allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Index into [`Streams::sources`].
    pub source: usize,
    /// For each key column of the source, what its value must be equal to: all of these.
    pub keys: Keys,
}

/// For each key column, the sets of values that all have to hold the column's value.
pub type Keys = Vec<Vec<Values>>;

/// A set of values that is known when the request is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// One value that the request carries.
    Request(RequestValue),
    /// What lookups give; several when the subquery has alternatives.
    Lookup(Vec<LookupUse>),
}

/// A lookup with the values for its keys.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupUse {
    /// Index into [`Streams::lookups`].
    pub lookup: usize,
    /// As in [`Variant::keys`].
    pub keys: Keys,
}

/// A value that the token, the subscription or the connection carries.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestValue {
    /// `auth.user_id()`: the token's `sub`.
    UserId,
    /// `auth.parameter('x')`: a claim of the token.
    Auth(String),
    /// `subscription.parameter('x')`.
    Subscription(String),
    /// `connection.parameter('x')`.
    Connection(String),
}

/// Rows of one table that go into buckets.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// What the names of its buckets begin with, behind the version: `lists|0`.
    pub bucket: String,
    /// The table.
    pub table: TableName,
    /// What the client calls the table.
    pub object_type: String,
    /// What is selected.
    pub columns: Vec<Output>,
    /// Which rows, and the key of their bucket.
    pub rows: Rows,
}

/// Rows of one table of which one column is looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// The table.
    pub table: TableName,
    /// The column that is looked up.
    pub column: String,
    /// Which rows, and the values by which they are found.
    pub rows: Rows,
}

/// The part of a `WHERE` clause that looks at the row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Columns with the text that they have to equal.
    pub filter: Vec<(String, String)>,
    /// The columns that are compared with the request.
    pub keys: Vec<String>,
}

/// One item of a select list.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// `*`
    All,
    /// `column AS name`
    Column {
        /// The table's column.
        column: String,
        /// What the client calls it.
        name: String,
    },
}

/// A table of the app.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// `public` when the query names none.
    pub schema: String,
    /// The table.
    pub name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}.{:?}", self.schema, self.name)
    }
}

/// A place in a sync config that is not taken, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The stream, where the place is inside one.
    pub stream: Option<String>,
    /// Line in the text, from 1; 0 when unknown.
    pub line: usize,
    /// Column in the line, in characters from 1; 0 when unknown.
    pub column: usize,
    /// What is not taken, and what to write instead where that is known.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stream) = &self.stream {
            write!(f, "stream \"{stream}\", ")?;
        }
        write!(f, "line {}, column {}: {}", self.line, self.column, self.reason)
    }
}

#[cfg(test)]
mod tests;
