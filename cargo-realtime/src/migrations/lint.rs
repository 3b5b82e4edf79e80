//! Finds the changes of synced tables that never reach rows which have been synced already.
//!
//! A sync service sends a row when the row is written. A column that is added with a default, dropped, renamed or given
//! another type changes all rows at once without writing any of them as far as replication sees, so the browsers keep the
//! rows as they were. Updating every row, though it changes nothing, sends them again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use sqlparser::ast::{
    AlterColumnOperation, AlterTableOperation, ColumnDef, ColumnOption, Expr, FromTable, Ident, ObjectName,
    ObjectType, RenameTableNameKind, Statement, TableFactor, Value,
};

use super::Migration;
use super::statements::{Part, split};

/// A change that does not reach rows already synced.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// The migration, from the app's root.
    pub file: PathBuf,
    /// The line of the change, from 1.
    pub line: u64,
    /// The synced table, by the name that it has after all migrations.
    pub table: String,
    /// The column.
    pub column: String,
    /// What is done to the column.
    pub change: Change,
    /// What will happen, as a sentence.
    pub message: String,
    /// The statement that sends every row of the table again; it belongs into a new migration.
    pub fix: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "warning: {}:{}: {}.{}: {}",
            self.file.display(),
            self.line,
            self.table,
            self.column,
            self.message
        )?;
        write!(f, "  send them again, in a new migration: {}", self.fix)
    }
}

/// What is done to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It is new, and existing rows get a value that is not `NULL`.
    AddedWithValue,
    /// It is gone.
    Dropped,
    /// It has another name.
    Renamed,
    /// It has another type.
    TypeChanged,
}

/// The warnings for a set of migrations, in the order in which they run.
pub fn lint(migrations: &[Migration]) -> Vec<Warning> {
    let mut history = History::default();
    for migration in migrations {
        history.fresh.clear();
        for part in split(&migration.text) {
            history.read(&migration.path, &part);
        }
    }
    history.warnings
}

/// A migration that sends the rows of all these tables again: its path and its text.
pub fn fix(migrations: &[Migration], warnings: &[Warning]) -> Result<(PathBuf, String)> {
    let path = super::next_path(migrations, "send_existing_rows_again")?;
    let mut updates = BTreeMap::<&str, Vec<String>>::new();
    for warning in warnings {
        let reason = format!(
            "--   {}.{} ({}:{})",
            warning.table,
            warning.column,
            warning.file.display(),
            warning.line
        );
        updates.entry(&warning.fix).or_default().push(reason);
    }
    let mut text = "-- These columns were changed for all rows at once, which replication does not see. Updating a row, though it changes\n\
                    -- nothing, sends it to the browsers again.\n"
        .to_owned();
    for (update, reasons) in updates {
        text.push_str(&format!("\n{}\n{update}\n", reasons.join("\n")));
    }
    Ok((path, text))
}

/// What is known after the statements read so far.
#[derive(Default)]
struct History {
    /// The tables of the publication `powersync`.
    published: BTreeSet<String>,
    /// The tables that the current migration has made or published: nobody has their rows yet.
    fresh: BTreeSet<String>,
    warnings: Vec<Warning>,
}

impl History {
    fn read(&mut self, file: &Path, part: &Part) {
        let Some(statement) = &part.statement else { return self.publication(&part.words) };
        match statement {
            Statement::CreateTable(create) => drop(self.fresh.insert(table_name(&create.name))),
            Statement::AlterTable(alter) => {
                for operation in &alter.operations {
                    self.alter(file, part.line, &table_name(&alter.name), operation);
                }
            }
            Statement::Update(update) if update.selection.is_none() && update.from.is_none() => {
                self.all_sent(&update.table.relation);
            }
            // Rows that are gone cannot be stale.
            Statement::Delete(delete) if delete.selection.is_none() && delete.using.is_none() => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                from.iter().for_each(|table| self.all_sent(&table.relation));
            }
            Statement::Truncate(truncate) => {
                truncate.table_names.iter().for_each(|table| self.forget(&table_name(&table.name)));
            }
            Statement::Drop { object_type: ObjectType::Table, names, .. } => {
                names.iter().for_each(|name| self.forget(&table_name(name)));
            }
            _ => {}
        }
    }

    fn alter(&mut self, file: &Path, line: u64, table: &str, operation: &AlterTableOperation) {
        if let AlterTableOperation::RenameTable { table_name: name } = operation {
            let (RenameTableNameKind::As(name) | RenameTableNameKind::To(name)) = name;
            return self.rename(table, &table_name(name));
        }
        if !self.published.contains(table) || self.fresh.contains(table) {
            return;
        }
        for (column, change, what) in changes(operation) {
            let message = format!(
                "browsers keep the rows of {table} that they already have {what}, until somebody changes the row: replication does not see \
                 that all rows were changed at once"
            );
            self.warnings.push(Warning {
                file: file.to_owned(),
                // A parser that has no place for a word says line 0.
                line: column.span.start.line.max(line),
                table: table.to_owned(),
                column: name(column),
                change,
                message,
                fix: update(table),
            });
        }
    }

    fn all_sent(&mut self, relation: &TableFactor) {
        if let TableFactor::Table { name, .. } = relation {
            self.forget(&table_name(name));
        }
    }

    fn forget(&mut self, table: &str) {
        self.warnings.retain(|warning| warning.table != table);
    }

    fn rename(&mut self, old: &str, new: &str) {
        for tables in [&mut self.published, &mut self.fresh] {
            if tables.remove(old) {
                tables.insert(new.to_owned());
            }
        }
        for warning in self.warnings.iter_mut().filter(|warning| warning.table == old) {
            warning.table = new.to_owned();
            warning.fix = update(new);
        }
    }

    /// Reads `CREATE PUBLICATION powersync FOR TABLE a, b` and `ALTER PUBLICATION powersync ADD|SET|DROP TABLE a, b`.
    fn publication(&mut self, words: &[String]) {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let (action, tables) = match words.as_slice() {
            ["create", "publication", "powersync", "for", "table", tables @ ..] => ("set", tables),
            ["alter", "publication", "powersync", action, "table", tables @ ..] => (*action, tables),
            _ => return,
        };
        let tables = published_names(tables);
        if action == "drop" {
            self.published.retain(|table| !tables.contains(table));
            self.warnings.retain(|warning| !tables.contains(&warning.table));
            return;
        }
        let known = std::mem::take(&mut self.published);
        // A table that joins the publication is sent as it is.
        self.fresh.extend(tables.difference(&known).cloned());
        self.published = tables;
        if action == "add" {
            self.published.extend(known);
        }
    }
}

