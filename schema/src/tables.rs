//! The tables of this app. To add one: write it here, write its migration, add it to the sync config.

use crate::table::{Table, table};
use crate::{TableRow, Timestamp};

table! {
    /// A list of todos. Who may read and change it is in [`Member`].
    pub struct List in "lists" {
        /// The user who made the list. It stays theirs.
        pub owner_id: String,
        /// What the list is called; Postgres takes 1 to 200 characters.
        pub name: String,
        /// When it was made, by the clock of the browser that made it.
        pub created_at: Timestamp,
    }
}

table! {
    /// One thing to do, on a [`List`].
    pub struct Todo in "todos" {
        /// The list that it is on.
        pub list_id: String,
        /// What is to be done; Postgres takes 1 to 500 characters.
        pub title: String,
        /// Whether it is done.
        pub done: bool,
        /// When it was made, by the clock of the browser that made it.
        pub created_at: Timestamp,
    }
}

table! {
    /// Somebody who is on a [`List`]. The server writes these rows: the owner's when the list is made, the others' when
    /// they follow an [`Invitation`]. A browser may delete them, and change the role.
    pub struct Member in "members" {
        /// The list.
        pub list_id: String,
        /// The user who is on it.
        pub user_id: String,
        /// What they may do: `owner`, `editor` or `reader`.
        pub role: String,
        /// What they are called; `None` for a guest.
        pub name: Option<String>,
        /// Since when they are on the list.
        pub created_at: Timestamp,
    }
}

table! {
    /// A link by which others join a [`List`]. Only the list's owner sees and makes these; the id is what the link's
    /// address ends in, and everybody who knows it may join while it is valid.
    pub struct Invitation in "invitations" {
        /// The list.
        pub list_id: String,
        /// The list's owner.
        pub owner_id: String,
        /// What who joins by it may do: `editor` or `reader`.
        pub role: String,
        /// Until when it is valid. Postgres says so: `None` in a browser that has not sent it yet.
        pub expires_at: Option<Timestamp>,
        /// How many people may still join by it; `None` for any number.
        pub uses_left: Option<i64>,
        /// When it was made, by the clock of the browser that made it.
        pub created_at: Timestamp,
    }
}

table! {
    /// A change that the server did not take, kept until its user dismisses it. The server writes these rows;
    /// a browser may only delete them.
    pub struct Rejection in "rejections" {
        /// The user whose change it was.
        pub user_id: String,
        /// The table that the change was for.
        pub table_name: String,
        /// The row that the change was for.
        pub row_id: String,
        /// What the change was: `PUT`, `PATCH` or `DELETE`.
        pub operation: String,
        /// Why it was rejected, as a stable word for programs ([`crate::upload::Code`]).
        pub code: String,
        /// Why it was rejected, as a sentence for people.
        pub reason: String,
        /// When the server rejected it.
        pub created_at: Timestamp,
        /// All changes of its client transaction, as the JSON of a list of [`crate::upload::Change`]s; `None` where they
        /// are too large to be kept.
        pub changes: Option<String>,
    }
}

/// Every synced table.
pub const TABLES: &[&Table] = &[List::TABLE, Todo::TABLE, Member::TABLE, Invitation::TABLE, Rejection::TABLE];
