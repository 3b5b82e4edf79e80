//! What pages ask, answered by Postgres: once, while the page is rendered, and under its user's rights.

use std::time::Duration;

use app::store::{Read, Rendered};
use chrono::{DateTime, SecondsFormat, Utc};
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::{
    Column, PgPool, Postgres, Row, Transaction, TypeInfo,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
};

use crate::{cell::Cell, limits};

/// The most rows of a result. They are written into the page, twice, and the browser has the others soon after.
const MOST_ROWS: usize = 200;
/// The most bytes of a result, as JSON.
const MOST_BYTES: usize = 64 * 1024;

/// The connections for reading. They may go through a pooler that gives every transaction another one, so they leave no
/// prepared statement there, and set nothing that a pooler might refuse.
pub(crate) fn pool(options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(limits::PAGE_POOL)
        .acquire_timeout(Duration::from_secs(1))
        .connect_lazy_with(options.clone().extra_float_digits(None))
}

/// The rows that one user may read, at one moment.
pub(crate) struct PostgresStore(Transaction<'static, Postgres>);

/// Why rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Postgres does not give them, and will give no others in this transaction.
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    /// SQLite has no such type, so the browser's result would be another.
    #[error("column {column} is of type {type_name}; cast it to one that the schema crate knows")]
    Type { column: String, type_name: String },
    /// Such as a text with the character U+0000, which Postgres does not have.
    #[error("parameter ${number} cannot be {value} in Postgres")]
    Parameter { number: usize, value: Value },
}

impl PostgresStore {
    /// Opens it for a user.
    pub(crate) async fn open(pool: &PgPool, user_id: &str) -> sqlx::Result<PostgresStore> {
        let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        sqlx::query(
            "SELECT set_config('role', 'app_user', true), set_config('app.user_id', $1, true),
                    set_config('statement_timeout', '1s', true), set_config('lock_timeout', '1s', true),
                    set_config('idle_in_transaction_session_timeout', '15s', true)",
        )
        .bind(user_id)
        .persistent(false)
        .execute(&mut *transaction)
        .await?;
        Ok(PostgresStore(transaction))
    }

    /// The rows of a query, cut where they are many. `None` where the first is too large already, because no rows would mean
    /// that there are none.
    pub(crate) async fn rows(&mut self, read: &Read) -> Result<Option<Rendered>, ReadError> {
        // One more than is shown tells whether there are more.
        let sql = format!("SELECT * FROM ({}) AS page LIMIT {}", read.statement.sql, MOST_ROWS + 1);
        let mut query = sqlx::query(&sql).persistent(false);
        for ((number, value), kind) in (1..).zip(&read.statement.parameters).zip(&read.kinds) {
            query = match Cell::parse(*kind, value) {
                Some(Cell::Text(value)) => query.bind(value),
                Some(Cell::Integer(value)) => query.bind(value),
                Some(Cell::Real(value)) => query.bind(value),
                Some(Cell::Boolean(value)) => query.bind(value),
                Some(Cell::Timestamp(value)) => query.bind(value),
                None => return Err(ReadError::Parameter { number, value: value.clone() }),
            };
        }
        let mut stream = query.fetch(&mut *self.0);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(row) = stream.try_next().await? {
            let row = cells(&row)?;
            bytes += row.to_string().len();
            if rows.len() == MOST_ROWS || bytes > MOST_BYTES {
                return Ok((!rows.is_empty()).then(|| Rendered { rows: rows.into(), cut: true }));
            }
            rows.push(row);
        }
        Ok(Some(Rendered { rows: rows.into(), cut: false }))
    }
}

fn cells(row: &PgRow) -> Result<Value, ReadError> {
    (0..row.len()).map(|index| cell(row, index)).collect()
}

fn cell(row: &PgRow, index: usize) -> Result<Value, ReadError> {
    let column = row.column(index);
    Ok(match column.type_info().name() {
        "TEXT" | "VARCHAR" => row.try_get::<Option<String>, _>(index)?.into(),
        "INT2" => row.try_get::<Option<i16>, _>(index)?.into(),
        "INT4" => row.try_get::<Option<i32>, _>(index)?.into(),
        "INT8" => row.try_get::<Option<i64>, _>(index)?.into(),
        "FLOAT4" => row.try_get::<Option<f32>, _>(index)?.into(),
        "FLOAT8" => row.try_get::<Option<f64>, _>(index)?.into(),
        "BOOL" => row.try_get::<Option<bool>, _>(index)?.map(i64::from).into(),
        "TIMESTAMPTZ" => row.try_get::<Option<DateTime<Utc>>, _>(index)?.map(timestamp).into(),
        type_name => {
            let (column, type_name) = (column.name().to_owned(), type_name.to_owned());
            return Err(ReadError::Type { column, type_name });
        }
    })
}

/// As PowerSync writes it, see [`schema::Timestamp`].
fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests;
