//! Another try of what the server did not take.

use schema::upload::{Change, Operation};
use schema::{Column, Table};
use serde_json::Value;

use super::Statement;

impl Statement {
    /// What makes a change anew in the local database. Names in it come from the schema crate, so of a change that an older
    /// version of the app has made, what this one does not know is left out.
    pub fn redo(change: &Change) -> Vec<Statement> {
        let Some(table) = Table::named(&change.table) else { return Vec::new() };
        match change.op {
            // The tables of the local database are views, which know no `ON CONFLICT`.
            Operation::Put => {
                [update(table, change), Some(insert(table, change))].into_iter().flatten().collect()
            }
            Operation::Patch => update(table, change).into_iter().collect(),
            Operation::Delete => {
                let sql = format!("DELETE FROM {} WHERE id = $1", table.name);
                vec![Statement { sql, parameters: vec![Value::from(change.id.as_str())] }]
            }
        }
    }

    /// Deletes the notice of a rejection whose changes have been made anew. It stays where one could not be made because
    /// its row is not on this device any more, as when its user has been removed from a list, and may be back one day.
    pub fn delete_redone(rejection_id: String, changes: &[Change]) -> Statement {
        let deleted = |change: &Change| {
            changes.iter().any(|other| other.op == Operation::Delete && other.id == change.id)
        };
        let patched = changes.iter().filter(|change| change.op == Operation::Patch && !deleted(change));
        let mut statement = Statement::new("DELETE FROM rejections WHERE id = $1").bind(rejection_id);
        for change in patched {
            let Some(table) = Table::named(&change.table) else { continue };
            statement.parameters.push(Value::from(change.id.as_str()));
            let (table, number) = (table.name, statement.parameters.len());
            statement.sql += &format!(" AND EXISTS (SELECT 1 FROM {table} WHERE id = ${number})");
        }
        statement
    }
}

fn update(table: &Table, change: &Change) -> Option<Statement> {
    let (columns, parameters) = cells(table, change);
    let assignments: Vec<_> =
        columns.iter().zip(1..).map(|(column, number)| format!("{} = ${number}", column.name)).collect();
    let sql =
        format!("UPDATE {} SET {} WHERE id = ${}", table.name, assignments.join(", "), parameters.len());
    (!columns.is_empty()).then_some(Statement { sql, parameters })
}

/// Does nothing where the row is there.
fn insert(table: &Table, change: &Change) -> Statement {
    let (columns, parameters) = cells(table, change);
    let names: String = columns.iter().map(|column| format!("{}, ", column.name)).collect();
    let values: Vec<_> = (1..=parameters.len()).map(|number| format!("${number}")).collect();
    let sql = format!(
        "INSERT INTO {table} ({names}id) SELECT {values} WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE id = ${id})",
        table = table.name,
        values = values.join(", "),
        id = parameters.len()
    );
    Statement { sql, parameters }
}

/// The columns that the change writes, and their values with the row's id as the last.
fn cells(table: &Table, change: &Change) -> (Vec<&'static Column>, Vec<Value>) {
    let cell = |column: &'static Column| Some((column, change.data.as_ref()?.get(column.name)?.clone()));
    let (columns, mut values): (Vec<_>, Vec<_>) = table.columns.iter().filter_map(cell).unzip();
    values.push(Value::from(change.id.as_str()));
    (columns, values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(op: Operation, table: &str, id: &str, data: Value) -> Change {
        Change {
            op_id: 1,
            op,
            table: table.to_owned(),
            id: id.to_owned(),
            data: data.as_object().cloned(),
            old: None,
        }
    }

    fn redo(op: Operation, table: &str, data: Value) -> Vec<(String, Vec<Value>)> {
        let statements = Statement::redo(&change(op, table, "t", data));
        statements.into_iter().map(|statement| (statement.sql, statement.parameters)).collect()
    }

    #[test]
    fn a_put_replaces_the_row_or_makes_it() {
        let data = json!({ "title": "Milk", "list_id": "l", "done": 1 });
        let parameters = vec![json!("l"), json!("Milk"), json!(1), json!("t")];
        assert_eq!(
            redo(Operation::Put, "todos", data),
            [
                (
                    "UPDATE todos SET list_id = $1, title = $2, done = $3 WHERE id = $4".to_owned(),
                    parameters.clone()
                ),
                (
                    "INSERT INTO todos (list_id, title, done, id) SELECT $1, $2, $3, $4 \
                     WHERE NOT EXISTS (SELECT 1 FROM todos WHERE id = $4)"
                        .to_owned(),
                    parameters
                ),
            ]
        );
    }

    #[test]
    fn a_put_without_columns_makes_the_row() {
        let sql = "INSERT INTO todos (id) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM todos WHERE id = $1)";
        assert_eq!(redo(Operation::Put, "todos", json!(null)), [(sql.to_owned(), vec![json!("t")])]);
    }

    #[test]
    fn a_patch_sets_its_columns_and_a_delete_deletes() {
        assert_eq!(
            redo(Operation::Patch, "todos", json!({ "title": null })),
            [("UPDATE todos SET title = $1 WHERE id = $2".to_owned(), vec![json!(null), json!("t")])]
        );
        assert_eq!(
            redo(Operation::Delete, "todos", json!(null)),
            [("DELETE FROM todos WHERE id = $1".to_owned(), vec![json!("t")])]
        );
    }

    #[test]
    fn what_the_schema_does_not_know_never_reaches_sqlite() {
        assert_eq!(redo(Operation::Delete, "ps_crud", json!(null)), []);
        assert_eq!(redo(Operation::Patch, "todos", json!({ "title = 'x' --": 1 })), []);
        assert_eq!(
            redo(Operation::Patch, "todos", json!({ "title": "Milk", "colour": "white" })),
            [("UPDATE todos SET title = $1 WHERE id = $2".to_owned(), vec![json!("Milk"), json!("t")])]
        );
    }

    #[test]
    fn a_notice_stays_while_a_row_that_was_to_be_changed_is_missing() {
        let changes = [
            change(Operation::Put, "todos", "a", json!({})),
            change(Operation::Patch, "todos", "b", json!({ "done": 1 })),
            change(Operation::Patch, "todos", "c", json!({ "done": 1 })),
            change(Operation::Delete, "todos", "c", json!(null)),
            change(Operation::Patch, "unknown", "d", json!({})),
        ];
        let statement = Statement::delete_redone("r".to_owned(), &changes);
        assert_eq!(
            statement.sql,
            "DELETE FROM rejections WHERE id = $1 AND EXISTS (SELECT 1 FROM todos WHERE id = $2)"
        );
        assert_eq!(statement.parameters, [json!("r"), json!("b")]);
    }
}
