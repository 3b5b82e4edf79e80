//! `cargo realtime generate`: writes into an app what a new table takes, from the migration to the pages.
//!
//! Everything is worked out before anything is written, and files that people have edited are changed only by insertions.

mod changes;
mod column;
mod names;
mod rust_file;
mod rustfmt;
mod sync_config;
mod table;
mod templates;

pub use changes::FileChange;
pub use column::Column;
pub use table::{Generated, Request, table};
