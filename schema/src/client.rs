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
    use crate::{Column, Timestamp};

    #[test]
    fn a_table_as_the_browser_takes_it() {
        const COLUMNS: &[Column] = &[
            Column::of::<String>("name"),
            Column::of::<Option<i64>>("amount"),
            Column::of::<f64>("weight"),
            Column::of::<bool>("sold"),
            Column::of::<Timestamp>("made_at"),
        ];
        const GOODS: Table = Table::new("goods", COLUMNS);
        assert_eq!(
            client_table(&GOODS),
            json!({
                "name": "goods",
                "columns": [
                    { "name": "name", "type": "TEXT" },
                    { "name": "amount", "type": "INTEGER" },
                    { "name": "weight", "type": "REAL" },
                    { "name": "sold", "type": "INTEGER" },
                    { "name": "made_at", "type": "TEXT" },
                ],
                "ignore_empty_update": true,
                "include_old": false,
            })
        );
        assert_eq!(client_table(&GOODS.track_previous())["include_old"], json!(true));
    }

    #[test]
    fn every_table_reaches_the_browser() {
        let schema = client_schema();
        let names: Vec<_> = schema["tables"].as_array().unwrap().iter().map(|table| &table["name"]).collect();
        assert_eq!(names, TABLES.iter().map(|table| table.name).collect::<Vec<_>>());
    }
}
