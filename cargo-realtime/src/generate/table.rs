//! `cargo realtime generate table`.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use proc_macro2::TokenTree;
use serde::Serialize;
use syn::{Item, ItemMacro};

use super::changes::{self, FileChange};
use super::column::{Column, Kind};
use super::names::Names;
use super::rust_file::RustFile;
use super::templates::{LOCAL_TIME, Templates};
use super::{rustfmt, sync_config};
use crate::migrations::{self, Migration, statements};

const LOCAL_TIME_FILE: &str = "app/src/local_time.rs";

/// A table as it is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its name, in the plural.
    pub table: String,
    /// What one row is called, where the table's name does not tell.
    pub singular: Option<String>,
    /// Its columns besides `id`, `owner_id` and `created_at`.
    pub columns: Vec<Column>,
}

/// What was written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Generated {
    /// The table.
    pub table: String,
    /// The type of its rows, in the schema crate.
    pub row_type: String,
    /// The files, from the app's root.
    pub files: Vec<FileChange>,
}

/// Writes a table into the app in `root`: everything, or where something is in the way, nothing.
pub fn table(root: &Path, request: Request) -> Result<Generated> {
    let names = Names::new(&request.table, request.singular.as_deref())?;
    check_columns(&names, &request.columns)?;
    let generator = Generator {
        root,
        templates: Templates::new(&names, &request.columns)?,
        names,
        columns: request.columns,
    };
    let files = generator.files()?;
    changes::apply(root, &files)?;
    let Names { table, row_type, .. } = generator.names;
    Ok(Generated { table, row_type, files })
}

fn check_columns(names: &Names, columns: &[Column]) -> Result<()> {
    ensure!(
        !columns.is_empty(),
        "A table needs at least one column besides its owner and its time: cargo realtime generate table {} name:text",
        names.table
    );
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].iter().any(|other| other.name == column.name) {
            bail!("The column {} is named twice. Leave one of the two out.", column.name)
        }
    }
    Ok(())
}

struct Generator<'a> {
    root: &'a Path,
    names: Names,
    columns: Vec<Column>,
    templates: Templates,
}

