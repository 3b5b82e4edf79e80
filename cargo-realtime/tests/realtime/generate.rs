//! `generate table`, in an app as `create-app` makes it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;

use super::machine::{Machine, text};
use super::tree::Tree;

/// Every type, under each of its names, and optional wherever it can be.
const EVERY_TYPE: &[&str] = &[
    "name:text",
    "done:boolean",
    "budget:real",
    "hits:bigint",
    "notes:text:optional",
    "score:double precision:optional",
    "age:integer:optional",
    "starts_at:timestamptz",
    "due_at:timestamp:optional",
];

/// A machine with an app in a git repository.
fn machine() -> Machine {
    let machine = Machine::new();
    for (path, (content, _)) in Tree::of_app("shop").0 {
        write(&machine.app().join(path), &content);
    }
    git(&machine.app(), &["init", "--quiet"]);
    commit(&machine.app());
    machine
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn git(dir: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=shop", "-c", "user.email=shop@localhost", "-c", "commit.gpgSign=false"];
    let output = Command::new("git").args(identity).args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn commit(dir: &Path) {
    git(dir, &["add", "--all"]);
    git(dir, &["commit", "--quiet", "--message", "As it is"]);
}

/// What has changed since the commit: for each file, the lines taken out and put in.
fn changes(dir: &Path) -> String {
    git(dir, &["add", "--all", "--intent-to-add"]);
    let diff = git(dir, &["diff", "--no-color", "--unified=0", "--no-ext-diff"]);
    let not_shown = ["diff ", "index ", "@@", "--- ", "new file", "\\ No newline"];
    let lines = diff.lines().filter(|line| !not_shown.iter().any(|start| line.starts_with(start)));
    lines
        .map(|line| line.strip_prefix("+++ b/").map_or(line.to_owned(), |path| format!("\n{path}\n")))
        .collect::<Vec<_>>()
        .join("\n")
}

fn generate<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["generate", "table"], arguments].concat()
}

