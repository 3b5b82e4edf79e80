//! `up`, `status` and `down`, by the real program, with real processes.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use super::machine::{Machine, kill, runs, text};
use serde_json::{Value, json};

fn postgres_pid(report: &Value) -> &Value {
    &report["postgres"]["pid"]
}

fn sync_pid(report: &Value) -> &Value {
    &report["databases"][0]["sync"]["pid"]
}

#[test]
fn a_stack_lives_dies_and_lives_again() {
    let machine = Machine::new();
    let first = machine.json(&["up"]);
    assert_eq!(first["databases"][0]["id"], "shop");
    assert!(runs(postgres_pid(&first)) && runs(sync_pid(&first)));
    assert_eq!(machine.json(&["status"]), first);

    kill(postgres_pid(&first));
    assert_eq!(machine.json(&["status"])["postgres"]["running"], false);
    let second = machine.json(&["up"]);
    assert!(runs(postgres_pid(&second)));
    assert_eq!(second["postgres"]["port"], first["postgres"]["port"]);

    kill(sync_pid(&second));
    assert_eq!(machine.json(&["status"])["databases"][0]["sync"]["running"], false);
    let third = machine.json(&["up"]);
    assert!(runs(sync_pid(&third)));
    assert_eq!(postgres_pid(&third), postgres_pid(&second));

    let state = fs::read(machine.home().join("state.json")).unwrap();
    let env = fs::read(machine.app().join(".env")).unwrap();
    assert_eq!(machine.json(&["up"]), third);
    assert_eq!(fs::read(machine.home().join("state.json")).unwrap(), state);
    assert_eq!(fs::read(machine.app().join(".env")).unwrap(), env);

    let down = machine.json(&["down"]);
    assert_eq!(down["stopped"][0], json!({ "what": "sync service of shop", "pid": sync_pid(&third) }));
    assert_eq!(down["stopped"][1], json!({ "what": "Postgres", "pid": postgres_pid(&third) }));
    assert!(!runs(postgres_pid(&third)) && !runs(sync_pid(&third)));
    insta::assert_snapshot!(text(&machine.run(&["down"]).stdout), @"Nothing to do: nothing of the local stack is running.");
}

#[test]
fn two_at_once_make_one_stack() {
    let machine = Machine::new();
    let children: Vec<_> = (0..2)
        .map(|_| {
            let mut up = machine.command(&["up", "--json"]);
            up.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let reports: Vec<Value> = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
            serde_json::from_slice(&output.stdout).unwrap()
        })
        .collect();
    assert_eq!(reports[0], reports[1]);
    assert!(runs(postgres_pid(&reports[0])) && runs(sync_pid(&reports[0])));
}

