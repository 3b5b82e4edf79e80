//! What a sync config says: which rows go into which bucket, and which buckets a user is sent.
//!
//! [`compile`] turns the text into [`Streams`]. Every query becomes one [`Variant`] per alternative of its condition; queries of
//! one stream that ask the same of a request become the same one, and share its buckets ([`bucket`]). A variant has two halves. Its [`Source`] looks at rows only: it says which table, which columns, and which expressions over the row are
//! the key of the row's bucket. The rest looks at the request only: it says which values that key may have for this user. Tables
//! that the query reads besides are [`Lookup`]s, whether the query joins them or names them in `IN (SELECT …)`; what they give is
//! kept beside the oplog, so that a user's buckets are found without reading the app's tables.
//!
//! The compiler goes from text to syntax ([`sql`]), from there to names ([`scope`]) and expressions ([`translate`]), takes the
//! condition apart into alternatives ([`formula`]) and each of these into its halves ([`graph`]).

mod bucket;
mod document;
mod expression;
mod formula;
mod graph;
mod position;
mod query;
mod scope;
mod sql;
mod translate;
mod value;
mod warnings;

use std::fmt;

pub(crate) use self::expression::Request;
pub use self::expression::{
    Condition, Expr, Parameters, RequestCondition, RequestExpr, RowCondition, RowExpr,
};
pub(crate) use self::value::NotJson;
pub use self::value::{CastType, Value};

/// Reads a sync config. Refuses what is outside the supported subset, with every reason found.
///
/// Syntax is walked through recursively, so this happens on a stack that is large enough for the deepest text that is taken.
pub fn compile(text: &str) -> Result<Streams, Vec<Refusal>> {
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || document::read(text));
        let failed = || Refusal {
            stream: None,
            line: 1,
            column: 1,
            reason: "the sync config could not be compiled; please report this".to_owned(),
        };
        thread.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(|| Err(vec![failed()]))
    })
}

const STACK: usize = 32 * 1024 * 1024;

/// A compiled sync config.
#[derive(Debug, Default)]
pub struct Streams {
    /// The streams in the order of the text; a checkpoint's `streams` and `default` indexes follow it.
    pub streams: Vec<Stream>,
    /// The distinct sources of all streams, those of a bucket side by side. Streams that select the same rows by the same key
    /// share them, and so their buckets.
    pub sources: Vec<Source>,
    /// The distinct lookups of all streams.
    pub lookups: Vec<Lookup>,
    /// What is taken but looks wrong.
    pub warnings: Vec<Refusal>,
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

/// One alternative of a query, or of several that ask the same of a request: the rows of their sources, in the buckets whose key
/// the request allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Indexes into [`Streams::sources`], all of one bucket.
    pub sources: Vec<usize>,
    /// What the request has to fulfil.
    pub conditions: Vec<RequestCondition>,
    /// What is looked up, in this order. Every combination of results whose values agree gives a key.
    pub steps: Vec<Step>,
    /// For each key of the sources, where its value comes from: from all of these, and they have to agree.
    pub keys: Vec<Vec<Operand>>,
}

/// Something that gives values when the request is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The rows of a lookup.
    Lookup {
        /// Index into [`Streams::lookups`].
        lookup: usize,
        /// As in [`Variant::keys`], for the keys of the lookup.
        inputs: Vec<Vec<Operand>>,
    },
    /// The elements of a JSON array or object.
    Elements {
        /// A text that holds it.
        array: RequestExpr,
        /// Which elements; the inputs are `key` and `value`.
        filter: Vec<RowCondition>,
        /// What is wanted of them.
        outputs: Vec<RowExpr>,
    },
}

/// A value that is known when the request is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// The request carries it.
    Request(RequestExpr),
    /// A step has given it.
    Output {
        /// Index into [`Variant::steps`].
        step: usize,
        /// Index into the outputs of the step.
        output: usize,
    },
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

/// Rows of one table of which some values are looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// The table.
    pub table: TableName,
    /// What is looked up.
    pub outputs: Vec<RowExpr>,
    /// Which rows, and the values by which they are found.
    pub rows: Rows,
}

/// The part of a condition that looks at the row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// All of them hold.
    pub filter: Vec<RowCondition>,
    /// What is compared with the request or with other tables.
    pub keys: Vec<RowExpr>,
}

/// One item of a select list.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// `*`
    All,
    /// `value AS name`
    Column {
        /// What is selected.
        value: RowExpr,
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

/// A place in a sync config that is not taken, or that is warned of, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The stream, where the place is inside one.
    pub stream: Option<String>,
    /// Line in the text, from 1.
    pub line: usize,
    /// Column in the line, in characters from 1.
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
mod fuzz;
#[cfg(test)]
mod tests;
