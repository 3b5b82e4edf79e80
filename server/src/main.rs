//! Starts the server.

use std::{
    io::{IsTerminal, stderr},
    process::ExitCode,
};

use server::{Application, Config, Environment};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let usual = || EnvFilter::new("info,sqlx=warn");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| usual());
    let colors = stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colors).with_writer(stderr).init();
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> anyhow::Result<()> {
    let environment = Environment::load()?;
    let leptos_options = server::site::options()?;
    let mut shutdown = Box::pin(server::shutdown::signal());
    // A start can wait for Postgres for a minute, and must end when it is told to meanwhile.
    let application = tokio::select! {
        application = Application::build(Config { environment, leptos_options }) => application?,
        () = &mut shutdown => return Ok(()),
    };
    tracing::info!("serving http://{}", application.address());
    application.run(shutdown).await;
    Ok(())
}
