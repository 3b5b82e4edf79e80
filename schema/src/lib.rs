//! The one definition of the data: which tables there are, their columns, their rows as Rust types, and how a
//! browser's changes travel to the server.
//!
//! Everything else that needs to know a table asks here: the browser's SQLite schema ([`client_schema`]), the
//! allow-list of `POST /api/sync` ([`Table::named`]) and the comparison with Postgres at start
//! ([`Table::differences`]). The only other places that name tables are the SQL in `migrations/` and the sync
//! config, and both are checked against this crate.

pub mod account;
mod client;
mod column;
mod postgres;
pub mod queue;
mod row;
pub mod sharing;
mod table;
mod tables;
mod timestamp;
pub mod upload;

pub use client::client_schema;
pub use column::{Column, ColumnKind, ColumnType};
pub use postgres::PostgresColumn;
pub use row::{Row, TableRow};
pub use table::Table;
pub use tables::{Invitation, List, Member, Rejection, TABLES, Todo};
pub use timestamp::Timestamp;
