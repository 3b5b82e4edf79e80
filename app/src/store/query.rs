//! What pages ask a database.

use std::marker::PhantomData;

use schema::{ColumnKind, ColumnType, TableRow};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A read, with the type of the rows it returns.
///
/// The text is SQL that SQLite and Postgres both accept; parameters are `$1`, `$2` and so on, in the order in which
/// they first appear. The columns come in the order of the row type's fields.
#[derive(Clone, Debug)]
pub struct Query<R> {
    /// What it asks.
    pub read: Read,
    rows: PhantomData<fn() -> R>,
}

/// What a query asks, whatever its rows are.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The SQL with its parameters.
    pub statement: Statement,
    /// What each parameter is, which its value as SQLite stores it does not tell.
    pub kinds: Vec<ColumnKind>,
}

impl<R> Query<R> {
    /// A query without parameters yet.
    pub fn new(sql: &'static str) -> Query<R> {
        Query { read: Read { statement: Statement::new(sql), kinds: Vec::new() }, rows: PhantomData }
    }

    /// Adds the next parameter.
    pub fn bind<T: ColumnType>(mut self, value: T) -> Query<R> {
        self.read.statement = self.read.statement.bind(value);
        self.read.kinds.push(T::KIND);
        self
    }
}

/// A piece of SQL with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// The text.
    pub sql: String,
    /// The parameters, `$1` first, as SQLite stores them.
    pub parameters: Vec<Value>,
}

impl Statement {
    /// A statement without parameters yet.
    pub fn new(sql: &str) -> Statement {
        Statement { sql: sql.to_owned(), parameters: Vec::new() }
    }

    /// Adds the next parameter.
    pub fn bind(mut self, value: impl ColumnType) -> Statement {
        self.parameters.push(value.write());
        self
    }

    /// Inserts a whole row.
    pub fn insert<R: TableRow>(row: &R) -> Statement {
        let values = match serde_json::to_value(row) {
            Ok(Value::Object(values)) => values,
            // A row is a struct with string keys, which always serializes to an object.
            _ => serde_json::Map::new(),
        };
        let columns: Vec<&str> = values.keys().map(String::as_str).collect();
        let parameters: Vec<String> = (1..=columns.len()).map(|number| format!("${number}")).collect();
        Statement {
            sql: format!(
                "INSERT INTO {} ({}) VALUES ({})",
                R::TABLE.name,
                columns.join(", "),
                parameters.join(", ")
            ),
            parameters: values.into_iter().map(|(_, value)| value).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use schema::{Timestamp, Todo};
    use serde_json::json;

    use super::*;

    #[test]
    fn insert_binds_every_column_as_sqlite_stores_it() {
        let statement = Statement::insert(&Todo {
            id: "t".to_owned(),
            list_id: "l".to_owned(),
            title: "Milk".to_owned(),
            done: true,
            created_at: Timestamp("2026-11-22T16:22:09.954000Z".to_owned()),
        });
        assert_eq!(
            statement.sql,
            "INSERT INTO todos (created_at, done, id, list_id, title) VALUES ($1, $2, $3, $4, $5)"
        );
        assert_eq!(
            statement.parameters,
            [json!("2026-11-22T16:22:09.954000Z"), json!(1), json!("t"), json!("l"), json!("Milk")]
        );
    }
}
