//! A session at a terminal, as one text: each command with what it prints and how it ends. What differs from run to run
//! is replaced.

use super::machine::{Machine, text};

/// See the module.
pub struct Transcript<'a> {
    machine: &'a Machine,
    text: String,
}

impl<'a> Transcript<'a> {
    /// An empty one.
    pub fn of(machine: &'a Machine) -> Self {
        Self { machine, text: String::new() }
    }

    /// Runs `cargo realtime LINE` beside the machine's app.
    pub fn run(&mut self, line: &str) {
        let arguments: Vec<_> = line.split(' ').collect();
        let mut command = self.machine.command(&arguments);
        let output = command.current_dir(self.machine.elsewhere()).output().unwrap();
        self.text.push_str(&format!("$ cargo realtime {line}\n"));
        self.text.push_str(&self.machine.neutral(&text(&output.stdout)));
        self.text.push_str(&self.machine.neutral(&text(&output.stderr)));
        if let Some(code) = output.status.code().filter(|code| *code != 0) {
            self.text.push_str(&format!("[exit {code}]\n"));
        }
        self.text.push('\n');
    }

    /// Compares it with the snapshot `name`.
    pub fn assert(self, name: &str) {
        let filters = [
            (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
            (r"port \d+", "port PORT"),
            (r#"pid(\)?"?:?) \d+"#, "pid$1 PID"),
            (r#""port": \d+"#, r#""port": PORT"#),
            (r"\(\d+\.\d s\)", "(SECONDS)"),
            (r"Postgres \d+", "Postgres MAJOR"),
            (r"\d+ files", "COUNT files"),
            (r#""files": \d+"#, r#""files": COUNT"#),
        ];
        insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(name, self.text) });
    }
}
