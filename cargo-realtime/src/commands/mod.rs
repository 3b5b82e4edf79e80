//! One file per command.

pub mod connect_app_to_database;
pub mod create_app;
pub mod create_database;
pub mod database_sync_enable;
pub mod destroy;
pub mod dev;
pub mod doctor;
pub mod down;
mod dry_run;
pub mod generate;
pub mod lint_migrations;
pub mod mcp;
pub mod new;
pub mod pack_template;
pub mod status;
pub mod sync_service;
pub mod test;
pub mod up;