/// The statement that sends every row of a table again.
fn update(table: &str) -> String {
    let plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_.".contains(letter);
    match table.chars().all(plain) {
        true => format!("UPDATE {table} SET id = id;"),
        false => format!("UPDATE \"{}\" SET id = id;", table.replace('"', "\"\"")),
    }
}

/// The tables in a publication's list, without what is said about their columns and rows.
fn published_names(words: &[&str]) -> BTreeSet<String> {
    let mut depth = 0;
    let top = words.iter().filter(move |word| {
        match **word {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => return depth == 0,
        }
        false
    });
    let top: Vec<_> = top.copied().collect();
    top.split(|word| *word == ",").filter_map(published_name).collect()
}

fn published_name(words: &[&str]) -> Option<String> {
    let words = words.strip_prefix(&["table"]).unwrap_or(words);
    let words = words.strip_prefix(&["only"]).unwrap_or(words);
    match words {
        ["public", ".", table, ..] => Some((*table).to_owned()),
        [schema, ".", table, ..] => Some(format!("{schema}.{table}")),
        [table, ..] => Some((*table).to_owned()),
        [] => None,
    }
}

/// What an operation changes that replication does not see: the column, how, and how browsers keep its rows.
fn changes(operation: &AlterTableOperation) -> Vec<(&Ident, Change, String)> {
    match operation {
        AlterTableOperation::AddColumn { column_def, .. } if fills_rows(column_def) => {
            let name = &column_def.name;
            vec![(name, Change::AddedWithValue, format!("without the value of the new column {name}"))]
        }
        AlterTableOperation::DropColumn { column_names, .. } => {
            let dropped =
                |name| (name, Change::Dropped, format!("with the value of the dropped column {name}"));
            column_names.iter().map(dropped).collect()
        }
        AlterTableOperation::RenameColumn { old_column_name: old, new_column_name: new } => {
            vec![(new, Change::Renamed, format!("with {old} and without its new name {new}"))]
        }
        AlterTableOperation::AlterColumn {
            column_name: name,
            op: AlterColumnOperation::SetDataType { .. },
        } => {
            vec![(name, Change::TypeChanged, format!("with {name} in its old type"))]
        }
        _ => Vec::new(),
    }
}

/// Whether existing rows get a value in a new column.
fn fills_rows(column: &ColumnDef) -> bool {
    let serial = column.data_type.to_string().to_lowercase().contains("serial");
    serial
        || column.options.iter().any(|option| match &option.option {
            ColumnOption::Default(value) => !is_null(value),
            ColumnOption::Generated { .. } => true,
            _ => false,
        })
}

fn is_null(value: &Expr) -> bool {
    match value {
        Expr::Value(value) => value.value == Value::Null,
        Expr::Cast { expr, .. } | Expr::Nested(expr) => is_null(expr),
        _ => false,
    }
}

/// A table's name as Postgres has it; one in another schema than `public` keeps the schema's name.
fn table_name(table: &ObjectName) -> String {
    let parts = table.0.iter().filter_map(|part| part.as_ident()).map(name);
    let parts: Vec<_> = parts.collect();
    match parts.as_slice() {
        [schema, table] if schema == "public" => table.clone(),
        parts => parts.join("."),
    }
}

fn name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}