fn generated(machine: &Machine, arguments: &[&str]) -> String {
    let output = machine.run(&generate(arguments));
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Expects the command to fail and to leave every file as it was; gives what it says.
fn refused(machine: &Machine, arguments: &[&str]) -> String {
    let before = Tree::of(&machine.app());
    let error = machine.error(&generate(arguments));
    before.assert_same(&Tree::of(&machine.app()));
    error
}

fn replace(machine: &Machine, path: &str, old: &str, new: &str) {
    let path = machine.app().join(path);
    let before = fs::read_to_string(&path).unwrap();
    assert!(before.contains(old), "{before}");
    fs::write(path, before.replace(old, new)).unwrap();
}

fn is_formatted(machine: &Machine) -> bool {
    let mut cargo = Command::new("cargo");
    cargo.args(["fmt", "--all", "--check"]).current_dir(machine.app()).status().unwrap().success()
}

#[test]
fn a_table_with_every_type() {
    let machine = machine();
    let arguments = [&["projects"], EVERY_TYPE].concat();
    assert_snapshot!(generated(&machine, &arguments), @r"
      new      migrations/0011_projects.sql
      changed  schema/src/tables.rs
      changed  schema/src/lib.rs
      changed  sync-config.yaml
      changed  app/src/queries.rs
      new      app/src/components/project_form.rs
      changed  app/src/components/mod.rs
      new      app/src/pages/projects.rs
      new      app/src/pages/project.rs
      changed  app/src/pages/mod.rs
      new      app/src/local_time.rs
      changed  app/src/lib.rs
      changed  frontend/src/offline.rs

    Next: read the migration, then `cargo realtime dev`. The server runs the migration when it starts, and the page is at /projects.
    ");
    assert_snapshot!("a_table_with_every_type", changes(&machine.app()));
    assert!(is_formatted(&machine));
}

#[test]
fn the_result_for_machines() {
    let machine = machine();
    let result = machine.json(&generate(&["people", "born_at:timestamptz:optional"]));
    assert_snapshot!(serde_json::to_string_pretty(&result).unwrap(), @r#"
    {
      "files": [
        {
          "created": true,
          "path": "migrations/0011_people.sql"
        },
        {
          "created": false,
          "path": "schema/src/tables.rs"
        },
        {
          "created": false,
          "path": "schema/src/lib.rs"
        },
        {
          "created": false,
          "path": "sync-config.yaml"
        },
        {
          "created": false,
          "path": "app/src/queries.rs"
        },
        {
          "created": true,
          "path": "app/src/components/person_form.rs"
        },
        {
          "created": false,
          "path": "app/src/components/mod.rs"
        },
        {
          "created": true,
          "path": "app/src/pages/people.rs"
        },
        {
          "created": true,
          "path": "app/src/pages/person.rs"
        },
        {
          "created": false,
          "path": "app/src/pages/mod.rs"
        },
        {
          "created": true,
          "path": "app/src/local_time.rs"
        },
        {
          "created": false,
          "path": "app/src/lib.rs"
        },
        {
          "created": false,
          "path": "frontend/src/offline.rs"
        }
      ],
      "rowType": "Person",
      "table": "people"
    }
    "#);
}

#[test]
fn a_second_table_comes_after_the_first() {
    let machine = machine();
    generated(&machine, &["projects", "name:text", "starts_at:timestamptz"]);
    commit(&machine.app());
    generated(&machine, &["people", "born_at:timestamptz:optional", "name:text:optional"]);
    assert_snapshot!("a_second_table_comes_after_the_first", changes(&machine.app()));
    assert!(is_formatted(&machine));
    assert_snapshot!(refused(&machine, &["people", "name:text"]), @"error: schema/src/tables.rs has a table people with rows of the type Person already. Choose another table name, or name a row with --singular.");
    assert_snapshot!(refused(&machine, &["persons", "name:text"]), @"error: schema/src/tables.rs has a table people with rows of the type Person already. Choose another table name, or name a row with --singular.");
    generated(&machine, &["persons", "name:text", "--singular", "human"]);
}

#[test]
fn what_people_have_written_stays() {
    let machine = machine();
    replace(&machine, "sync-config.yaml", "streams:\n", "streams: # All of them.\n  # The first.\n");
    replace(&machine, "schema/src/tables.rs", "List::TABLE,", "List::TABLE  /* first */ ,");
    replace(&machine, "app/src/queries.rs", "pub fn rejections()", "pub  fn  rejections ( ) ");
    replace(&machine, "app/src/pages/mod.rs", "mod list;", "mod list; // The first.");
    replace(&machine, "app/src/lib.rs", "<Notices />", "<Notices/> <!-- Ours -->");
    commit(&machine.app());
    generated(&machine, &["projects", "name:text"]);
    let diff = changes(&machine.app());
    let taken_out: Vec<_> = diff.lines().filter(|line| line.starts_with('-')).collect();
    assert_snapshot!(taken_out.join("\n"), @r#"
    -use pages::{AccountPage, JoinPage, ListPage, ListsPage, NotFoundPage};
    -use schema::{Invitation, List, Member, Rejection, Row, Todo};
    -const PAGES: &[&str] = &["/", "/lists/offline", "/join/offline", "/account"];
    -pub use tables::{Invitation, List, Member, Rejection, TABLES, Todo};
    -pub const TABLES: &[&Table] = &[List::TABLE  /* first */ , Todo::TABLE, Member::TABLE, Invitation::TABLE, Rejection::TABLE];
    "#);
}

#[test]
fn names_that_will_not_do() {
    let machine = machine();
    let refusals = [
        &["Projects", "name:text"][..],
        &["project__s", "name:text"],
        &["a_table_with_a_very_long_name", "name:text"],
        &["users", "name:text"],
        &["lists", "name:text"],
        &["todo", "name:text"],
        &["limit", "name:text"],
        &["crates", "name:text"],
        &["api", "name:text"],
        &["titles", "name:text"],
        &["writers", "name:text"],
        &["sheep", "name:text"],
        &["names", "name:text"],
        &["projects"],
        &["projects", "name"],
        &["projects", "name:varchar"],
        &["projects", "name:text?"],
        &["projects", "done:boolean:optional"],
        &["projects", "name:text", "name:real"],
        &["projects", "id:text"],
        &["projects", "owner_id:text"],
        &["projects", "created_at:timestamptz"],
        &["projects", "type:text"],
        &["projects", "order:bigint"],
        &["projects", "Due:timestamptz"],
    ];
    let said =
        refusals.map(|arguments| format!("{}\n  {}", arguments.join(" "), refused(&machine, arguments)));
    assert_snapshot!(said.join("\n"), @r#"
    Projects name:text
      error: "Projects" will not do as a table's name: it takes 1 to 27 of the letters a to z, digits and single underscores, with a letter first, such as due_at.

    project__s name:text
      error: "project__s" will not do as a table's name: it takes 1 to 27 of the letters a to z, digits and single underscores, with a letter first, such as due_at.

    a_table_with_a_very_long_name name:text
      error: "a_table_with_a_very_long_name" will not do as a table's name: it takes 1 to 27 of the letters a to z, digits and single underscores, with a letter first, such as due_at.

    users name:text
      error: There is a table users already: migrations/0001_users.sql makes it. Choose another name.

    lists name:text
      error: schema/src/tables.rs has a table lists with rows of the type List already. Choose another table name, or name a row with --singular.

    todo name:text
      error: One row of todo needs a name of its own: write the table's name in the plural, or name a row with --singular.

    limit name:text
      error: limit is a reserved word of SQL and will not do as a table's name. Choose another word, or join two by an underscore.

    crates name:text
      error: crate is a reserved word of Rust and will not do as a row's name. Choose another word, or join two by an underscore.

    api name:text
      error: The pages of a table api would be at /api, which the site uses itself. Choose another name.

    titles name:text
      error: A row of titles would be of the type Title, which Rust or the pages use for something else. Choose another table name, or name a row with --singular.

    writers name:text
      error: A row of writers would be of the type Writer, which Rust or the pages use for something else. Choose another table name, or name a row with --singular.

    sheep name:text
      error: One row of sheep needs a name of its own: write the table's name in the plural, or name a row with --singular.

    names name:text
      error: app/src/components/name_form.rs is there already, and would be overwritten. Choose another table name, name a row with --singular, or move the file away.

    projects
      error: A table needs at least one column besides its owner and its time: cargo realtime generate table projects name:text

    projects name
      error: The column "name" has no type: write NAME:TYPE, such as name:text. The types are text, boolean (bool), bigint (integer), double precision (real), timestamptz (timestamp).

    projects name:varchar
      error: The column name has the type "varchar", which there is not. The types are text, boolean (bool), bigint (integer), double precision (real), timestamptz (timestamp); a column that may be empty has :optional after its type.

    projects name:text?
      error: The column name has the type "text?", which there is not. The types are text, boolean (bool), bigint (integer), double precision (real), timestamptz (timestamp); a column that may be empty has :optional after its type.

    projects done:boolean:optional
      error: The column done is false until somebody checks it, so it is never empty: write done:boolean.

    projects name:text name:real
      error: The column name is named twice. Leave one of the two out.

    projects id:text
      error: Every table gets the columns id, owner_id and created_at by itself: leave id out.

    projects owner_id:text
      error: Every table gets the columns id, owner_id and created_at by itself: leave owner_id out.

    projects created_at:timestamptz
      error: Every table gets the columns id, owner_id and created_at by itself: leave created_at out.

    projects type:text
      error: type is a reserved word of Rust and will not do as a column's name. Choose another word, or join two by an underscore.

    projects order:bigint
      error: order is a reserved word of SQL and will not do as a column's name. Choose another word, or join two by an underscore.

    projects Due:timestamptz
      error: "Due" will not do as a column's name: it takes 1 to 27 of the letters a to z, digits and single underscores, with a letter first, such as due_at.
    "#);
}

#[test]
fn files_without_a_place_for_the_table() {
    let machine = machine();
    let places = [
        ("schema/src/tables.rs", "&[List::TABLE", "TABLE_LIST; const OTHER: &[&Table] = &[List::TABLE"),
        ("app/src/lib.rs", "</nav>", "</nav><nav></nav>"),
        ("app/src/lib.rs", "Routes", "Ways"),
        ("app/src/queries.rs", "pub fn rejections() ->", "pub fn rejections( ->"),
        ("frontend/src/offline.rs", "PAGES: &[&str] = ", "PAGES: [&str; 2] = *"),
        ("sync-config.yaml", "streams:\n", "streams: {}\nothers:\n"),
        ("sync-config.yaml", "streams:\n", "streams:\n- "),
    ];
    let said = places.map(|(path, old, new)| {
        replace(&machine, path, old, new);
        let said = refused(&machine, &["projects", "name:text"]);
        replace(&machine, path, new, old);
        said
    });
    assert_snapshot!(said.join("\n"), @r#"
    error: schema/src/tables.rs lacks a constant TABLES of the form `&[…]`, where this belongs:
    Project::TABLE in TABLES
    Nothing was changed. Bring the file into that form, and run the command again.

    error: app/src/lib.rs lacks exactly one </nav> in the function App, where this belongs:
    <A href="/projects">
        "Projects"
    </A>
    Nothing was changed. Bring the file into that form, and run the command again.

    error: app/src/lib.rs lacks exactly one </Routes> in the function App, where this belongs:
    <Route path=path!("/projects") view=ProjectsPage />
    <Route path=path!("/projects/:id") view=ProjectPage />
    Nothing was changed. Bring the file into that form, and run the command again.

    error: app/src/queries.rs is not Rust: cannot parse string into token stream (line 81). Correct it, and run the command again.

    error: frontend/src/offline.rs lacks a constant PAGES of the form `&[…]`, where this belongs:
    "/projects", "/projects/offline" in PAGES
    Nothing was changed. Bring the file into that form, and run the command again.

    error: sync-config.yaml lacks a line `streams:` with the streams indented below it, where this belongs:
      projects:
        auto_subscribe: true
        query: SELECT * FROM projects WHERE owner_id = auth.user_id()
    Nothing was changed. Bring the file into that form, and run the command again.

    error: sync-config.yaml is not YAML. Correct it, and run the command again
      because: error: line 17 column 3: while parsing a block mapping, did not find expected key
      --> <input>:17:3
       |
    15 |       - SELECT * FROM members WHERE list_id IN (SELECT list_id FROM…
    16 |
    17 |   invitations:
       |   ^ while parsing a block mapping, did not find expected key
    18 |     auto_subscribe: true
    19 |     query: SELECT * FROM invitations WHERE owner_id = auth.user_id(…
       |
    "#);
    for path in ["app/src/queries.rs", "sync-config.yaml"] {
        fs::rename(machine.app().join(path), machine.app().join("away")).unwrap();
        let error = refused(&machine, &["projects", "name:text"]);
        assert!(error.contains(&format!("{path} cannot be read")), "{error}");
        fs::rename(machine.app().join("away"), machine.app().join(path)).unwrap();
    }
}

#[test]
fn files_that_are_in_the_way() {
    let machine = machine();
    write(&machine.app().join("app/src/pages/project.rs"), b"// Mine.\n");
    assert_snapshot!(refused(&machine, &["projects", "name:text"]), @"error: app/src/pages/project.rs is there already, and would be overwritten. Choose another table name, name a row with --singular, or move the file away.");
}

#[test]
fn a_file_that_cannot_be_written_leaves_none_written() {
    let machine = machine();
    // A link to nowhere is not there for a reader, and in the way of a writer.
    let link = machine.app().join("app/src/pages/project.rs");
    symlink("/nowhere/at/all", &link).unwrap();
    let error = machine.error(&generate(&["projects", "name:text"]));
    assert!(error.contains("app/src/pages/project.rs cannot be written. Nothing was changed."), "{error}");
    fs::remove_file(link).unwrap();
    assert_eq!(git(&machine.app(), &["status", "--porcelain"]), "");
}

#[test]
fn outside_an_app_there_is_nothing_to_add_to() {
    let machine = Machine::new();
    let mut command = machine.command(&generate(&["projects", "name:text"]));
    let output = command.current_dir(machine.elsewhere()).output().unwrap();
    assert!(text(&output.stderr).contains("is not inside an app"));
}
