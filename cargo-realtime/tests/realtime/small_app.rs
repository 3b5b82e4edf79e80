//! `doctor`, `dev` and `test` on a small real app (`tests/app`), by the real program, with the real cargo-leptos.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::machine::{Machine, runs, text};
use serde_json::json;

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

/// Ports that were free a moment ago.
fn free_ports() -> [SocketAddr; 2] {
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap())
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn dev_runs_the_app_until_ctrl_c() {
    let machine = machine();
    let [site, reload] = free_ports();
    let dev = || {
        let mut dev = machine.command(&["dev"]);
        dev.env("LEPTOS_SITE_ADDR", site.to_string()).env("LEPTOS_RELOAD_PORT", reload.port().to_string());
        // Cargo, which runs this test, has set it for a build of its own.
        dev.env_remove("CARGO_TARGET_DIR").stdout(Stdio::null()).stderr(Stdio::piped());
        dev
    };
    let mut running = dev().spawn().unwrap();
    let mut said = BufReader::new(running.stderr.take().unwrap());
    let mut until_ready = String::new();
    while !until_ready.contains("➜") {
        assert_ne!(said.read_line(&mut until_ready).unwrap(), 0, "dev has ended:\n{until_ready}");
    }
    assert!(until_ready.contains(&format!("http://{site}")), "{until_ready}");
    TcpStream::connect(site).unwrap();
    assert!(machine.app().join("public/powersync/sdk.js").exists());
    assert!(machine.app().join(".env").exists());

    let second = text(&dev().output().unwrap().stderr).replace(&site.to_string(), "SITE");
    insta::assert_snapshot!(second, @"");

    interrupt(&running);
    let mut after = String::new();
    said.read_to_string(&mut after).unwrap();
    assert!(running.wait().unwrap().success(), "{after}");
    assert!(after.contains("The local stack goes on"), "{after}");
    TcpListener::bind(site).unwrap();
    assert_eq!(machine.json("status")["postgres"]["running"], true);
}

#[test]
fn test_runs_every_step_and_leaves_nothing_behind() {
    let machine = machine();
    let run = || {
        let mut test = machine.command(&["test"]);
        test.env_remove("CARGO_TARGET_DIR").env_remove("TEST_DATABASE_URL");
        test.output().unwrap()
    };
    let passed = run();
    assert!(passed.status.success(), "{}", text(&passed.stderr));
    let last = text(&passed.stdout).lines().last().unwrap().to_owned();
    assert!(last.starts_with("Passed in "), "{last}");
    assert!(last.ends_with(" s: format, lints, lints of the frontend, Rust tests, build."), "{last}");
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
    let mut test = machine.command(&["test"]);
    test.env_remove("CARGO_TARGET_DIR")
        .env("RUST_TEST_THREADS", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut running = test.spawn().unwrap();
    let mut said = BufReader::new(running.stderr.take().unwrap());
    let mut until_stack = String::new();
    while !until_stack.contains("── Rust tests") {
        assert_ne!(said.read_line(&mut until_stack).unwrap(), 0, "test has ended:\n{until_stack}");
    }
    let home = machine.app().join("target/realtime-test");
    let status = || -> serde_json::Value {
        let output = machine.command(&["status", "--json"]).env("REALTIME_HOME", &home).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let before = status();
    assert!(runs(&before["postgres"]["pid"]));
    interrupt(&running);
    let mut after = String::new();
    said.read_to_string(&mut after).unwrap();
    assert!(!running.wait().unwrap().success());
    assert!(after.contains("error: Interrupted."), "{after}");
    assert!(!runs(&before["postgres"]["pid"]) && !runs(&before["databases"][0]["sync"]["pid"]));
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
    assert_eq!(report["ready_for_dev"], false);
    assert!(!output.status.success());
    assert!(text(&machine.run(&["doctor"]).stdout).contains("get it: npm run build"));
}
