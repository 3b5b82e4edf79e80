//! The SQL of a change. Names in it come from the schema crate, and values are bound: nothing that a browser sends is
//! ever read as SQL.

use schema::upload::Operation;
use serde_json::{Map, Value};
use sqlx::{PgConnection, Postgres, QueryBuilder, types::Json};

use super::change::CheckedChange;
use crate::cell::Cell;

/// Writes a change and returns how many rows that changed. Whose rows those may be is up to the policies in Postgres.
pub(super) async fn write(connection: &mut PgConnection, change: &CheckedChange<'_>) -> sqlx::Result<u64> {
    let mut statement = match change.operation {
        Operation::Put => put(change),
        Operation::Patch => patch(change),
        Operation::Delete => delete(change),
    };
    Ok(statement.build().execute(connection).await?.rows_affected())
}

/// Reads the row as it is, and keeps others from changing it until the transaction ends.
pub(super) async fn lock(
    connection: &mut PgConnection,
    change: &CheckedChange<'_>,
) -> sqlx::Result<Option<Map<String, Value>>> {
    // A row that is yet to be made has nothing that could be locked, and two browsers may make it at once.
    if change.operation == Operation::Put {
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, hashtext($2)))")
            .bind(change.id)
            .bind(change.table.name)
            .execute(&mut *connection)
            .await?;
    }
    let table = change.table.name;
    let row: Option<Json<Map<String, Value>>> =
        sqlx::query_scalar(&format!("SELECT to_jsonb({table}.*) FROM {table} WHERE id = $1 FOR UPDATE"))
            .bind(change.id)
            .fetch_optional(connection)
            .await?;
    Ok(row.map(|row| row.0))
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
        .filter(|column| column.nullable && change.cells.0.iter().all(|(sent, _)| sent.name != column.name))
        .map(|column| column.name)
        .collect();
    let names: Vec<_> =
        change.cells.0.iter().map(|(column, _)| column.name).chain(absent.iter().copied()).collect();

    let mut statement = QueryBuilder::new(format!("INSERT INTO {} (id", change.table.name));
    for name in &names {
        statement.push(format_args!(", {name}"));
    }
    statement.push(") VALUES (").push_bind(change.id);
    for (_, cell) in &change.cells.0 {
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
    for (column, cell) in &change.cells.0 {
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
        Cell::Text(value) => statement.push_bind(value.as_deref()),
        Cell::Integer(value) => statement.push_bind(*value),
        Cell::Real(value) => statement.push_bind(*value),
        Cell::Boolean(value) => statement.push_bind(*value),
        Cell::Timestamp(value) => statement.push_bind(*value),
    };
}
