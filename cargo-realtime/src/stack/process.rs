//! The stack's processes, recognised by what they work on: each has a file or folder of this stack in its command line
//! that no other process has reason to name, or works in such a folder. So a pid that the system has given to somebody else is never signalled, and nothing is lost
//! when a command dies between starting a process and noting that it did.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sysinfo::{Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

/// How often a condition is looked at again.
pub const POLL: Duration = Duration::from_millis(20);

/// The pids of the running processes that are `ours`.
pub fn find(is_ours: impl Fn(&Process) -> bool) -> Vec<u32> {
    let system = processes(ProcessesToUpdate::All);
    let processes = system.processes().values();
    processes
        .filter(|process| process.thread_kind().is_none() && is_ours(process))
        .map(|process| process.pid().as_u32())
        .collect()
}

/// Whether `pid` runs and is `ours`.
pub fn is_running(pid: u32, is_ours: impl Fn(&Process) -> bool) -> bool {
    let pid = sysinfo::Pid::from_u32(pid);
    processes(ProcessesToUpdate::Some(&[pid]))
        .process(pid)
        .is_some_and(|process| is_ours(process) || is_dying(process))
}

/// A process that is ending has no command line any more before it is gone.
fn is_dying(process: &Process) -> bool {
    process.cmd().is_empty() && process.thread_kind().is_none() && process.status() != ProcessStatus::Zombie
}

/// Whether the command line has `flag` with `path` behind it.
pub fn has_argument(process: &Process, flag: &str, path: &Path) -> bool {
    process.cmd().windows(2).any(|pair| pair[0] == flag && pair[1] == path.as_os_str())
}

/// Sends the signals in turn, each with the time it is given, until the process no longer `is_ours`.
pub async fn stop(
    pid: u32,
    is_ours: impl Fn(&Process) -> bool,
    signals: &[(Signal, Duration)],
) -> Result<()> {
    for (signal, patience) in signals {
        match kill(Pid::from_raw(i32::try_from(pid)?), *signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("Cannot stop process {pid}. It belongs to another user: run `down` as that user.")
                });
            }
        }
        let asked = Instant::now();
        while asked.elapsed() < *patience {
            if !is_running(pid, &is_ours) {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    bail!("Process {pid} does not end, not even when killed. Look at it with `ps -p {pid}`.")
}

fn processes(which: ProcessesToUpdate<'_>) -> System {
    let mut system = System::new();
    let what = ProcessRefreshKind::nothing()
        .with_cmd(UpdateKind::Always)
        .with_cwd(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(which, true, what);
    system
}
