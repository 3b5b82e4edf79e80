//! The command line's documentation, as it is printed.

use super::machine::{Machine, text};

#[test]
fn help_reads_like_documentation() {
    let machine = Machine::new();
    let mut help = String::new();
    let commands = [
        "",
        "new",
        "dev",
        "test",
        "doctor",
        "up",
        "down",
        "status",
        "create-database",
        "database-sync-enable",
        "create-app",
        "connect-app-to-database",
        "destroy",
        "generate",
        "generate table",
        "lint-migrations",
        "mcp",
    ];
    for command in commands {
        let arguments: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        help.push_str(&format!(
            "$ cargo realtime {}\n{}\n",
            arguments.join(" "),
            text(&machine.run(&arguments).stdout)
        ));
    }
    insta::assert_snapshot!("help", help);
}

#[test]
fn cargo_calls_us_with_our_own_name() {
    let machine = Machine::new();
    let direct = machine.run(&["status", "--json"]);
    let by_cargo = machine.run(&["realtime", "status", "--json"]);
    assert!(direct.status.success());
    assert_eq!(text(&direct.stdout), text(&by_cargo.stdout));
}
