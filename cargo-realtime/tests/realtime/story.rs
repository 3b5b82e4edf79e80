//! The whole story, as an assistant and its user live it: four calls, two browsers in sync, an upgrade under browsers that
//! are offline, what becomes of conflicts, and the new app passes its own tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::machine::{Machine, text};
use super::mcp::Assistant;
use super::running::{Running, free_ports};
use super::upgrade::upgrade;

#[tokio::test]
async fn an_app_comes_to_life() {
    let machine = Machine::new();
    let root = four_calls(&machine).await;
    take_another_version(&root);
    let _shared = SharedTarget;
    people_use_it(&machine, &root);
    let passed = succeeds(in_app(&machine, &root, &["test"]).env_remove("TEST_DATABASE_URL"));
    let last = passed.lines().last().unwrap();
    assert!(last.starts_with("Passed in ") && last.ends_with("tests in a browser."), "{passed}");
}

async fn four_calls(machine: &Machine) -> PathBuf {
    let assistant = Assistant::start(machine).await;
    let database = assistant.call("create_database", json!({ "name": "my-db" })).await;
    let database_id = &database["databaseId"];
    assistant.call("database_sync_enable", json!({ "databaseId": database_id })).await;
    let app = assistant.call("create_app", json!({ "name": "my-app", "template": "realtime" })).await;
    let ids = json!({ "appId": app["appId"], "databaseId": database_id });
    assistant.call("connect_app_to_database", ids).await;
    assistant.leave().await;
    app["path"].as_str().unwrap().into()
}

/// While they do, it is upgraded.
fn people_use_it(machine: &Machine, root: &Path) {
    let [site, reload] = free_ports();
    let mut dev = in_app(machine, root, &["dev"]);
    dev.env("LEPTOS_SITE_ADDR", site.to_string()).env("LEPTOS_RELOAD_PORT", reload.port().to_string());
    let mut dev = Running::start(&mut dev);
    dev.read_until("➜");
    let script = |name: &str| {
        let mut node = Command::new("node");
        node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browsers").join(name));
        node.arg(format!("http://{site}"));
        node
    };
    succeeds(&mut script("first_row.mjs"));
    let mut people = Running::start(script("schema_change.mjs").stdin(Stdio::piped()));
    people.read_until("Offline.");
    upgrade(root, |arguments| drop(succeeds(&mut in_app(machine, root, arguments))));
    people.enter();
    let (said, ended_well) = people.end();
    assert!(ended_well, "{said}");
    succeeds(&mut script("generated_table.mjs"));
    succeeds(&mut script("conflicts.mjs"));
    dev.interrupt();
}

/// Cargo tells the crates of two workspaces apart by name, version and place in their workspace. In a target directory that
/// both use, the new app's would else be taken for this repository's, and the other way round.
fn take_another_version(root: &Path) {
    let manifest = root.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let (ours, another) = (concat!("version = \"", env!("CARGO_PKG_VERSION"), "\""), "version = \"0.0.1\"");
    assert_eq!(text.matches(ours).count(), 1, "{text}");
    fs::write(&manifest, text.replace(ours, another)).unwrap();
}

/// A command in the app, which shares what this workspace has compiled.
fn in_app(machine: &Machine, root: &Path, arguments: &[&str]) -> Command {
    let mut command = machine.command(arguments);
    command.current_dir(root).env("CARGO_TARGET_DIR", target());
    command
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// The browser's program is one file of one name, whatever its version. Once the new app has been there, this
/// repository's must be linked again, which cargo does when it has no note of having done so.
struct SharedTarget;

impl Drop for SharedTarget {
    fn drop(&mut self) {
        let notes = target().join("front/wasm32-unknown-unknown/wasm-dev/.fingerprint");
        for note in fs::read_dir(notes).into_iter().flatten().flatten() {
            if note.file_name().to_string_lossy().starts_with("frontend-") {
                fs::remove_dir_all(note.path()).unwrap();
            }
        }
    }
}

/// Runs the command, and expects it to work; gives what it prints.
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
