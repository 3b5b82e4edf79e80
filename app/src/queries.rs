//! Every query of the pages, in SQL that SQLite and Postgres both accept.

use schema::{List, Rejection, Row, Todo};
use serde::{Deserialize, Serialize};

use crate::store::Query;

/// A list with how many of its todos are done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListSummary {
    /// The list's id.
    pub id: String,
    /// The list's name.
    pub name: String,
    /// How many todos it has.
    pub todos: i64,
    /// How many of them are done.
    pub done: i64,
}

impl Row for ListSummary {
    fn id(&self) -> &str {
        &self.id
    }
}

/// All lists, oldest first.
pub fn lists() -> Query<ListSummary> {
    Query::new(
        "SELECT lists.id, lists.name, COUNT(todos.id) AS todos, COUNT(CASE WHEN todos.done THEN 1 END) AS done \
         FROM lists LEFT JOIN todos ON todos.list_id = lists.id \
         GROUP BY lists.id, lists.name, lists.created_at ORDER BY lists.created_at, lists.id",
    )
}

/// The list of that id: one row or none.
pub fn list(id: String) -> Query<List> {
    Query::new("SELECT id, owner_id, name, created_at FROM lists WHERE id = $1").bind(id)
}

/// The todos of a list, oldest first.
pub fn todos(list_id: String) -> Query<Todo> {
    Query::new(
        "SELECT id, list_id, title, done, created_at FROM todos WHERE list_id = $1 ORDER BY created_at, id",
    )
    .bind(list_id)
}

/// The changes that the server did not take, oldest first.
pub fn rejections() -> Query<Rejection> {
    Query::new(
        "SELECT id, user_id, table_name, row_id, operation, code, reason, created_at FROM rejections \
         ORDER BY created_at, id",
    )
}
