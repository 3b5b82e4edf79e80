//! How many rows a user may have: as many as a device can hold, because each device of theirs holds all that they may read.
//!
//! To count them takes longer than most uploads. So what a user has put is added up, and only where the sum comes to the
//! limit are the rows counted. What others put on a list that is shared counts for them, not here.

use schema::{Rejection, Table, TableRow};
use sqlx::PgConnection;

use super::limits;
use crate::rights::act_as;

/// Whether the user has too many rows, now that `put` have been put. It takes on the server's own role.
pub(super) async fn exceeded(
    connection: &mut PgConnection,
    tables: &[&Table],
    user_id: &str,
    put: usize,
) -> sqlx::Result<bool> {
    if put == 0 {
        return Ok(false);
    }
    act_as(connection, "none", user_id).await?;
    let at_most: Option<i64> = sqlx::query_scalar(
        "UPDATE row_counts SET at_most = at_most + $2 WHERE user_id = $1 RETURNING at_most",
    )
    .bind(user_id)
    .bind(put as i64)
    .fetch_optional(&mut *connection)
    .await?;
    if at_most.is_some_and(|rows| rows <= limits::ROWS) {
        return Ok(false);
    }
    let rows = count(connection, tables, user_id).await?;
    if rows > limits::ROWS {
        return Ok(true);
    }
    sqlx::query(
        "INSERT INTO row_counts (user_id, at_most) VALUES ($1, $2)
         ON CONFLICT (user_id) DO UPDATE SET at_most = excluded.at_most",
    )
    .bind(user_id)
    .bind(rows)
    .execute(connection)
    .await?;
    Ok(false)
}

/// The rows that the user may read, but for notices, which the server writes.
async fn count(connection: &mut PgConnection, tables: &[&Table], user_id: &str) -> sqlx::Result<i64> {
    act_as(connection, "app_user", user_id).await?;
    let own = tables.iter().filter(|table| table.name != Rejection::TABLE.name);
    let counts: Vec<_> = own.map(|table| format!("(SELECT count(*) FROM {})", table.name)).collect();
    let rows =
        sqlx::query_scalar(&format!("SELECT {}", counts.join(" + "))).fetch_one(&mut *connection).await?;
    act_as(connection, "none", user_id).await?;
    Ok(rows)
}
