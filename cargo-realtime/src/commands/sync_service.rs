//! `cargo realtime sync-service`: what the stack's detached processes run.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Serves until it is told to end.
pub async fn run(config_file: &Path) -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).init();
    let text = fs::read_to_string(config_file)
        .with_context(|| format!("Cannot read the sync service's configuration {}", config_file.display()))?;
    let config: sync_service::Config = serde_json::from_str(&text)
        .with_context(|| format!("{} is no configuration of a sync service", config_file.display()))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Caught and never looked at: the terminal that the stack was started in may close.
    let _hangup = signal(SignalKind::hangup())?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    sync_service::serve(config, shutdown).await.context("The sync service has ended")
}