#[test]
fn other_lines_of_the_env_file_stay_and_secrets_are_closed() {
    let machine = Machine::new();
    let env = machine.app().join(".env");
    fs::write(&env, "# mine\nRUST_LOG=debug\nPOWERSYNC_URL=https://old.example\n").unwrap();
    let report = machine.json(&["up"]);
    let written = fs::read_to_string(&env).unwrap();
    assert!(written.starts_with("# mine\nRUST_LOG=debug\nPOWERSYNC_URL=http://127.0.0.1:"));
    for name in [
        "VITE_POWERSYNC_URL",
        "VITE_POWERSYNC_TOKEN_ENDPOINT",
        "VITE_DATABASE_URL",
        "DIRECT_DATABASE_URL",
        "POWERSYNC_SIGNING_KEY",
        "POWERSYNC_API_TOKEN",
        "POWERSYNC_URL",
    ] {
        assert_eq!(written.lines().filter(|line| line.starts_with(&format!("{name}="))).count(), 1, "{name}");
    }
    for file in [env, machine.home().join("state.json"), machine.home().join("sync/shop.json")] {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    assert_eq!(report["apps"][0]["envFile"], json!(machine.app().canonicalize().unwrap().join(".env")));
    let secrets = machine.secrets();
    assert_eq!(secrets.len(), 3);
    for arguments in [&["status"][..], &["status", "--json"], &["up", "--json"], &["down"], &["up"]] {
        let output = machine.run(arguments);
        let seen = text(&output.stdout) + &text(&output.stderr);
        assert!(!secrets.iter().any(|secret| seen.contains(secret)), "{arguments:?}: {seen}");
    }
}

#[test]
fn a_taken_port_is_left_to_its_owner() {
    let machine = Machine::new();
    let before = machine.json(&["up"]);
    machine.json(&["down"]);
    let port = u16::try_from(before["postgres"]["port"].as_u64().unwrap()).unwrap();
    let _owner = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let after = machine.json(&["up"]);
    assert_ne!(after["postgres"]["port"], before["postgres"]["port"]);
    let address = format!("@127.0.0.1:{}/shop", after["postgres"]["port"]);
    let url = machine.variable("DIRECT_DATABASE_URL");
    assert!(url.ends_with(&address), "{url}");
    assert!(fs::read_to_string(machine.home().join("sync/shop.json")).unwrap().contains(&url));
}

#[test]
fn a_lost_state_file_loses_no_data() {
    let machine = Machine::new();
    let before = machine.json(&["up"]);
    let old_url = machine.variable("DIRECT_DATABASE_URL");
    fs::remove_file(machine.home().join("state.json")).unwrap();
    let after = machine.json(&["up"]);
    assert_ne!(machine.variable("DIRECT_DATABASE_URL"), old_url);
    assert!(!runs(postgres_pid(&before)) && runs(postgres_pid(&after)));
    assert_eq!(after["databases"][0]["name"], "shop");

    fs::remove_file(machine.home().join("state.json")).unwrap();
    machine.json(&["down"]);
    assert!(!runs(postgres_pid(&after)) && !runs(sync_pid(&after)));
}

#[test]
fn errors_say_what_to_do() {
    let machine = Machine::new();
    fs::create_dir(machine.home()).unwrap();
    fs::write(machine.home().join("state.json"), "{ \"postgres\": 1 }").unwrap();
    insta::assert_snapshot!(machine.error(&["status"]), @r"
    error: /machine/home/state.json is damaged. Put back a copy of it, or move it away: `cargo realtime up` then makes a new one and gives the cluster that is there new passwords.
      because: invalid type: integer `1`, expected struct Cluster at line 1 column 15
    ");
    fs::remove_file(machine.home().join("state.json")).unwrap();

    fs::write(machine.app().join("Cargo.toml"), "[workspace\n").unwrap();
    insta::assert_snapshot!(machine.error(&["up"]), @r"
    error: /machine/shop/Cargo.toml is not valid TOML
      because: TOML parse error at line 1, column 11
      |
    1 | [workspace
      |           ^
    unclosed table, expected `]`
    ");

    let outside = machine.command(&["dev"]).current_dir(machine.elsewhere()).output().unwrap();
    insta::assert_snapshot!(machine.neutral(&text(&outside.stderr)), @"error: /machine is not inside an app: no folder from here upwards has a Cargo.toml with [[workspace.metadata.leptos]]. Go to your app's folder and run the command again.");
    let outside = machine.command(&["test"]).current_dir(machine.elsewhere()).output().unwrap();
    assert_eq!(machine.neutral(&text(&outside.stderr)).matches("is not inside an app").count(), 1);

    let in_a_file = machine.app().join("Cargo.toml/home");
    let impossible =
        machine.command(&["up"]).current_dir(machine.elsewhere()).env("REALTIME_HOME", in_a_file).output();
    insta::assert_snapshot!(machine.neutral(&text(&impossible.unwrap().stderr)), @r"
    error: Cannot make the folder /machine/shop/Cargo.toml/home. Set REALTIME_HOME to a folder you may write to.
      because: Not a directory (os error 20)
    ");
}
