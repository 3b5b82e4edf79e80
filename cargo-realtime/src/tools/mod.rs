//! The four tools, as the commands and the MCP server call them: one file each, with the arguments and the result that
//! both doors share.
//!
//! Arguments and results are written in camelCase, as the names of the tools' arguments are (`databaseId`, `appId`). No
//! result holds a secret.

mod connect_app_to_database;
mod create_app;
mod create_database;
mod database_sync_enable;

pub use connect_app_to_database::{AppConnected, ConnectAppToDatabase};
pub use create_app::{AppCreated, CreateApp};
pub use create_database::{CreateDatabase, DatabaseCreated};
pub use database_sync_enable::{DatabaseSyncEnable, SyncEnabled};
