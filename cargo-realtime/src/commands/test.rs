//! `cargo realtime test`.
//!
//! The tests get a local stack of their own, made for each run, and the app is built into a site folder and listens on ports
//! of its own: so they run beside `cargo realtime dev`, and the app's `.env` is not touched.

use std::fs::{self, File, TryLockError};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::commands::lint_migrations;
use crate::executable;
use crate::foreground::{Foreground, Interrupt};
use crate::output::line;
use crate::progress::Progress;
use crate::stack::home::Home;
use crate::stack::{Stack, app};
use crate::toolchain;
use crate::workspace::Workspace;

/// Runs every test of the app.
pub async fn run() -> Result<()> {
    let started = Instant::now();
    let workspace = Workspace::require()?;
    let _lock = lock(&workspace)?;
    let home = Home::at(&workspace.root.join("target/realtime-test"))?;
    let mut tests = Tests {
        executable: executable::path()?,
        interrupt: Interrupt::listen()?,
        progress: Progress::new(),
        passed: Vec::new(),
        workspace,
    };
    let outcome = tests.all(&home).await;
    let tidied = tidy(&home, &tests.progress, outcome.is_ok()).await;
    outcome?;
    tidied?;
    line(&format!("Passed in {} s: {}.", started.elapsed().as_secs(), tests.passed.join(", ")))
}

struct Tests {
    workspace: Workspace,
    /// Noted at the start: the tests may build this very program anew.
    executable: PathBuf,
    interrupt: Interrupt,
    progress: Progress,
    passed: Vec<&'static str>,
}

impl Tests {
    async fn all(&mut self, home: &Home) -> Result<()> {
        let browser = self.prepare().await?;
        let frontend = self.workspace.frontend.clone();
        let not_frontend = ["--workspace", "--exclude", frontend.as_str()];
        let strict = ["--", "-D", "warnings"];
        self.migrations()?;
        self.step("format", self.cargo(&["fmt", "--all", "--check"])).await?;
        self.step(
            "lints",
            self.cargo(&[&["clippy"], &not_frontend[..], &["--all-targets"], &strict].concat()),
        )
        .await?;
        let wasm = ["clippy", "-p", frontend.as_str(), "--target", toolchain::WASM];
        self.step("lints of the frontend", self.cargo(&[&wasm[..], &strict].concat())).await?;
        self.audits().await?;
        let stack = self.private_stack(home).await?;
        let runner: &[&str] = if toolchain::has_nextest().await { &["nextest", "run"] } else { &["test"] };
        let mut rust_tests = self.cargo(&[runner, &not_frontend[..]].concat());
        rust_tests.env("TEST_DATABASE_URL", &stack.database_url).env("CHROMIUM_PATH", &browser);
        rust_tests.env("CARGO_REALTIME", &self.executable);
        self.step("Rust tests", rust_tests).await?;
        let site = self.site_environment()?;
        let mut build = self.cargo(&["leptos", "build"]);
        build.envs(site.iter().cloned());
        self.step("build", build).await?;
        self.browser_tests(home, &stack, &site, &browser).await
    }

    /// Gets what is missing; gives the browser's program.
    async fn prepare(&mut self) -> Result<PathBuf> {
        let tools = async {
            toolchain::ensure(&self.workspace, &self.progress).await?;
            toolchain::ensure_for_tests(&self.progress).await?;
            toolchain::obtain_browser(&self.workspace, &self.progress).await
        };
        tokio::select! {
            browser = tools => browser,
            () = self.interrupt.received() => bail!(INTERRUPTED),
        }
    }

    /// What never reaches browsers fails, because it takes one command to send it.
    fn migrations(&mut self) -> Result<()> {
        self.progress.line("\n── migrations: cargo realtime lint-migrations");
        if let Some(complaint) = lint_migrations::complaint(&self.workspace.root)? {
            bail!("migrations failed: not every change reaches the rows that browsers have.\n{complaint}");
        }
        self.passed.push("migrations");
        Ok(())
    }

    async fn audits(&mut self) -> Result<()> {
        let audits = tokio::select! {
            audits = toolchain::audits(&self.workspace, &self.progress) => audits,
            () = self.interrupt.received() => bail!(INTERRUPTED),
        };
        for (name, audit) in audits {
            self.step(name, audit).await?;
        }
        Ok(())
    }

