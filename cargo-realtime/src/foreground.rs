//! Programs that run in the foreground of a command, with its output: the app while it is developed, the steps of the
//! tests. Ctrl-C ends them in order and lets us tidy up behind them.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::cargo_run;

/// How long a program may take to end when asked to.
const PATIENCE: Duration = Duration::from_secs(15);

/// Tells when a person or the system wants us to end. From its making on, the signals for that no longer end us at once.
pub struct Interrupt {
    signals: [tokio::signal::unix::Signal; 3],
}

impl Interrupt {
    /// Begins to listen for Ctrl-C, for being terminated, and for the terminal's closing.
    pub fn listen() -> Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self { signals: [interrupt?, terminate?, hangup?] })
    }

    /// Waits for one of them.
    pub async fn received(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// A running program and everything it has started.
pub struct Foreground {
    child: Child,
    group: Option<Pid>,
}

impl Foreground {
    /// Starts the program in a process group of its own, so that Ctrl-C reaches it through us, once and in order.
    pub fn start(mut command: Command) -> Result<Self> {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        cargo_run::forget(&mut command);
        let child = command
            .process_group(0)
            .stdin(std::process::Stdio::null())
            .spawn()
            .with_context(|| format!("Cannot run {program}"))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Self { child, group })
    }

    /// Waits for its own end.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Ends it: Ctrl-C for the whole group, and what is left after that is killed.
    pub async fn stop(mut self) -> Result<()> {
        self.signal(Signal::SIGINT)?;
        let in_time = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        self.signal(Signal::SIGKILL)?;
        if in_time.is_err() {
            self.child.wait().await?;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        match self.group.map(|group| killpg(group, signal)) {
            None | Some(Ok(()) | Err(Errno::ESRCH)) => Ok(()),
            Some(Err(error)) => Err(error).context("Cannot end a program that was started here"),
        }
    }
}
