//! A change whose table, columns and types are known to be ours, read from one that a browser sent.

use chrono::{DateTime, Utc};
use schema::{
    Column, ColumnKind, Table,
    upload::{Change, Code, Operation},
};
use serde_json::Value;

use super::rejection::Rejected;

/// A change that can be made into SQL: its names come from the schema crate, not from the request.
pub(super) struct CheckedChange<'a> {
    pub(super) operation: Operation,
    pub(super) table: &'static Table,
    pub(super) id: &'a str,
    /// The columns that the browser sent, each with a value of its type.
    pub(super) cells: Vec<(&'static Column, Cell<'a>)>,
}

/// A value for a column; `None` is `NULL`.
pub(super) enum Cell<'a> {
    Text(Option<&'a str>),
    Integer(Option<i64>),
    Real(Option<f64>),
    Boolean(Option<bool>),
    Timestamp(Option<DateTime<Utc>>),
}

impl<'a> CheckedChange<'a> {
    pub(super) fn parse(change: &'a Change) -> Result<CheckedChange<'a>, Rejected> {
        let table = Table::named(&change.table).ok_or_else(|| {
            Rejected::new(
                Code::UnknownTable,
                format!("The server has no table {:?}.", shortened(&change.table)),
            )
        })?;
        if !is_id(&change.id) {
            let sentence = "A row's id must be text of 1 to 100 characters.";
            return Err(Rejected::new(Code::WrongType, sentence.to_owned()));
        }
        let cells = match (change.op, &change.data) {
            (Operation::Delete, _) | (_, None) => Vec::new(),
            (_, Some(data)) => {
                data.iter().map(|(name, value)| cell(table, name, value)).collect::<Result<_, _>>()?
            }
        };
        Ok(CheckedChange { operation: change.op, table, id: &change.id, cells })
    }
}

fn cell<'a>(table: &Table, name: &str, value: &'a Value) -> Result<(&'static Column, Cell<'a>), Rejected> {
    let column = table.column(name).ok_or_else(|| {
        let sentence = format!("The server's table {} has no column {:?}.", table.name, shortened(name));
        Rejected::new(Code::UnknownColumn, sentence)
    })?;
    let cell = Cell::parse(column.kind, value).ok_or_else(|| {
        let sentence =
            format!("{}.{name} must be {}, and is {}.", table.name, expected(column.kind), found(value));
        Rejected::new(Code::WrongType, sentence)
    })?;
    Ok((column, cell))
}

impl<'a> Cell<'a> {
    /// Reads a value as SQLite holds it; `None` where it is of another type.
    fn parse(kind: ColumnKind, value: &'a Value) -> Option<Cell<'a>> {
        let null = value.is_null();
        let cell = match kind {
            // Postgres cannot store the character U+0000.
            ColumnKind::Text => Cell::Text(value.as_str().filter(|text| !text.contains('\0'))),
            ColumnKind::Integer => Cell::Integer(value.as_i64()),
            ColumnKind::Real => Cell::Real(value.as_f64()),
            ColumnKind::Boolean => Cell::Boolean(boolean(value)),
            ColumnKind::Timestamp => Cell::Timestamp(value.as_str().and_then(timestamp)),
        };
        (null || !cell.is_null()).then_some(cell)
    }

    fn is_null(&self) -> bool {
        match self {
            Cell::Text(value) => value.is_none(),
            Cell::Integer(value) => value.is_none(),
            Cell::Real(value) => value.is_none(),
            Cell::Boolean(value) => value.is_none(),
            Cell::Timestamp(value) => value.is_none(),
        }
    }
}

/// SQLite has no booleans; PowerSync stores 0 and 1.
fn boolean(value: &Value) -> Option<bool> {
    match value.as_i64() {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => value.as_bool(),
    }
}

fn timestamp(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

fn expected(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "text",
        ColumnKind::Integer => "a whole number",
        ColumnKind::Real => "a number",
        ColumnKind::Boolean => "0 or 1",
        ColumnKind::Timestamp => "a time such as 2026-11-22T16:22:09.954983Z",
    }
}

fn found(value: &Value) -> String {
    shortened(&value.to_string())
}

fn is_id(id: &str) -> bool {
    (1..=100).contains(&id.chars().count()) && !id.contains('\0')
}

/// What a browser sent may be of any length; a sentence should not be.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
