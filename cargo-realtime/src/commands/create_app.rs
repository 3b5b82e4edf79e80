//! `cargo realtime create-app`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::foreground::Interrupt;
use crate::output::Output;
use crate::progress::Progress;
use crate::stack::Stack;
use crate::stack::home::Home;
use crate::tools::{AppCreated, CreateApp};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    tool: CreateApp,
    #[command(flatten)]
    parent: Parent,
    #[command(flatten)]
    pub output: Output,
}

/// Where apps are made.
#[derive(Debug, clap::Args)]
pub struct Parent {
    /// The folder to make the app's folder in; the current one, if none is named
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Parent {
    /// The folder.
    pub fn path(self) -> Result<PathBuf> {
        let dir = match self.dir {
            Some(dir) => dir,
            None => std::env::current_dir().context("The current folder is gone")?,
        };
        dir.canonicalize().with_context(|| {
            format!("Cannot open {}, in which the app's folder would be made. Make it first.", dir.display())
        })
    }
}

/// Makes an app.
pub async fn run(arguments: Arguments) -> Result<()> {
    let parent = arguments.parent.path()?;
    let mut interrupt = Interrupt::listen()?;
    let mut stack = Stack::open(Home::locate()?, Progress::new()).await?;
    let app = tokio::select! {
        app = arguments.tool.call(&mut stack, &parent) => app?,
        () = interrupt.received() => bail!("Interrupted. Nothing was made, and the same command can be run again."),
    };
    arguments.output.print(&app, || text(&app))
}

fn text(AppCreated { app_id, path, files }: &AppCreated) -> String {
    format!(
        "Made the app {app_id}: {files} files in {}. Next: cargo realtime connect-app-to-database --app-id {app_id} \
         --database-id DATABASE",
        path.display()
    )
}
