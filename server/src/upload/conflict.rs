//! What becomes of a row that two users changed. **This is the place to decide that differently.**
//!
//! By default the last write wins, column by column: a change is written as it arrives, and touches only the columns
//! that its user changed. So when one user renames a list while another, offline, changes its color, both changes last;
//! when both rename it, the name that reached the server last does. A deleted row stays deleted: a later change to it
//! finds nothing to change.
//!
//! The row as it is in Postgres is here, within the transaction. To reject a change that is based on an old row, for
//! instance, compare a version column in the `WHERE` of [`patch`]; a change that writes no row although its row exists
//! is rejected. For a single table, match on `change.table.name` in [`write`].

use schema::upload::Operation;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::change::{Cell, CheckedChange};

/// Writes a change and returns how many rows that changed. Whose rows those may be is up to the policies in Postgres.
pub(super) async fn write(connection: &mut PgConnection, change: &CheckedChange<'_>) -> sqlx::Result<u64> {
    let mut statement = match change.operation {
        Operation::Put => put(change),
        Operation::Patch => patch(change),
        Operation::Delete => delete(change),
    };
    Ok(statement.build().execute(connection).await?.rows_affected())
}

/// The row is inserted or, where it exists, replaced.
///
/// A browser leaves out what is `NULL`. In a column that may not be `NULL` it cannot have meant that: it has an older
/// schema, which lacks the column. So there the column keeps its value, or gets its default in a new row.
fn put<'a>(change: &'a CheckedChange<'a>) -> QueryBuilder<'a, Postgres> {
    let absent: Vec<_> = change
        .table
        .columns
        .iter()
        .filter(|column| column.nullable && change.cells.iter().all(|(sent, _)| sent.name != column.name))
        .map(|column| column.name)
        .collect();
    let names: Vec<_> =
        change.cells.iter().map(|(column, _)| column.name).chain(absent.iter().copied()).collect();

    let mut statement = QueryBuilder::new(format!("INSERT INTO {} (id", change.table.name));
    for name in &names {
        statement.push(format_args!(", {name}"));
    }
    statement.push(") VALUES (").push_bind(change.id);
    for (_, cell) in &change.cells {
        statement.push(", ");
        push_cell(&mut statement, cell);
    }
    for _ in &absent {
        statement.push(", NULL");
    }
    statement.push(") ON CONFLICT (id) DO UPDATE SET id = excluded.id");
    for name in &names {
        statement.push(format_args!(", {name} = excluded.{name}"));
    }
    statement
}

/// The columns that were changed are set, the others keep what anybody else has written.
fn patch<'a>(change: &'a CheckedChange<'a>) -> QueryBuilder<'a, Postgres> {
    let mut statement = QueryBuilder::new(format!("UPDATE {} SET id = id", change.table.name));
    for (column, cell) in &change.cells {
        statement.push(format_args!(", {} = ", column.name));
        push_cell(&mut statement, cell);
    }
    statement.push(" WHERE id = ").push_bind(change.id);
    statement
}

fn delete<'a>(change: &'a CheckedChange<'a>) -> QueryBuilder<'a, Postgres> {
    let mut statement = QueryBuilder::new(format!("DELETE FROM {} WHERE id = ", change.table.name));
    statement.push_bind(change.id);
    statement
}

fn push_cell<'a>(statement: &mut QueryBuilder<'a, Postgres>, cell: &'a Cell<'a>) {
    match cell {
        Cell::Text(value) => statement.push_bind(*value),
        Cell::Integer(value) => statement.push_bind(*value),
        Cell::Real(value) => statement.push_bind(*value),
        Cell::Boolean(value) => statement.push_bind(*value),
        Cell::Timestamp(value) => statement.push_bind(*value),
    };
}
