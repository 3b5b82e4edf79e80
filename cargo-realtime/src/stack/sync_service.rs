//! The sync service of a database: a detached process of this very executable, `cargo-realtime sync-service`.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use sysinfo::Process;
use tokio::process::{Child, Command};

use super::home::Home;
use super::state::{Executable, Sync};
use super::{Stack, port, private_file, process, secret};
use crate::executable;

/// How long a start may take.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Starts the database's sync service if it does not run, and again if it was started with another configuration or
/// from an executable that has been built anew since.
pub async fn ensure_running(stack: &mut Stack, database_id: &str) -> Result<()> {
    let executable = this_executable()?;
    let config_file = stack.home.sync_config(database_id);
    let mut sync = enabled(stack, database_id)?;
    let wanted = config(stack, database_id, &sync)?;
    let running = pid(&stack.home, database_id).is_some();
    let is_current = sync.executable.as_ref() == Some(&executable)
        && fs::read_to_string(&config_file).is_ok_and(|config| config == wanted);
    if running && is_current && wait_until_ready(&sync, || pid(&stack.home, database_id).is_some()).await {
        return Ok(());
    }
    let step = stack.progress.step(format!("Starting the sync service of {database_id}"));
    stop(&stack.home, database_id).await?;
    if !port::is_free(sync.port) {
        sync.port = port::choose(&stack.home, port::SYNC, &stack.sync_ports())?;
    }
    private_file::write(&config_file, &config(stack, database_id, &sync)?)?;
    sync.executable = Some(executable);
    stack.set_sync(database_id, sync.clone())?;
    start(&stack.home, database_id, &sync).await?;
    step.done(format!("The sync service of {database_id} runs at {}", sync.url()));
    Ok(())
}

/// The pid of the database's running sync service.
pub fn pid(home: &Home, database_id: &str) -> Option<u32> {
    let config = home.sync_config(database_id);
    process::find(|process| is_ours(&config, process)).first().copied()
}

/// Stops the database's sync service if it runs, and says which process that was.
pub async fn stop(home: &Home, database_id: &str) -> Result<Option<u32>> {
    let config = home.sync_config(database_id);
    let Some(pid) = pid(home, database_id) else { return Ok(None) };
    let signals = [(Signal::SIGTERM, Duration::from_secs(10)), (Signal::SIGKILL, Duration::from_secs(5))];
    process::stop(pid, |process| is_ours(&config, process), &signals).await?;
    Ok(Some(pid))
}

fn is_ours(config: &Path, process: &Process) -> bool {
    process.cmd().iter().any(|argument| argument == "sync-service")
        && process::has_argument(process, "--config", config)
}

fn enabled(stack: &Stack, database_id: &str) -> Result<Sync> {
    let database = stack.state.database(database_id)?;
    database.sync.clone().with_context(|| format!("The database {database_id} has no sync service yet."))
}

/// What the process is started with.
fn config(stack: &Stack, database_id: &str, sync: &Sync) -> Result<String> {
    let config = sync_service::Config {
        listen: ([127, 0, 0, 1], sync.port).into(),
        database_url: stack.state.database_url(stack.state.database(database_id)?)?,
        jwks: secret::jwks(&sync.signing_key)?,
        audience: vec![sync.url()],
        api_tokens: vec![sync.api_token.clone()],
    };
    Ok(serde_json::to_string_pretty(&config)?)
}

fn this_executable() -> Result<Executable> {
    let path = executable::path()?;
    let meta = fs::metadata(&path).with_context(|| format!("Cannot find {}", path.display()))?;
    let modified = meta.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
    Ok(Executable { path, modified, size: meta.len() })
}

async fn start(home: &Home, database_id: &str, sync: &Sync) -> Result<()> {
    let log = home.sync_log(database_id);
    let mut child = spawn(home, database_id, &log)?;
    if wait_until_ready(sync, || child.try_wait().is_ok_and(|ended| ended.is_none())).await {
        return Ok(());
    }
    let said = fs::read_to_string(&log).unwrap_or_default();
    let lines: Vec<_> = said.lines().collect();
    bail!(
        "The sync service of {database_id} does not become ready. Its log: {}\n{}",
        log.display(),
        lines[lines.len().saturating_sub(15)..].join("\n")
    )
}

fn spawn(home: &Home, database_id: &str, log: &Path) -> Result<Child> {
    let open_log = || OpenOptions::new().create(true).append(true).mode(0o600).open(log);
    let log = open_log().with_context(|| format!("Cannot write {}", log.display()))?;
    let program = executable::path()?;
    Command::new(&program)
        .args(["sync-service", "--config"])
        .arg(home.sync_config(database_id))
        // A group of its own: Ctrl-C in the terminal that started it is not meant for it.
        .process_group(0)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("Cannot start {}", program.display()))
}

/// Whether the readiness probe answers before the process ends or patience does.
async fn wait_until_ready(sync: &Sync, mut is_alive: impl FnMut() -> bool) -> bool {
    let probe = format!("{}/probes/readiness", sync.url());
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build() else {
        return false;
    };
    let started = Instant::now();
    while started.elapsed() < START_PATIENCE {
        let answer = client.get(&probe).send().await;
        if !is_alive() {
            return false;
        }
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return true;
        }
        tokio::time::sleep(process::POLL).await;
    }
    false
}
