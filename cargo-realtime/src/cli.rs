//! The command line. The doc comments here are what `--help` prints.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::output::Output;

/// Builds, runs and tests local-first, realtime Leptos apps.
#[derive(Debug, Parser)]
#[command(
    name = "cargo realtime",
    bin_name = "cargo realtime",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the app in the current folder and rebuild it as you edit, after getting everything that this takes
    ///
    /// Installs what is missing (the wasm32 target of Rust, cargo-leptos, wasm-bindgen, the app's npm packages), starts the
    /// local stack as `cargo realtime up` does, and then runs `cargo leptos watch`. Once the app answers, its address is
    /// printed: http://127.0.0.1:3000, or what LEPTOS_SITE_ADDR says.
    ///
    /// The first time takes up to half an hour, most of it compiling; from the second time on, seconds. Ctrl-C stops the
    /// app. The local stack goes on, until `cargo realtime down`.
    Dev,
    /// Run every test of the app in the current folder: format, lints, Rust, and a browser
    ///
    /// Installs what is missing, as `dev` does, and a Chromium. The steps run in this order, and the first that fails ends
    /// it: `cargo fmt --check`, clippy for the server's side and for the browser's, the Rust tests (by cargo-nextest where it
    /// is installed), `cargo leptos build`, and the Playwright tests in end2end/.
    ///
    /// The tests have a local stack of their own in target/realtime-test, which is gone afterwards, and ports of their own: so
    /// they run beside `cargo realtime dev` and do not touch its data.
    ///
    /// Rust tests find a Postgres in TEST_DATABASE_URL, whose user may make databases and roles. Playwright's tests find their
    /// stack in REALTIME_HOME, the browser in CHROMIUM_PATH, this program in CARGO_REALTIME, the address for the app in
    /// LEPTOS_SITE_ADDR, and the app's seven variables.
    Test,
    /// Check that everything is here that building, running and testing an app takes
    ///
    /// Prints, for each tool that is missing, the command that gets it. Installs nothing itself; `dev` and `test` do. Fails if
    /// something that they need is missing.
    Doctor(Output),
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
            Self::Up(output) | Self::Down(output) | Self::Status(output) | Self::Doctor(output) => {
                output.json
            }
            Self::Dev | Self::Test | Self::SyncService { .. } => false,
        }
    }
}