    /// A stack with nothing in it but this app's database.
    async fn private_stack(&mut self, home: &Home) -> Result<PrivateStack> {
        let start = async {
            // What an earlier run left behind, if it was killed.
            if home.dir().exists() {
                Stack::open(home.clone(), self.progress.clone()).await?.destroy().await?;
            }
            let mut stack = Stack::open(home.clone(), self.progress.clone()).await?;
            stack.up().await?;
            let env_file = home.dir().join("app.env");
            let database = app::ensure_connected(&mut stack, &self.workspace.root, Some(&env_file)).await?;
            Ok(PrivateStack {
                database_url: stack.admin_url()?,
                app_environment: app::variables(&stack, &database)?,
            })
        };
        tokio::select! {
            stack = start => stack,
            () = self.interrupt.received() => bail!(INTERRUPTED),
        }
    }

    async fn browser_tests(
        &mut self,
        home: &Home,
        stack: &PrivateStack,
        site: &[(&'static str, String)],
        browser: &Path,
    ) -> Result<()> {
        let dir = self.workspace.root.join("end2end");
        if !has_playwright_config(&dir) {
            self.progress
                .line(format!("Skipped the tests in a browser: {} has no playwright.config", dir.display()));
            return Ok(());
        }
        let mut playwright = Command::new("npx");
        playwright
            .args(["playwright", "test"])
            .current_dir(&dir)
            .env("REALTIME_HOME", home.dir())
            .env("CHROMIUM_PATH", browser)
            .env("CARGO_REALTIME", &self.executable)
            .envs(stack.app_environment.iter().cloned())
            .envs(site.iter().cloned());
        self.step("tests in a browser", playwright).await
    }

    /// What tells cargo-leptos, and the server without it, where the site lies and listens.
    fn site_environment(&self) -> Result<Vec<(&'static str, String)>> {
        // Both at once, so that they differ.
        let free = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        Ok(vec![
            ("LEPTOS_OUTPUT_NAME", self.workspace.output_name.clone()),
            ("LEPTOS_SITE_ROOT", "target/realtime-test-site".to_owned()),
            ("LEPTOS_SITE_ADDR", free[0].local_addr()?.to_string()),
            ("LEPTOS_RELOAD_PORT", free[1].local_addr()?.port().to_string()),
        ])
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments).current_dir(&self.workspace.root);
        cargo
    }

    /// Runs one step with its output, and fails if it does.
    async fn step(&mut self, name: &'static str, command: Command) -> Result<()> {
        let line = toolchain::command_line(&command);
        self.progress.line(format!("\n── {name}: {line}"));
        let started = Instant::now();
        let mut program = Foreground::start(command)?;
        let status = tokio::select! {
            status = program.ended() => status?,
            () = self.interrupt.received() => {
                program.stop().await?;
                bail!(INTERRUPTED);
            }
        };
        let seconds = started.elapsed().as_secs();
        if !status.success() {
            bail!("{name} failed after {seconds} s ({status}): `{line}`. What it said is above.");
        }
        self.progress.line(format!("✓ {name} ({seconds} s)"));
        self.passed.push(name);
        Ok(())
    }
}

/// Where the private stack is.
struct PrivateStack {
    /// Where tests can make databases and roles.
    database_url: String,
    app_environment: Vec<(&'static str, String)>,
}

const INTERRUPTED: &str = "Interrupted. The steps that had not run have not run.";

/// Stops the private stack; keeps its logs if something has failed.
async fn tidy(home: &Home, progress: &Progress, passed: bool) -> Result<()> {
    if !home.dir().exists() {
        return Ok(());
    }
    let mut stack = Stack::open(home.clone(), progress.clone()).await?;
    if passed {
        return stack.destroy().await;
    }
    stack.down().await?;
    progress.line(format!("The logs of the tests' local stack are in {}", home.dir().display()));
    Ok(())
}

/// Two runs at once would share a stack and a site.
fn lock(workspace: &Workspace) -> Result<File> {
    let target = workspace.root.join("target");
    let path = target.join("realtime-test.lock");
    fs::create_dir_all(&target).with_context(|| format!("Cannot make {}", target.display()))?;
    let file = File::create(&path).with_context(|| format!("Cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("Another `cargo realtime test` runs in this app. Wait for it, or end it.")
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("Cannot lock {}", path.display()))
        }
    }
}

fn has_playwright_config(dir: &Path) -> bool {
    let mut entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name().to_string_lossy().starts_with("playwright.config."))
}
