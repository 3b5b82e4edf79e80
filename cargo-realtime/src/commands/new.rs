//! `cargo realtime new`.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde::Serialize;

use super::create_app::Parent;
use crate::foreground::Interrupt;
use crate::output::{Output, error_text};
use crate::progress::Progress;
use crate::providers::{DatabaseProvider, SyncProvider};
use crate::stack::home::Home;
use crate::stack::{Stack, app, database};
use crate::toolchain;
use crate::tools::{AppCreated, ConnectAppToDatabase, CreateApp, CreateDatabase, DatabaseSyncEnable};
use crate::workspace::Workspace;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What to call the app, and its folder: lower-case letters, digits, `-` and `_`, beginning with a letter
    name: String,
    /// What to make it from; there is one template, `realtime`
    #[arg(long, default_value = crate::template::REALTIME)]
    template: String,
    #[command(flatten)]
    parent: Parent,
    #[command(flatten)]
    pub output: Output,
}

/// What was made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    app_id: String,
    path: PathBuf,
    files: usize,
    database_id: String,
    powersync_url: String,
    env_file: PathBuf,
}

/// Calls the four tools in a row.
pub async fn run(arguments: Arguments) -> Result<()> {
    let parent = arguments.parent.path()?;
    let app = CreateApp { name: arguments.name, template: arguments.template };
    let mut interrupt = Interrupt::listen()?;
    let progress = Progress::new();
    let stack = Stack::open(Home::locate()?, progress.clone()).await?;
    let mut making = Making { stack, app: None };
    let made = tokio::select! {
        made = making.all(&app, &parent) => made,
        () = interrupt.received() => Err(anyhow!("Interrupted.")),
    };
    let made = match made {
        Ok(made) => made,
        Err(error) => return Err(making.undo(error).await),
    };
    // Nobody waits for the stack while npm works.
    drop(making);
    if let Some(workspace) = Workspace::around(&made.path)? {
        tokio::select! {
            () = toolchain::try_packages(&workspace, &progress) => {}
            () = interrupt.received() => {}
        }
    }
    arguments.output.print(&made, || text(&made))
}

struct Making {
    stack: Stack,
    /// Once it is made. Its database has the same id.
    app: Option<AppCreated>,
}

impl Making {
    async fn all(&mut self, app: &CreateApp, parent: &Path) -> Result<Made> {
        let AppCreated { app_id, path, files } =
            self.app.insert(app.call(&mut self.stack, parent).await?).clone();
        let database = CreateDatabase { name: app_id.clone() };
        let database_id = database.call(&mut self.stack, DatabaseProvider::Local).await?.database_id;
        let sync = DatabaseSyncEnable { database_id: database_id.clone() };
        let powersync_url = sync.call(&mut self.stack, SyncProvider::Local).await?.powersync_url;
        let connect = ConnectAppToDatabase { app_id: app_id.clone(), database_id: database_id.clone() };
        let env_file = connect.call(&mut self.stack)?.env_file;
        Ok(Made { app_id, path, files, database_id, powersync_url, env_file })
    }

    /// Takes away what was made before the failure, so that the same command can be run again.
    async fn undo(mut self, failure: anyhow::Error) -> anyhow::Error {
        let Some(app) = self.app.take() else { return failure };
        let undone = async {
            if self.stack.has_database(&app.app_id) {
                database::delete_database(&mut self.stack, &app.app_id).await?;
            }
            app::delete(&mut self.stack, &app.app_id)
        };
        match undone.await {
            Ok(()) => failure.context("Nothing was made, and the same command can be run again"),
            Err(error) => failure.context(format!(
                "{} stays, because it cannot be deleted ({})",
                app.path.display(),
                error_text(&error)
            )),
        }
    }
}

fn text(made: &Made) -> String {
    format!(
        "Made the app {}: {} files in {}\nIts database {} syncs at {}; {} says where they are\n\nNext:\n  cd {}\n  cargo \
         realtime dev",
        made.app_id,
        made.files,
        made.path.display(),
        made.database_id,
        made.powersync_url,
        made.env_file.display(),
        made.path.display(),
    )
}
