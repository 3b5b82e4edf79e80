//! A machine for one test: a folder with an app in it and a local stack of its own, both gone when the test ends, however
//! it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// See the module.
pub struct Machine {
    dir: TempDir,
}

impl Machine {
    /// A folder with an empty app called `shop`.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // As other folders for many users are: the user that Postgres runs as gets through.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let machine = Self { dir };
        fs::create_dir(machine.app()).unwrap();
        let manifest = "[workspace]\nmembers = []\n\n[[workspace.metadata.leptos]]\nname = \"app\"\n";
        fs::write(machine.app().join("Cargo.toml"), manifest).unwrap();
        machine
    }

    /// The app's root.
    pub fn app(&self) -> PathBuf {
        self.dir.path().join("shop")
    }

    /// The stack's folder.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// A folder beside the app's.
    pub fn elsewhere(&self) -> &Path {
        self.dir.path()
    }

    /// `cargo realtime ARGUMENTS` in the app's folder, not yet run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-realtime"));
        command
            .args(arguments)
            .current_dir(self.app())
            .env("REALTIME_HOME", self.home())
            .stdin(Stdio::null());
        command
    }

    /// Runs `cargo realtime ARGUMENTS` in the app's folder.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it with `--json`, and expects it to work; gives what it prints.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?} failed:\n{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The value of a variable in the app's `.env`.
    pub fn variable(&self, name: &str) -> String {
        let env = fs::read_to_string(self.app().join(".env")).unwrap();
        let line = env.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("{name} is missing:\n{env}")).to_owned()
    }

    /// The secrets in the app's `.env`: the database's password, the signing key, the admin API's token.
    pub fn secrets(&self) -> Vec<String> {
        let url = self.variable("DIRECT_DATABASE_URL");
        let password = url.split([':', '@']).nth(2).unwrap().to_owned();
        vec![password, self.variable("POWERSYNC_SIGNING_KEY"), self.variable("POWERSYNC_API_TOKEN")]
    }

    /// Runs it, and expects it to fail; gives what it says, with the test's folder called `/machine`.
    pub fn error(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} works:\n{}", text(&output.stdout));
        self.neutral(&text(&output.stderr))
    }

    /// The text with what differs from test to test replaced.
    pub fn neutral(&self, text: &str) -> String {
        text.replace(self.dir.path().canonicalize().unwrap().to_str().unwrap(), "/machine")
            .replace(self.dir.path().to_str().unwrap(), "/machine")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.home().exists() {
            // State that a test has damaged must not keep what it describes alive.
            let output = self.run(&["down"]);
            assert!(
                output.status.success() || std::thread::panicking(),
                "The stack in {} is still there:\n{}",
                self.home().display(),
                text(&output.stderr)
            );
        }
    }
}

/// What a program has printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a process with this pid runs. One that nobody has reaped yet does not.
pub fn runs(pid: &Value) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = text(&output.stdout);
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

/// Kills a process as hard as it can be.
pub fn kill(pid: &Value) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    while runs(pid) {
        std::thread::yield_now();
    }
}
