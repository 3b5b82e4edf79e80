//! The schema of the browser's SQLite database.

use serde_json::{Value, json};

use crate::{TABLES, Table};

/// The schema as the PowerSync SDK takes it: `{"tables": [{"name", "columns": [{"name", "type"}]}]}`.
///
/// An update that changes no value makes no upload (`ignore_empty_update`).
pub fn client_schema() -> Value {
    json!({ "tables": TABLES.iter().map(|table| client_table(table)).collect::<Vec<_>>() })
}

fn client_table(table: &Table) -> Value {
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| json!({ "name": column.name, "type": column.kind.sqlite() }))
        .collect();
    json!({ "name": table.name, "columns": columns, "ignore_empty_update": true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_reaches_the_browser() {
        assert_eq!(
            client_schema()["tables"][1],
            json!({
                "name": "todos",
                "columns": [
                    { "name": "list_id", "type": "TEXT" },
                    { "name": "title", "type": "TEXT" },
                    { "name": "done", "type": "INTEGER" },
                    { "name": "created_at", "type": "TEXT" },
                ],
                "ignore_empty_update": true,
            })
        );
        assert_eq!(client_schema()["tables"].as_array().unwrap().len(), TABLES.len());
    }
}
