//! The names that follow from a table's: of its row type, its pages and its files; and which names will not do.

use anyhow::{Result, bail, ensure};

/// What a table and its rows are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The table, such as `todo_items`.
    pub table: String,
    /// One row, such as `todo_item`.
    pub singular: String,
    /// The row type, such as `TodoItem`.
    pub row_type: String,
    /// The list page's component without `Page`, such as `TodoItems`.
    pub plural_type: String,
    /// The rows in a sentence, such as `todo items`.
    pub rows: String,
    /// One row in a sentence, such as `todo item`.
    pub row: String,
    /// One row with its article, such as `a todo item`.
    pub a_row: String,
    /// The rows at the beginning of a sentence, such as `Todo items`.
    pub title: String,
}

impl Names {
    /// The names for a table; `singular` where what follows from the table's name is not wanted.
    pub fn new(table: &str, singular: Option<&str>) -> Result<Self> {
        check("table", table)?;
        ensure!(
            !SITE_PATHS.contains(&table),
            "The pages of a table {table} would be at /{table}, which the site uses itself. Choose another name."
        );
        let singular = singular.map_or_else(|| singular_of(table), str::to_owned);
        if singular == table {
            bail!(
                "One row of {table} needs a name of its own: write the table's name in the plural, or name a row with --singular."
            )
        }
        check("row", &singular)?;
        let row_type = camel(&singular);
        if TAKEN_TYPES.contains(&row_type.as_str()) {
            bail!(
                "A row of {table} would be of the type {row_type}, which Rust or the pages use for something else. Choose another table name, or name a row with --singular."
            )
        }
        if let Some(taken) = [table, &singular].into_iter().find(|name| TAKEN_NAMES.contains(name)) {
            bail!(
                "{taken} means something else in every page. Choose another table name, or name a row with --singular."
            )
        }
        let row = words(&singular);
        Ok(Self {
            a_row: format!("{} {row}", if row.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" }),
            title: capitalized(&words(table)),
            plural_type: camel(table),
            rows: words(table),
            row,
            row_type,
            singular,
            table: table.to_owned(),
        })
    }
}

/// Whether a column may have this name.
pub fn check_column(name: &str) -> Result<()> {
    if ["id", "owner_id", "created_at"].contains(&name) {
        bail!("Every table gets the columns id, owner_id and created_at by itself: leave {name} out.")
    }
    check("column", name)
}

/// A name as a word or two at the beginning of a sentence: `due_at` becomes `Due at`.
pub fn label(name: &str) -> String {
    capitalized(&words(name))
}

/// Makes sure that SQL and Rust both take a name without quotes.
fn check(what: &str, name: &str) -> Result<()> {
    let plain =
        name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    let starts = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    if !plain || !starts || name.ends_with('_') || name.contains("__") || name.len() > LONGEST {
        bail!(
            "{name:?} will not do as a {what}'s name: it takes 1 to {LONGEST} of the letters a to z, digits and single underscores, with a letter first, such as due_at."
        )
    }
    // What one row is called is in no SQL.
    if what != "row" && RESERVED_IN_SQL.contains(&name) {
        bail!(
            "{name} is a reserved word of SQL and will not do as a {what}'s name. Choose another word, or join two by an underscore."
        )
    }
    if RESERVED_IN_RUST.contains(&name) {
        bail!(
            "{name} is a reserved word of Rust and will not do as a {what}'s name. Choose another word, or join two by an underscore."
        )
    }
    Ok(())
}

/// The last word is the one that counts: `todo_items` has `todo_item`.
fn singular_of(table: &str) -> String {
    match table.rsplit_once('_') {
        Some((first, last)) => format!("{first}_{}", pluralizer::pluralize(last, 1, false)),
        None => pluralizer::pluralize(table, 1, false),
    }
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn camel(name: &str) -> String {
    name.split('_').map(capitalized).collect()
}

/// Two names and what is between them make a name in Postgres, which has 63 bytes for it.
const LONGEST: usize = 27;

/// Where the site has something else than pages.
const SITE_PATHS: &[&str] = &["api", "health", "pkg", "powersync"];

/// Types and components that the generated files and those they are added to use under these names.
const TAKEN_TYPES: &[&str] = &[
    "A",
    "App",
    "Box",
    "Column",
    "ColumnKind",
    "ColumnType",
    "Date",
    "EditableRow",
    "Err",
    "For",
    "Form",
    "Input",
    "ListSummary",
    "LiveQuery",
    "LiveRow",
    "Load",
    "Loading",
    "Memo",
    "NameForm",
    "NodeRef",
    "None",
    "Notices",
    "Ok",
    "Option",
    "PostgresColumn",
    "Query",
    "Result",
    "Route",
    "Router",
    "Routes",
    "Row",
    "RwSignal",
    "Self",
    "Session",
    "Show",
    "Signal",
    "Some",
    "Statement",
    "Store",
    "StoredValue",
    "String",
    "SubmitEvent",
    "SyncStatus",
    "Table",
    "TableRow",
    "Timestamp",
    "Title",
    "Vec",
    "Writer",
];

/// What the generated pages call something else.
const TAKEN_NAMES: &[&str] = &[
    "add",
    "delete",
    "details",
    "has_synced",
    "id",
    "missing",
    "navigate",
    "params",
    "row",
    "rows",
    "save",
    "title",
    "writer",
];

/// What Postgres, SQLite or both do not take as a name without quotes.
const RESERVED_IN_SQL: &[&str] = &[
    "add",
    "all",
    "alter",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "autoincrement",
    "between",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "commit",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "delete",
    "desc",
    "distinct",
    "do",
    "drop",
    "else",
    "end",
    "escape",
    "except",
    "exists",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "if",
    "ilike",
    "in",
    "index",
    "initially",
    "inner",
    "insert",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "nothing",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "raise",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "set",
    "similar",
    "some",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "transaction",
    "true",
    "union",
    "unique",
    "update",
    "user",
    "using",
    "values",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

/// Keywords of all editions, and those kept for later ones.
const RESERVED_IN_RUST: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "union", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_has_a_name() {
        let tables = [
            "projects",
            "people",
            "categories",
            "foxes",
            "statuses",
            "todo_items",
            "buses",
            "addresses",
            "children",
        ];
        let names = tables
            .map(|table| Names::new(table, None).unwrap())
            .map(|names| format!("{} {}", names.row_type, names.a_row));
        assert_eq!(
            names,
            [
                "Project a project",
                "Person a person",
                "Category a category",
                "Fox a fox",
                "Status a status",
                "TodoItem a todo item",
                "Bus a bus",
                "Address an address",
                "Child a child",
            ]
        );
    }
}
