//! `Counters`: what two users add, both offline, adds up.

use schema::{
    Column, Table,
    upload::{Code, Operation},
};

use crate::{
    cell::Cell,
    upload::{
        change::{Cells, CheckedChange},
        rejection::Rejected,
    },
};

/// Replaces what a change writes to these columns by what is there plus the difference that its user made.
pub(super) fn add(
    columns: &[&str],
    current: Option<&Cells<'_>>,
    change: &mut CheckedChange<'_>,
) -> Result<(), Rejected> {
    let Some(current) = current else { return Ok(()) };
    // Two browsers made the same row: it is one row, and counts what both of them brought.
    let made_by_two = change.operation == Operation::Put;
    if made_by_two {
        change.operation = Operation::Patch;
    }
    for (column, new) in change.cells.0.iter_mut().filter(|(column, _)| columns.contains(&column.name)) {
        let Some(current) = current.get(column.name) else { continue };
        let old = change.old.as_ref().and_then(|old| old.get(column.name));
        if old.is_none() && !made_by_two {
            let reason = "This page is older than the server. Reload it, and make your change again.";
            return Err(Rejected::new(Code::Stale, reason.to_owned()));
        }
        *new = sum(current, old, new).ok_or_else(|| too_large(change.table, column))?;
    }
    Ok(())
}

/// `current + (new - old)`, where `NULL` counts as 0, except that a counter that is set to `NULL` becomes that. `None`
/// where the sum is out of range.
fn sum(current: &Cell<'_>, old: Option<&Cell<'_>>, new: &Cell<'_>) -> Option<Cell<'static>> {
    match (current, new) {
        (Cell::Integer(current), Cell::Integer(Some(new))) => {
            let old = if let Some(Cell::Integer(Some(old))) = old { *old } else { 0 };
            let sum = i128::from(current.unwrap_or(0)) + i128::from(*new) - i128::from(old);
            Some(Cell::Integer(Some(i64::try_from(sum).ok()?)))
        }
        (Cell::Real(current), Cell::Real(Some(new))) => {
            let old = if let Some(Cell::Real(Some(old))) = old { *old } else { 0.0 };
            let sum = current.unwrap_or(0.0) + (new - old);
            sum.is_finite().then_some(Cell::Real(Some(sum)))
        }
        (Cell::Real(_), _) => Some(Cell::Real(None)),
        _ => Some(Cell::Integer(None)),
    }
}

fn too_large(table: &Table, column: &Column) -> Rejected {
    let reason = format!("With this change {}.{} would be too large to be stored.", table.name, column.name);
    Rejected::new(Code::TooLarge, reason)
}
