//! `cargo realtime sync-service`: what the stack's detached processes run.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The service's configuration, a JSON file
    #[arg(long)]
    config: PathBuf,
    /// How the log is written, on stderr
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// Serves until it is told to end.
pub async fn run(arguments: Arguments) -> Result<()> {
    let config_file = &arguments.config;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
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
