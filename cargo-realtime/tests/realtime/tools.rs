//! The four tools as commands, with the local providers; what undoes them; and `new`, which calls them in a row.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use super::machine::{Machine, runs, text};
use super::transcript::Transcript;

#[test]
fn the_four_commands_in_a_row() {
    let machine = Machine::new();
    let mut terminal = Transcript::of(&machine);
    terminal.run("create-database --name notes");
    terminal.run("create-database --name notes");
    terminal.run("database-sync-enable --database-id notes");
    terminal.run("create-app --name my-notes");
    terminal.run("connect-app-to-database --app-id my-notes --database-id notes");
    terminal.run("connect-app-to-database --app-id my-notes --database-id notes");
    terminal.run("status");
    terminal.run("destroy --database-id notes --sync-only --yes");
    terminal.run("destroy --database-id notes --yes");
    terminal.run("status");
    terminal.assert("four_commands");
}

#[test]
fn the_four_commands_for_machines() {
    let machine = Machine::new();
    let mut terminal = Transcript::of(&machine);
    terminal.run("create-database --name notes --json");
    terminal.run("database-sync-enable --database-id notes --json");
    terminal.run("create-app --name my-notes --json");
    terminal.run("connect-app-to-database --app-id my-notes --database-id notes --json");
    terminal.run("status --json");
    terminal.run("destroy --database-id notes --yes --json");
    terminal.run("destroy --database-id notes --yes --json");
    terminal.assert("four_commands_json");
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let machine = Machine::new();
    let mut terminal = Transcript::of(&machine);
    terminal.run("database-sync-enable --database-id notes");
    terminal.run("create-database --name Notes");
    terminal.run("create-database --name postgres");
    terminal.run("create-database");
    terminal.run("create-app --name 1st");
    terminal.run("create-app --name shop");
    terminal.run("create-app --name notes --template vue");
    terminal.run("create-app --name notes --dir nowhere");
    terminal.run("create-database --name notes");
    terminal.run("connect-app-to-database --app-id notes --database-id notes");
    terminal.run("destroy --database-id notes");
    terminal.run("new shop");
    terminal.run("new");
    terminal.assert("four_commands_refused");
}

#[test]
fn databases_stand_side_by_side() {
    let machine = Machine::new();
    let urls = ["one", "two", "three"].map(|name| {
        machine.json(&["create-database", "--name", name]);
        machine.json(&["database-sync-enable", "--database-id", name])["powersyncUrl"].clone()
    });
    assert!(urls[0] != urls[1] && urls[1] != urls[2] && urls[0] != urls[2], "{urls:?}");
    machine.json(&["destroy", "--database-id", "two", "--yes"]);
    let databases = machine.json(&["status"])["databases"].as_array().unwrap().clone();
    let left: Vec<_> = databases.iter().map(|database| &database["id"]).collect();
    assert_eq!(left, [&json!("one"), &json!("three")]);
    assert!(databases.iter().all(|database| runs(&database["sync"]["pid"])));
}

#[test]
fn new_makes_an_app_that_is_ready_to_run() {
    let machine = Machine::new();
    let new = |name: &str| {
        let mut command = machine.command(&["new", name, "--json"]);
        let output = command.current_dir(machine.elsewhere()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let made = new("notes");
    assert_eq!((&made["appId"], &made["databaseId"]), (&json!("notes"), &json!("notes")));
    let root = machine.elsewhere().canonicalize().unwrap().join("notes");
    assert_eq!(made["path"], json!(root));
    assert!(fs::read_to_string(root.join(".env")).unwrap().contains("/notes\n"));
    assert!(root.join("server/src/main.rs").exists() && root.join(".git").exists());
    let status = machine.json(&["status"]);
    assert!(runs(&status["databases"][0]["sync"]["pid"]));

    // The folder is moved away; the name is free again, its database is not.
    fs::rename(&root, machine.elsewhere().join("elsewhere")).unwrap();
    let second = new("notes");
    assert_eq!(second["path"], json!(root));
    assert_ne!(second["databaseId"], made["databaseId"]);
}

#[test]
fn a_new_that_fails_leaves_nothing_behind() {
    let machine = Machine::new();
    let new = || {
        let mut command = machine.command(&["new", "notes"]);
        command.current_dir(machine.elsewhere());
        command
    };
    // A file lies where the cluster belongs.
    fs::create_dir(machine.home()).unwrap();
    let in_the_way = machine.home().join("postgres");
    fs::write(&in_the_way, "").unwrap();
    let failed = new().output().unwrap();
    assert!(!failed.status.success());
    let said = text(&failed.stderr);
    assert!(said.contains("the same command can be run again"), "{said}");
    assert!(!machine.elsewhere().join("notes").exists());
    assert_eq!(machine.json(&["status"])["apps"], json!([]));

    fs::remove_file(in_the_way).unwrap();
    let made = new().output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
}

#[test]
fn ctrl_c_during_new_leaves_nothing_behind() {
    let machine = Machine::new();
    let mut new = machine.command(&["new", "notes"]);
    new.current_dir(machine.elsewhere()).stderr(Stdio::piped());
    let mut child = new.spawn().unwrap();
    while !machine.elsewhere().join("notes").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("Interrupted."), "{said}");
    assert!(!machine.elsewhere().join("notes").exists());
    let status = machine.json(&["status"]);
    assert_eq!((&status["apps"], &status["databases"]), (&json!([]), &json!([])));
}
