//! `doctor`, `dev` and `test` on a small real app (`tests/app`), by the real program, with the real cargo-leptos.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use super::machine::{Machine, runs, text};
use super::running::{Running, free_ports};
use serde_json::json;

/// One for all copies of the app, and kept, so that its dependencies are compiled once.
const TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/small-app");

/// A machine with a copy of the small app.
fn machine() -> Machine {
    let machine = Machine::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    copy(&sources.join("tests/app"), &machine.app());
    // The same wasm-bindgen as in this workspace, so that no other need be installed.
    fs::copy(sources.join("../Cargo.lock"), machine.app().join("Cargo.lock")).unwrap();
    fs::write(machine.app().join(".gitignore"), "/target/\n/node_modules/\n/public/powersync/\n").unwrap();
    fs::create_dir(machine.app().join("public")).unwrap();
    machine
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn dev_runs_the_app_until_ctrl_c() {
    let machine = machine();
    let [site, reload] = free_ports();
    let dev = || {
        let mut dev = machine.command(&["dev"]);
        dev.env("LEPTOS_SITE_ADDR", site.to_string()).env("LEPTOS_RELOAD_PORT", reload.port().to_string());
        dev.env("CARGO_TARGET_DIR", TARGET);
        dev
    };
    let mut running = Running::start(&mut dev());
    let said = running.read_until("➜");
    assert!(said.contains(&format!("http://{site}")), "{said}");
    TcpStream::connect(site).unwrap();
    assert!(machine.app().join("public/powersync/sdk.js").exists());
    assert!(machine.app().join(".env").exists());

    let second = text(&dev().output().unwrap().stderr).replace(&site.to_string(), "SITE");
    insta::assert_snapshot!(second.lines().next().unwrap(), @"error: SITE is not free: another program listens there, perhaps another `cargo realtime dev`. Stop it, or choose another port: LEPTOS_SITE_ADDR=127.0.0.1:3010 cargo realtime dev");

    let (said, ended_well) = running.interrupt();
    assert!(ended_well && said.contains("The local stack goes on"), "{said}");
    TcpListener::bind(site).unwrap();
    assert_eq!(machine.json(&["status"])["postgres"]["running"], true);
}

#[test]
fn test_runs_every_step_and_leaves_nothing_behind() {
    let machine = machine();
    let run = || {
        let mut test = machine.command(&["test"]);
        test.env("CARGO_TARGET_DIR", TARGET).env_remove("TEST_DATABASE_URL");
        test.output().unwrap()
    };
    let passed = run();
    assert!(passed.status.success(), "{}", text(&passed.stderr));
    // Whether npm's registry answers audits depends on which it is.
    let last = text(&passed.stdout).lines().last().unwrap().replace(" audit of npm packages,", "");
    assert!(last.starts_with("Passed in "), "{last}");
    assert!(
        last.ends_with(" s: migrations, format, lints, lints of the frontend, Rust tests, build."),
        "{last}"
    );
    assert!(!machine.app().join("target/realtime-test").exists());
    assert!(!machine.app().join(".env").exists() && !machine.home().exists());

    fs::write(
        machine.app().join("server/src/main.rs"),
        "fn main() {}\n\n#[test]\nfn fails() {\n    panic!();\n}\n",
    )
    .unwrap();
    let failed = run();
    assert!(!failed.status.success());
    let said = text(&failed.stderr);
    assert!(said.contains("error: Rust tests failed") && !said.contains("── build"), "{said}");
    let home = machine.app().join("target/realtime-test");
    let mut status = machine.command(&["status", "--json"]);
    let status = status.env("REALTIME_HOME", &home).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["postgres"]["running"], false);
}

#[test]
fn ctrl_c_ends_the_tests_and_their_stack() {
    let machine = machine();
    let mut running = Running::start(machine.command(&["test"]).env("CARGO_TARGET_DIR", TARGET));
    running.read_until("── Rust tests");
    let home = machine.app().join("target/realtime-test");
    let output = machine.command(&["status", "--json"]).env("REALTIME_HOME", &home).output().unwrap();
    let stack: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(runs(&stack["postgres"]["pid"]));
    let (said, ended_well) = running.interrupt();
    assert!(!ended_well && said.contains("error: Interrupted."), "{said}");
    assert!(!runs(&stack["postgres"]["pid"]) && !runs(&stack["databases"][0]["sync"]["pid"]));
}

#[test]
fn the_doctor_names_what_is_missing() {
    let machine = machine();
    let output = machine.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let bundle =
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "PowerSync SDK bundle");
    let missing = json!({ "missing": { "problem": "not built", "get": "npm run build" } });
    assert_eq!(bundle.unwrap()["status"], missing);
    assert_eq!(report["readyForDev"], false);
    assert!(!output.status.success());
    assert!(text(&machine.run(&["doctor"]).stdout).contains("get it: npm run build"));
}
