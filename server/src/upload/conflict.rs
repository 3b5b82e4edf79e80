//! What becomes of a row that two browsers changed. **This is the place to decide that**: a line per table.

use schema::{
    Column, ColumnKind, Table,
    upload::{Code, Operation},
};

use super::{
    cell::Cell,
    change::{Cells, CheckedChange},
    rejection::Rejected,
};

/// The tables with another strategy than [`Conflict::LastWriteWins`]. They need `track_previous` in
/// `schema/src/tables.rs`, which the server checks when it starts.
pub(super) const STRATEGIES: Strategies = &[
    // (Document::TABLE, Conflict::RejectStale),
    // (Product::TABLE, Conflict::Counters(&["stock"])),
    // (Auction::TABLE, Conflict::Custom(highest_bid_wins)),
];

/// Tables, each with its strategy.
pub(super) type Strategies = &'static [(&'static Table, Conflict)];

/// A strategy.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "an app uses those that its tables need")]
pub(super) enum Conflict {
    /// Column by column, what reached the server last stays. A change touches only the columns that its user changed: so
    /// when one user renames a list while another, offline, changes its color, both changes last; when both rename it,
    /// the later name does. A deleted row stays deleted, whichever came first, the deletion or the edit.
    LastWriteWins,
    /// A change to a row that is not what its user saw is rejected as `stale`, be it an edit or a deletion. So nobody
    /// overwrites or deletes what they have not seen; but of two edits made offline, even of different columns, one is
    /// lost. A row that was deleted meanwhile takes no edit either.
    RejectStale,
    /// To these columns, whole or real numbers, the difference is added that their user made: when two users, offline,
    /// take 1 and 2 out of 10, there are 7. The last write wins in all others, and a deleted row stays deleted.
    Counters(&'static [&'static str]),
    /// A rule of the app. `tests.rs` has one, for an auction.
    Custom(Resolve),
}

/// Compares a change with the row as it is, which is `None` where there is none. It may replace what the change writes,
/// or reject the change. `change.old` is the row as the browser saw it.
pub(super) type Resolve =
    fn(current: Option<&Cells<'_>>, change: &mut CheckedChange<'_>) -> Result<(), Rejected>;

/// The strategy of that table.
pub(super) fn of(strategies: Strategies, table: &Table) -> Conflict {
    let own = strategies.iter().find(|(other, _)| other.name == table.name);
    own.map_or(Conflict::LastWriteWins, |(_, conflict)| *conflict)
}

impl Conflict {
    /// What the strategy comes to for a change to a row that is `current`.
    pub(super) fn resolve(
        self,
        current: Option<&Cells<'_>>,
        change: &mut CheckedChange<'_>,
    ) -> Result<(), Rejected> {
        match self {
            Conflict::LastWriteWins => Ok(()),
            Conflict::RejectStale => reject_stale(current, change),
            Conflict::Counters(columns) => add_to_counters(columns, current, change),
            Conflict::Custom(resolve) => resolve(current, change),
        }
    }
}

fn reject_stale(current: Option<&Cells<'_>>, change: &CheckedChange<'_>) -> Result<(), Rejected> {
    let Some(current) = current else {
        return match change.operation {
            Operation::Put | Operation::Delete => Ok(()),
            Operation::Patch => Err(stale("This was deleted before your change of it arrived.")),
        };
    };
    // To put a row that is there is stale, too: its browser did not see one.
    let seen = change.old.as_ref().is_some_and(|old| {
        old.0.iter().all(|(column, cell)| current.get(column.name).is_some_and(|current| current == cell))
    });
    if seen {
        return Ok(());
    }
    Err(stale("This was changed elsewhere before your change of it arrived. Look at it, and decide again."))
}

fn add_to_counters(
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
            return Err(stale("This page is older than the server. Reload it, and make your change again."));
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

fn stale(reason: &str) -> Rejected {
    Rejected::new(Code::Stale, reason.to_owned())
}

fn too_large(table: &Table, column: &Column) -> Rejected {
    let reason = format!("With this change {}.{} would be too large to be stored.", table.name, column.name);
    Rejected::new(Code::TooLarge, reason)
}

/// What in these strategies does not fit the schema crate, a sentence each for the developer who chose them.
pub(crate) fn differences() -> Vec<String> {
    differences_of(STRATEGIES)
}

fn differences_of(strategies: Strategies) -> Vec<String> {
    let untracked = strategies
        .iter()
        .filter(|(table, conflict)| !matches!(conflict, Conflict::LastWriteWins) && !table.track_previous)
        .map(|(table, _)| {
            format!(
                "table {0} has a strategy in server/src/upload/conflict.rs that compares previous values: write `in \"{0}\", track_previous {{` in schema/src/tables.rs",
                table.name
            )
        });
    let counters = strategies.iter().flat_map(|(table, conflict)| {
        let columns = if let Conflict::Counters(columns) = conflict { *columns } else { &[] };
        columns.iter().filter(|name| !is_number(table, name)).map(|name| {
            format!(
                "column {}.{name} is a counter in server/src/upload/conflict.rs, but no column of numbers in schema/src/tables.rs",
                table.name
            )
        })
    });
    untracked.chain(counters).collect()
}

fn is_number(table: &Table, name: &str) -> bool {
    let kind = table.column(name).map(|column| column.kind);
    matches!(kind, Some(ColumnKind::Integer | ColumnKind::Real))
}

#[cfg(test)]
mod tests;
