//! `lint-migrations`, on migrations as people write them.

use std::fs;

use insta::assert_snapshot;

use super::machine::{Machine, text};

const FIRST: &str = "
CREATE TABLE users (id text PRIMARY KEY);
CREATE TABLE lists (id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE todos (id text PRIMARY KEY, list_id text NOT NULL, title text NOT NULL, due text);
ALTER TABLE todos ADD note text NOT NULL DEFAULT '';
CREATE PUBLICATION powersync FOR TABLE lists, public.todos (id, list_id), ONLY notes WHERE (a AND b);
";

/// A machine whose app has these migrations after the first one.
fn machine(migrations: &[&str]) -> Machine {
    let machine = Machine::new();
    fs::create_dir(machine.app().join("migrations")).unwrap();
    for (number, sql) in std::iter::zip(1.., [&[FIRST], migrations].concat()) {
        fs::write(machine.app().join(format!("migrations/{number:04}_change.sql")), sql).unwrap();
    }
    machine
}

/// What the command says about these migrations, and whether it is content.
fn said(migrations: &[&str]) -> String {
    let output = machine(migrations).run(&["lint-migrations"]);
    assert_eq!(output.status.code(), Some(i32::from(text(&output.stdout).contains("warning"))));
    text(&output.stdout)
}

fn is_clean(migrations: &[&str]) {
    assert_eq!(said(migrations), "Every change in migrations/ reaches the rows that are synced already.\n");
}

#[test]
fn each_change_that_does_not_arrive_is_named() {
    let migration = r#"
-- Priorities; and some tidying.
ALTER TABLE todos
    ADD COLUMN priority integer NOT NULL DEFAULT 1,
    DROP COLUMN IF EXISTS due CASCADE;
DO $$ BEGIN ALTER TABLE todos ADD hidden text DEFAULT 'not looked into'; END $$;
ALTER TABLE IF EXISTS ONLY public.lists ALTER COLUMN name TYPE varchar(10) USING left(name, 10);
ALTER TABLE lists RENAME COLUMN name TO "Title";
ALTER TABLE lists ADD length integer GENERATED ALWAYS AS (char_length("Title")) STORED;
ALTER TABLE lists ADD number bigserial;
"#;
    assert_snapshot!(said(&[migration]), @r#"
    warning: migrations/0002_change.sql:4: todos.priority: browsers keep the rows of todos that they already have without the value of the new column priority, until somebody changes the row: replication does not see that all rows were changed at once
      send them again, in a new migration: UPDATE todos SET id = id;
    warning: migrations/0002_change.sql:5: todos.due: browsers keep the rows of todos that they already have with the value of the dropped column due, until somebody changes the row: replication does not see that all rows were changed at once
      send them again, in a new migration: UPDATE todos SET id = id;
    warning: migrations/0002_change.sql:7: lists.name: browsers keep the rows of lists that they already have with name in its old type, until somebody changes the row: replication does not see that all rows were changed at once
      send them again, in a new migration: UPDATE lists SET id = id;
    warning: migrations/0002_change.sql:8: lists.Title: browsers keep the rows of lists that they already have with name and without its new name "Title", until somebody changes the row: replication does not see that all rows were changed at once
      send them again, in a new migration: UPDATE lists SET id = id;
    warning: migrations/0002_change.sql:9: lists.length: browsers keep the rows of lists that they already have without the value of the new column length, until somebody changes the row: replication does not see that all rows were changed at once
      send them again, in a new migration: UPDATE lists SET id = id;
    warning: migrations/0002_change.sql:10: lists.number: browsers keep the rows of lists that they already have without the value of the new column number, until somebody changes the row: replication does not see that all rows were changed at once
      send them again, in a new migration: UPDATE lists SET id = id;

    `cargo realtime lint-migrations --fix` writes a migration that sends these rows again.
    "#);
}

#[test]
fn what_arrives_is_not_named() {
    // Nothing to send: existing rows get NULL, or only new ones a value.
    is_clean(&["ALTER TABLE todos ADD a text, ADD b text DEFAULT NULL, ADD c text DEFAULT NULL::text;"]);
    is_clean(&[
        "ALTER TABLE todos ALTER title SET DEFAULT 'x', ALTER title DROP NOT NULL, ADD CHECK (title <> '');",
    ]);
    // Not synced, or not yet.
    is_clean(&[
        "ALTER TABLE users ADD name text DEFAULT ''; ALTER TABLE private.todos ADD a text DEFAULT '';",
    ]);
    is_clean(&[
        "CREATE TABLE notes (id text); ALTER PUBLICATION powersync ADD TABLE notes; ALTER TABLE notes ADD a text DEFAULT '';",
    ]);
    is_clean(&["ALTER PUBLICATION powersync DROP TABLE todos;", "ALTER TABLE todos ADD a text DEFAULT '';"]);
    is_clean(&["ALTER PUBLICATION powersync SET TABLE lists;", "ALTER TABLE todos ADD a text DEFAULT '';"]);
    // Sent again, at once or later; or gone.
    is_clean(&["ALTER TABLE todos ADD a text DEFAULT ''; UPDATE todos SET id = id;"]);
    is_clean(&["ALTER TABLE todos ADD a text DEFAULT '';", "update public.Todos as t set a = 'b';"]);
    is_clean(&["ALTER TABLE todos DROP due;", "TRUNCATE lists, todos;"]);
    is_clean(&["ALTER TABLE todos DROP due;", "DELETE FROM todos;"]);
    is_clean(&["ALTER TABLE todos DROP due;", "DROP TABLE todos;"]);
    is_clean(&[
        "ALTER TABLE todos DROP due; ALTER TABLE todos RENAME TO tasks;",
        "UPDATE tasks SET id = id;",
    ]);
}

#[test]
fn an_update_of_some_rows_or_before_the_change_does_not_send_all() {
    let some = "ALTER TABLE todos DROP due; UPDATE todos SET id = id WHERE title <> '';";
    let before = "UPDATE lists SET id = id; ALTER TABLE lists DROP name;";
    let in_a_function =
        "CREATE FUNCTION touch() RETURNS void LANGUAGE sql BEGIN ATOMIC UPDATE todos SET id = id; END;";
    let warned = said(&[some, before, in_a_function]);
    assert!(
        warned.contains("0002_change.sql:1: todos.due") && warned.contains("0003_change.sql:1: lists.name"),
        "{warned}"
    );
}

#[test]
fn what_is_not_sql_is_left_to_postgres() {
    is_clean(&[
        "ALTER TABLE todos OOPS;",
        "SELECT 'never ends",
        "'",
        "",
        "CREATE PUBLICATION powersync FOR TABLE",
        ";;",
    ]);
}

#[test]
fn the_fix_is_a_new_migration() {
    let drop = "ALTER TABLE todos DROP due;\nALTER TABLE lists DROP name;\nALTER TABLE todos DROP title;";
    let machine = machine(&[drop]);
    let fixed = machine.run(&["lint-migrations", "--fix"]);
    assert!(fixed.status.success());
    let last = text(&fixed.stdout).lines().last().unwrap().to_owned();
    assert_snapshot!(last, @"Written: migrations/0003_send_existing_rows_again.sql, which sends these rows again.");
    let migration = machine.app().join("migrations/0003_send_existing_rows_again.sql");
    assert_snapshot!(fs::read_to_string(migration).unwrap(), @r"
    -- These columns were changed for all rows at once, which replication does not see. Updating a row, though it changes
    -- nothing, sends it to the browsers again.

    --   lists.name (migrations/0002_change.sql:2)
    UPDATE lists SET id = id;

    --   todos.due (migrations/0002_change.sql:1)
    --   todos.title (migrations/0002_change.sql:3)
    UPDATE todos SET id = id;
    ");
    assert_eq!(fs::read_to_string(machine.app().join("migrations/0002_change.sql")).unwrap(), drop);
    assert!(machine.run(&["lint-migrations"]).status.success());
    // There is nothing left to fix.
    machine.run(&["lint-migrations", "--fix"]);
    assert_eq!(fs::read_dir(machine.app().join("migrations")).unwrap().count(), 3);
}

#[test]
fn the_report_for_machines() {
    let machine = machine(&["ALTER TABLE todos ADD done boolean NOT NULL DEFAULT false;"]);
    let output = machine.run(&["lint-migrations", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_snapshot!(text(&output.stdout), @r#"
    {
      "warnings": [
        {
          "file": "migrations/0002_change.sql",
          "line": 1,
          "table": "todos",
          "column": "done",
          "change": "addedWithValue",
          "message": "browsers keep the rows of todos that they already have without the value of the new column done, until somebody changes the row: replication does not see that all rows were changed at once",
          "fix": "UPDATE todos SET id = id;"
        }
      ],
      "written": null
    }
    "#);
}