impl Generator<'_> {
    fn files(&self) -> Result<Vec<FileChange>> {
        let Names { table, singular, .. } = &self.names;
        let schema = self.tables()?;
        let mut files =
            vec![self.migration()?, schema, self.schema_exports()?, sync_config::change(self.root, table)?];
        files.push(self.queries()?);
        files.push(self.new_rust(&format!("app/src/components/{singular}_form.rs"), "form")?);
        files.push(self.modules(
            "app/src/components/mod.rs",
            &[(format!("{singular}_form"), format!("{}Form", self.names.row_type))],
        )?);
        files.push(self.new_rust(&format!("app/src/pages/{table}.rs"), "list_page")?);
        files.push(self.new_rust(&format!("app/src/pages/{singular}.rs"), "detail_page")?);
        files.push(
            self.modules("app/src/pages/mod.rs", &self.pages().map(|(module, page)| (module.clone(), page)))?,
        );
        files.extend(self.local_time()?);
        files.push(self.routes()?);
        files.push(self.offline_pages()?);
        Ok(files)
    }

    /// The module and the component of both pages.
    fn pages(&self) -> [(&String, String); 2] {
        let Names { table, singular, row_type, plural_type, .. } = &self.names;
        [(singular, format!("{row_type}Page")), (table, format!("{plural_type}Page"))]
    }

    fn migration(&self) -> Result<FileChange> {
        let table = &self.names.table;
        let existing = migrations::read(self.root)?;
        if let Some(file) = existing.iter().find(|migration| creates(migration, table)) {
            bail!("There is a table {table} already: {} makes it. Choose another name.", file.path.display())
        }
        Ok(FileChange::created(migrations::next_path(&existing, table)?, self.templates.text("migration")?))
    }

    fn tables(&self) -> Result<FileChange> {
        let Names { table, row_type, .. } = &self.names;
        let mut file = RustFile::read(self.root, "schema/src/tables.rs")?;
        for (existing_type, existing_table) in file.items().iter().filter_map(row_type_and_table) {
            ensure!(
                existing_table != *table && existing_type != *row_type,
                "schema/src/tables.rs has a table {existing_table} with rows of the type {existing_type} already. Choose another table name, or \
                 name a row with --singular."
            );
        }
        file.import(false, "crate", "Timestamp");
        file.after_last(|item| row_type_and_table(item).is_some(), &self.templates.text("schema")?);
        file.add_to_array("TABLES", &format!("{row_type}::TABLE"))?;
        file.change()
    }

    fn schema_exports(&self) -> Result<FileChange> {
        let mut file = RustFile::read(self.root, "schema/src/lib.rs")?;
        file.import(true, "tables", &self.names.row_type);
        file.change()
    }

    fn queries(&self) -> Result<FileChange> {
        let Names { table, singular, row_type, .. } = &self.names;
        let mut file = RustFile::read(self.root, "app/src/queries.rs")?;
        let taken = |name: &String| {
            file.items().iter().any(|item| matches!(item, Item::Fn(item) if item.sig.ident == name))
        };
        if let Some(name) = [table, singular].into_iter().find(|name| taken(name)) {
            bail!(
                "app/src/queries.rs has a function {name} already. Choose another table name, or name a row with --singular."
            )
        }
        file.import(false, "schema", row_type);
        file.append(&self.templates.text("queries")?);
        file.change()
    }

    /// A new file, from a template.
    fn new_rust(&self, path: &str, template: &str) -> Result<FileChange> {
        ensure!(
            !self.root.join(path).exists(),
            "{path} is there already, and would be overwritten. Choose another table name, name a row with --singular, or move the file away."
        );
        let text = self.templates.text(template)?;
        Ok(FileChange::created(path, rustfmt::format(self.root, Path::new(path), &text)?))
    }

    /// Declares modules and exports a name of each.
    fn modules(&self, path: &str, modules: &[(String, String)]) -> Result<FileChange> {
        let mut file = RustFile::read(self.root, path)?;
        let lines =
            |line: fn(&(String, String)) -> String| modules.iter().map(line).collect::<Vec<_>>().join("\n");
        let is_module = |item: &Item| matches!(item, Item::Mod(item) if item.content.is_none());
        file.after_last(is_module, &lines(|(module, _)| format!("mod {module};")));
        file.after_last(
            |item| matches!(item, Item::Use(_)),
            &lines(|(module, name)| format!("pub use {module}::{name};")),
        );
        file.change()
    }

    /// The module for fields that hold points in time, where it is needed for the first time.
    fn local_time(&self) -> Result<Option<FileChange>> {
        let needed = self.columns.iter().any(|column| column.kind == Kind::Timestamp);
        let missing = !self.root.join(LOCAL_TIME_FILE).exists();
        Ok((needed && missing).then(|| FileChange::created(LOCAL_TIME_FILE, LOCAL_TIME.to_owned())))
    }

    fn routes(&self) -> Result<FileChange> {
        let Names { table, title, .. } = &self.names;
        let [(_, one), (_, all)] = self.pages();
        let mut file = RustFile::read(self.root, "app/src/lib.rs")?;
        let has_local_time =
            file.items().iter().any(|item| matches!(item, Item::Mod(item) if item.ident == "local_time"));
        if self.columns.iter().any(|column| column.kind == Kind::Timestamp) && !has_local_time {
            file.after_last(|item| matches!(item, Item::Mod(_)), "mod local_time;");
        }
        for page in [&one, &all] {
            file.import(false, "pages", page);
        }
        file.add_to_tag("App", "nav", &[format!("<A href=\"/{table}\">\n    \"{title}\"\n</A>")])?;
        let routes = [
            format!("<Route path=path!(\"/{table}\") view={all} />"),
            format!("<Route path=path!(\"/{table}/:id\") view={one} />"),
        ];
        file.add_to_tag("App", "Routes", &routes)?;
        file.change()
    }

    /// A browser keeps one page of every route for a start without a network.
    fn offline_pages(&self) -> Result<FileChange> {
        let table = &self.names.table;
        let mut file = RustFile::read(self.root, "frontend/src/offline.rs")?;
        file.add_to_array("PAGES", &format!("\"/{table}\", \"/{table}/offline\""))?;
        file.change()
    }
}

fn creates(migration: &Migration, table: &str) -> bool {
    statements::split(&migration.text).iter().any(|part| {
        let mut words = part.words.iter().map(String::as_str);
        words.next() == Some("create")
            && words.any(|word| word == "table")
            && words.find(|word| !["if", "not", "exists", "public", "."].contains(word)) == Some(table)
    })
}

/// The row type and the table's name in `table! { pub struct List in "lists" { … } }`.
fn row_type_and_table(item: &Item) -> Option<(String, String)> {
    let Item::Macro(ItemMacro { mac, .. }) = item else { return None };
    if !mac.path.is_ident("table") {
        return None;
    }
    let tokens: Vec<TokenTree> = mac.tokens.clone().into_iter().collect();
    tokens.windows(4).find_map(|window| match window {
        [
            TokenTree::Ident(keyword),
            TokenTree::Ident(row),
            TokenTree::Ident(within),
            TokenTree::Literal(table),
        ] if *keyword == "struct" && *within == "in" => {
            Some((row.to_string(), table.to_string().trim_matches('"').to_owned()))
        }
        _ => None,
    })
}
