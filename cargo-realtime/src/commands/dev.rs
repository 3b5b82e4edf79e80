//! `cargo realtime dev`.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::commands::lint_migrations;
use crate::foreground::{Foreground, Interrupt};
use crate::progress::Progress;
use crate::stack::home::Home;
use crate::stack::{Stack, app};
use crate::toolchain;
use crate::workspace::Workspace;

/// Installs what is missing, starts the local stack, and runs the app until Ctrl-C.
pub async fn run() -> Result<()> {
    let started = Instant::now();
    let workspace = Workspace::require()?;
    let address = workspace.site_addr()?;
    check_ports(&workspace, address)?;
    let progress = Progress::new();
    tokio::try_join!(toolchain::ensure(&workspace, &progress), up(&workspace, &progress))?;
    if let Some(complaint) = lint_migrations::complaint(&workspace.root)? {
        progress.line(complaint);
    }
    watch(&workspace, address, started, &progress).await
}

async fn up(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let mut stack = Stack::open(Home::locate()?, progress.clone()).await?;
    stack.up().await?;
    app::ensure_connected(&mut stack, &workspace.root, None).await?;
    Ok(())
}

async fn watch(
    workspace: &Workspace,
    address: SocketAddr,
    started: Instant,
    progress: &Progress,
) -> Result<()> {
    progress.line("Building the app and running it (cargo leptos watch): a few minutes the first time");
    let mut interrupt = Interrupt::listen()?;
    let mut cargo = Command::new("cargo");
    cargo.args(["leptos", "watch"]).current_dir(&workspace.root);
    let mut app = Foreground::start(cargo)?;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
    let announced = async {
        answers(&client, address).await;
        announce(address, started, progress);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        status = app.ended() => {
            bail!("`cargo leptos watch` has ended by itself ({}). What it said is above.", status?);
        }
        () = interrupt.received() => {}
        () = announced => {}
    }
    app.stop().await?;
    progress.line("\nThe app has stopped. The local stack goes on; `cargo realtime down` stops it.");
    Ok(())
}

fn announce(address: SocketAddr, started: Instant, progress: &Progress) {
    let seconds = started.elapsed().as_secs();
    progress.line(format!(
        "\n  ➜  http://{address}   ready after {seconds} s\n     Ctrl-C stops the app; the local stack goes on until `cargo \
         realtime down`\n"
    ));
}

/// Waits until the app answers a request.
async fn answers(client: &reqwest::Client, address: SocketAddr) {
    let url = format!("http://{address}/");
    while client.get(&url).send().await.is_err() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Somebody else on the app's ports would make the browser show the wrong page.
fn check_ports(workspace: &Workspace, address: SocketAddr) -> Result<()> {
    let reload = SocketAddr::new(address.ip(), workspace.reload_port()?);
    for (taken, variable) in
        [(address, "LEPTOS_SITE_ADDR=127.0.0.1:3010"), (reload, "LEPTOS_RELOAD_PORT=3011")]
    {
        TcpListener::bind(taken).with_context(|| {
            format!(
                "{taken} is not free: another program listens there, perhaps another `cargo realtime dev`. Stop it, or \
                 choose another port: {variable} cargo realtime dev"
            )
        })?;
    }
    Ok(())
}
