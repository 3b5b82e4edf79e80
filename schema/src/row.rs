//! Rows as Rust types.

use serde::{Serialize, de::DeserializeOwned};

use crate::Table;

/// A row that a query returns, with the id by which lists of rows are compared.
pub trait Row: Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The id, unique among the rows of one result.
    fn id(&self) -> &str;
}

/// A whole row of a synced table.
pub trait TableRow: Row {
    /// The table.
    const TABLE: &'static Table;
}
