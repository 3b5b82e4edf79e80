//! `cargo realtime down`.

use anyhow::Result;
use serde_json::json;

use crate::output::Output;
use crate::progress::Progress;
use crate::stack::home::Home;
use crate::stack::{Stack, Stopped};

/// Stops everything that the local stack runs.
pub async fn run(output: Output) -> Result<()> {
    let home = Home::locate()?;
    let stopped = match home.dir().is_dir() {
        true => Stack::open(home, Progress::new()).await?.down().await?,
        false => Vec::new(),
    };
    output.print(&json!({ "stopped": stopped }), || text(&stopped))
}

fn text(stopped: &[Stopped]) -> String {
    if stopped.is_empty() {
        return "Nothing to do: nothing of the local stack is running.".to_owned();
    }
    let lines: Vec<_> = stopped.iter().map(|it| format!("Stopped {} (pid {})", it.what, it.pid)).collect();
    lines.join("\n")
}
