//! What a developer changes in an app that people have open: a column is added to a table, tables are added, and each of
//! them gets another strategy for conflicts.

use std::fs;
use std::path::Path;

/// Of the table that `generated_table.mjs` plays with.
const PROJECTS: &[&str] = &[
    "name:text",
    "done:boolean",
    "budget:real",
    "hits:bigint",
    "notes:text:optional",
    "starts_at:timestamptz",
    "due_at:timestamptz:optional",
];

/// What `todos.priority` takes besides its migration: a file, what is there, and what comes after it.
const PRIORITY: &[[&str; 3]] = &[
    [
        "schema/src/tables.rs",
        "        pub done: bool,\n",
        "        /// How soon it is to be done; 1 is first.\n        pub priority: i64,\n",
    ],
    ["app/src/queries.rs", "SELECT id, list_id, title, done,", " priority,"],
    ["app/src/pages/list.rs", "            done: false,\n", "            priority: 2,\n"],
    [
        "app/src/pages/list.rs",
        "    let done = todo.column(|todo| todo.done);\n",
        "    let priority = todo.column(|todo| todo.priority);\n",
    ],
    [
        "app/src/pages/list.rs",
        "                <span>{title}</span>\n            </label>\n",
        "            <span class=\"progress\">\"priority \" {priority}</span>\n",
    ],
    // A test writes a whole todo.
    ["app/src/store/query.rs", "            done: true,\n", "            priority: 3,\n"],
    ["app/src/store/query.rs", "created_at, done, id, list_id,", " priority,"],
    ["app/src/store/query.rs", "($1, $2, $3, $4, $5", ", $6"],
    ["app/src/store/query.rs", "json!(\"l\"),", " json!(3),"],
];

/// The lines that are there as comments.
const STRATEGIES: &[&str] = &[
    "(Document::TABLE, Conflict::RejectStale),",
    "(Product::TABLE, Conflict::Counters(&[\"stock\"])),",
    "(Auction::TABLE, Conflict::Custom(highest_bid_wins)),",
];

/// Changes the app as `schema_change.mjs`, `generated_table.mjs` and `conflicts.mjs` expect it. `run` runs
/// `cargo realtime ARGUMENTS` in the app.
pub fn upgrade(root: &Path, run: impl Fn(&[&str])) {
    let app = App(root);
    app.give_todos_a_priority();
    run(&["lint-migrations", "--fix"]);
    run(&[&["generate", "table", "projects"], PROJECTS].concat());
    run(&["generate", "table", "documents", "name:text", "body:text"]);
    run(&["generate", "table", "products", "name:text", "stock:bigint"]);
    run(&["generate", "table", "auctions", "name:text", "amount:bigint"]);
    app.choose_strategies();
}

struct App<'a>(&'a Path);

impl App<'_> {
    fn give_todos_a_priority(&self) {
        let files = fs::read_dir(self.0.join("migrations")).unwrap().map(|entry| entry.unwrap().path());
        let migrations = files.filter(|file| file.extension().is_some_and(|extension| extension == "sql"));
        let migration = format!("migrations/{:04}_priority.sql", migrations.count() + 1);
        let sql = "ALTER TABLE todos ADD COLUMN priority bigint NOT NULL DEFAULT 1;\n";
        fs::write(self.0.join(migration), sql).unwrap();
        for [file, anchor, text] in PRIORITY {
            self.insert_after(file, anchor, text);
        }
    }

    fn choose_strategies(&self) {
        let conflict = "server/src/upload/conflict.rs";
        for line in STRATEGIES {
            self.replace(conflict, &format!("// {line}"), line);
        }
        let rows = "use schema::upload::{Code, Operation};\nuse schema::{Auction, Document, Product, Table, TableRow};";
        self.replace(conflict, "use schema::Table;", rows);
        self.insert_after(conflict, "    rejection::Rejected,\n};\n", "use crate::cell::Cell;\n");
        let resolve =
            "    fn(current: Option<&Cells<'_>>, change: &mut CheckedChange<'_>) -> Result<(), Rejected>;\n";
        self.insert_after(conflict, resolve, &format!("\n{}", self.rule_of_a_test()));
        for table in ["documents", "products", "auctions"] {
            self.insert_after("schema/src/tables.rs", &format!("in \"{table}\""), ", track_previous");
        }
    }

    /// `highest_bid_wins`, which is there as an example.
    fn rule_of_a_test(&self) -> String {
        let tests = self.read("server/src/upload/conflict/tests.rs");
        let start = tests.find("/// A rule of an app: ").unwrap();
        let length = tests[start..].find("\n}\n").unwrap() + "\n}\n".len();
        tests[start..start + length].to_owned()
    }

    fn insert_after(&self, file: &str, anchor: &str, text: &str) {
        self.replace(file, anchor, &format!("{anchor}{text}"));
    }

    /// Replaces what is there once.
    fn replace(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert_eq!(text.matches(from).count(), 1, "how often {file} has {from:?}");
        fs::write(self.0.join(file), text.replace(from, to)).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap()
    }
}
