//! `cargo realtime`: the tools of the generator and the local stack.
//!
//! Start reading at [`cli`] (the commands), then [`commands`] (one file each) and [`stack`] (what they work on).

mod cargo_run;
mod cli;
mod commands;
mod executable;
mod foreground;
mod generate;
mod mcp;
mod migrations;
mod name;
mod output;
mod progress;
mod providers;
mod stack;
mod template;
mod toolchain;
mod tools;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use cli::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse_from(arguments()).command;
    let wants_json = command.wants_json();
    match run(command).await {
        Ok(code) => code,
        Err(error) => {
            let error = output::error_text(&error);
            eprintln!("error: {error}");
            if wants_json {
                // Whether or not anybody reads it, this ends with a failure.
                drop(output::line(&serde_json::json!({ "error": error }).to_string()));
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Doctor(output) => return commands::doctor::run(output).await,
        Command::New(arguments) => commands::new::run(arguments).await,
        Command::Dev => commands::dev::run().await,
        Command::Test => commands::test::run().await,
        Command::Up(output) => commands::up::run(output).await,
        Command::Down(output) => commands::down::run(output).await,
        Command::Status(output) => commands::status::run(output).await,
        Command::CreateDatabase(arguments) => commands::create_database::run(arguments).await,
        Command::DatabaseSyncEnable(arguments) => commands::database_sync_enable::run(arguments).await,
        Command::CreateApp(arguments) => commands::create_app::run(arguments).await,
        Command::ConnectAppToDatabase(arguments) => commands::connect_app_to_database::run(arguments).await,
        Command::Destroy(arguments) => commands::destroy::run(arguments).await,
        Command::Generate(what) => commands::generate::run(what),
        Command::LintMigrations(arguments) => return commands::lint_migrations::run(&arguments),
        Command::Mcp(arguments) => commands::mcp::run(arguments).await,
        Command::PackTemplate => commands::pack_template::run(),
        Command::SyncService(arguments) => commands::sync_service::run(arguments).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

/// What we were called with. Cargo calls its subcommands with their own name as the first argument.
fn arguments() -> impl Iterator<Item = OsString> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|argument| argument == "realtime") {
        arguments.remove(1);
    }
    arguments.into_iter()
}
