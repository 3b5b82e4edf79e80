//! A change whose table, columns and types are known to be ours, read from one that a browser sent.

use schema::{
    Column, Table,
    upload::{Change, Code, Operation},
};
use serde_json::{Map, Value};

use super::{limits, rejection::Rejected};
use crate::cell::Cell;

/// A change that can be made into SQL: its names come from the schema crate, not from the request.
pub(super) struct CheckedChange<'a> {
    pub(super) operation: Operation,
    pub(super) table: &'static Table,
    pub(super) id: &'a str,
    /// The columns that are to be written: those that the browser sent.
    pub(super) cells: Cells<'a>,
    /// The row as the browser saw it before, if its table tracks previous values.
    pub(super) old: Option<Cells<'a>>,
}

/// Columns of a row, each with a value of its type.
pub(super) struct Cells<'a>(pub(super) Vec<(&'static Column, Cell<'a>)>);

impl<'a> Cells<'a> {
    /// The value of the column of that name, if it is among these.
    pub(super) fn get(&self, name: &str) -> Option<&Cell<'a>> {
        self.0.iter().find_map(|(column, cell)| (column.name == name).then_some(cell))
    }

    /// A row as Postgres writes it in JSON. It may have columns that the schema crate does not know, and values that no
    /// browser can have seen or sent, such as the time `infinity`; they are left out.
    pub(super) fn readable(table: &'static Table, row: &'a Map<String, Value>) -> Cells<'a> {
        let cells =
            known(table, row).filter_map(|(column, value)| Some((column, Cell::parse(column.kind, value)?)));
        Cells(cells.collect())
    }

    fn all(table: &'static Table, data: &'a Map<String, Value>) -> Result<Cells<'a>, Rejected> {
        let cells = data.iter().map(|(name, value)| {
            let column = table.column(name).ok_or_else(|| {
                let sentence =
                    format!("The server's table {} has no column {:?}.", table.name, shortened(name));
                Rejected::new(Code::UnknownColumn, sentence)
            })?;
            cell(table, column, value)
        });
        cells.collect::<Result<_, _>>().map(Cells)
    }
}

impl<'a> CheckedChange<'a> {
    pub(super) fn parse(
        tables: &'static [&'static Table],
        change: &'a Change,
    ) -> Result<CheckedChange<'a>, Rejected> {
        let table = tables.iter().copied().find(|table| table.name == change.table).ok_or_else(|| {
            Rejected::new(
                Code::UnknownTable,
                format!("The server has no table {:?}.", shortened(&change.table)),
            )
        })?;
        if !is_id(&change.id) {
            let sentence = format!("A row's id must be text of 1 to {} characters.", limits::ID);
            return Err(Rejected::new(Code::WrongType, sentence));
        }
        let cells = match (change.op, &change.data) {
            (Operation::Delete, _) | (_, None) => Cells(Vec::new()),
            (_, Some(data)) => Cells::all(table, data)?,
        };
        // Nobody has seen a row before it was put.
        let old = change.old.as_ref().filter(|_| table.track_previous && change.op != Operation::Put);
        let old =
            old.map(|old| known(table, old).map(|(column, value)| cell(table, column, value)).collect());
        let old = old.transpose()?.map(Cells);
        Ok(CheckedChange { operation: change.op, table, id: &change.id, cells, old })
    }
}

/// Those columns of a JSON object that the table has: a browser with an older schema may have others.
fn known<'a>(
    table: &'static Table,
    row: &'a Map<String, Value>,
) -> impl Iterator<Item = (&'static Column, &'a Value)> {
    table.columns.iter().filter_map(|column| Some((column, row.get(column.name)?)))
}

fn cell<'a>(
    table: &Table,
    column: &'static Column,
    value: &'a Value,
) -> Result<(&'static Column, Cell<'a>), Rejected> {
    let (table, name) = (table.name, column.name);
    if let Some(expected) = limits::exceeded(column.kind, value) {
        return Err(Rejected::new(Code::TooLarge, format!("{table}.{name} {expected}.")));
    }
    let cell = Cell::parse(column.kind, value).ok_or_else(|| {
        let found = match value {
            // What stands for a value that no column takes (`Sent::read`).
            Value::Array(text) => text.first().and_then(Value::as_str).unwrap_or_default().to_owned(),
            value => shortened(&value.to_string()),
        };
        let expected = Cell::expected(column.kind);
        Rejected::new(Code::WrongType, format!("{table}.{name} must be {expected}, and is {found}."))
    })?;
    Ok((column, cell))
}

fn is_id(id: &str) -> bool {
    (1..=limits::ID).contains(&id.chars().count()) && !id.contains('\0')
}

/// What a browser sent may be of any length; a sentence should not be.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
