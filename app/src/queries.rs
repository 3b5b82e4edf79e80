//! Every query of the pages, in SQL that SQLite and Postgres both accept.

use schema::{Invitation, List, Member, Rejection, Row, Todo};
use serde::{Deserialize, Serialize};

use crate::store::Query;

/// A list with how many of its todos are done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListSummary {
    /// The list's id.
    pub id: String,
    /// The list's name.
    pub name: String,
    /// What the user may do on it, a [`schema::sharing::Role`].
    pub role: String,
    /// How many people are on it.
    pub members: i64,
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

/// The lists that the user is on, oldest first. Who has just left one does not see it any more, even before the server
/// knows; and of a list that has just been made, only its owner is known.
pub fn lists(user_id: String) -> Query<ListSummary> {
    Query::new(
        "SELECT lists.id, lists.name, CASE WHEN lists.owner_id = $1 THEN 'owner' ELSE of_list.role END AS role, \
         COALESCE(of_list.members, 1) AS members, \
         COUNT(todos.id) AS todos, COUNT(CASE WHEN todos.done THEN 1 END) AS done \
         FROM lists LEFT JOIN (\
             SELECT list_id, COUNT(*) AS members, MAX(CASE WHEN user_id = $1 THEN role END) AS role \
             FROM members GROUP BY list_id\
         ) AS of_list ON of_list.list_id = lists.id LEFT JOIN todos ON todos.list_id = lists.id \
         WHERE lists.owner_id = $1 OR of_list.role IS NOT NULL \
         GROUP BY lists.id, lists.name, lists.owner_id, lists.created_at, of_list.members, of_list.role \
         ORDER BY lists.created_at, lists.id",
    )
    .bind(user_id)
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

/// Who is on a list, its owner first.
pub fn members(list_id: String) -> Query<Member> {
    Query::new(
        "SELECT id, list_id, user_id, role, name, created_at FROM members WHERE list_id = $1 \
         ORDER BY created_at, id",
    )
    .bind(list_id)
}

/// The links by which others may join a list, oldest first.
pub fn invitations(list_id: String) -> Query<Invitation> {
    Query::new(
        "SELECT id, list_id, owner_id, role, expires_at, uses_left, created_at FROM invitations WHERE list_id = $1 \
         ORDER BY created_at, id",
    )
    .bind(list_id)
}

/// The changes that the server did not take, oldest first.
pub fn rejections() -> Query<Rejection> {
    Query::new(
        "SELECT id, user_id, table_name, row_id, operation, code, reason, created_at, changes FROM rejections \
         ORDER BY created_at, id",
    )
}
