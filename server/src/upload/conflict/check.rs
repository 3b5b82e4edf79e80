//! The check, at start, that the strategies fit the schema crate.

use schema::{ColumnKind, Table};

use super::{Conflict, STRATEGIES, Strategies};

/// What in these strategies does not fit the schema crate, a sentence each for the developer who chose them.
pub(crate) fn differences() -> Vec<String> {
    differences_in(STRATEGIES)
}

pub(super) fn differences_in(strategies: Strategies) -> Vec<String> {
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
