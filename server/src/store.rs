//! What pages ask, answered by Postgres: once, while the page is rendered, and under its user's rights.

use std::time::Duration;

use app::store::Statement;
use chrono::{DateTime, SecondsFormat, Utc};
use schema::ColumnKind;
use serde_json::Value;
use sqlx::{
    Column, Either, Executor, PgPool, Postgres, Row, Statement as _, Transaction, TypeInfo,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow, PgTypeInfo},
};

use crate::{
    cell::Cell,
    rights::{APP_USER, act_as},
};

/// The most rows of a result. They are written into the page, twice, and the browser has the others soon after.
const MOST_ROWS: usize = 200;

/// The connections for reading. They may go through a pooler that gives every transaction another one, so nothing is left
/// on one of them.
pub(crate) fn pool(options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        // A page can do without rows, and better than it can wait.
        .acquire_timeout(Duration::from_secs(1))
        .connect_lazy_with(options.clone().statement_cache_capacity(0).extra_float_digits(None))
}

/// The rows that one user may read, at one moment.
pub(crate) struct PostgresStore(Transaction<'static, Postgres>);

/// Why rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Postgres does not give them.
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
        transaction.execute("SET LOCAL statement_timeout = '1s'").await?;
        act_as(&mut transaction, APP_USER, user_id).await?;
        Ok(PostgresStore(transaction))
    }

    /// The rows of a statement, at most [`MOST_ROWS`]: a JSON array of rows, each an array of its columns as SQLite has them.
    pub(crate) async fn rows(&mut self, statement: &Statement) -> Result<Value, ReadError> {
        let sql = format!("SELECT * FROM ({}) AS page LIMIT {MOST_ROWS}", statement.sql);
        let prepared = self.0.prepare(&sql).await?;
        let types = match prepared.parameters() {
            Some(Either::Left(types)) => types,
            _ => &[],
        };
        let mut query = sqlx::query(&sql);
        for ((number, value), parameter) in (1..).zip(&statement.parameters).zip(types) {
            query = match kind(parameter).and_then(|kind| Cell::parse(kind, value)) {
                Some(Cell::Text(value)) => query.bind(value),
                Some(Cell::Integer(value)) => query.bind(value),
                Some(Cell::Real(value)) => query.bind(value),
                Some(Cell::Boolean(value)) => query.bind(value),
                Some(Cell::Timestamp(value)) => query.bind(value),
                None => return Err(ReadError::Parameter { number, value: value.clone() }),
            };
        }
        let rows = query.fetch_all(&mut *self.0).await?;
        rows.iter().map(cells).collect()
    }
}

/// The type of the schema crate that a parameter of this type has.
fn kind(parameter: &PgTypeInfo) -> Option<ColumnKind> {
    match parameter.name() {
        "TEXT" | "VARCHAR" => Some(ColumnKind::Text),
        "INT2" | "INT4" | "INT8" => Some(ColumnKind::Integer),
        "FLOAT4" | "FLOAT8" => Some(ColumnKind::Real),
        "BOOL" => Some(ColumnKind::Boolean),
        "TIMESTAMPTZ" => Some(ColumnKind::Timestamp),
        _ => None,
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
