//! The schema of the browser's SQLite database.

use serde_json::{Value, json};

use crate::{TABLES, Table};

/// The schema as the PowerSync SDK takes it: `{"tables": [{"name", "columns": [{"name", "type"}]}]}`.
///
/// An update that changes no value makes no upload (`ignore_empty_update`). `include_old` is what the SDK calls
/// `trackPrevious`.
pub fn client_schema() -> Value {
    json!({ "tables": TABLES.iter().map(|table| client_table(table)).collect::<Vec<_>>() })
}

fn client_table(table: &Table) -> Value {
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| json!({ "name": column.name, "type": column.kind.sqlite() }))
        .collect();
    json!({
        "name": table.name,
        "columns": columns,
        "ignore_empty_update": true,
        "include_old": table.track_previous,
    })
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
                "include_old": false,
            })
        );
        assert_eq!(client_schema()["tables"].as_array().unwrap().len(), TABLES.len());
    }

    #[test]
    fn a_browser_sends_previous_values_where_the_table_asks_for_them() {
        const GOODS: Table = Table::new("goods", &[]).track_previous();
        assert_eq!(client_table(&GOODS)["include_old"], json!(true));
    }
}
