//! The MCP server: the four tools for AI assistants. The names, arguments and results are those of [`crate::tools`].

use std::convert::Infallible;
use std::path::PathBuf;

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler, tool, tool_handler, tool_router};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::output::error_text;
use crate::progress::Progress;
use crate::providers::{DatabaseProvider, SyncProvider};
use crate::stack::Stack;
use crate::stack::home::Home;
use crate::tools::{
    AppConnected, AppCreated, ConnectAppToDatabase, CreateApp, CreateDatabase, DatabaseCreated,
    DatabaseSyncEnable, SyncEnabled,
};

/// What a client is served.
#[derive(Clone)]
pub struct Server {
    /// Where apps are made.
    pub parent: PathBuf,
    /// Who runs new databases.
    pub database_provider: DatabaseProvider,
    /// Who runs new sync services.
    pub sync_provider: SyncProvider,
}

/// Each tool gives its result, or an error that says what happened and what to do, for a model to act on.
#[tool_router]
impl Server {
    /// Make a Postgres database. It runs on this machine unless the server was started with another provider. Calling it
    /// again with the same name changes nothing and gives the same id.
    #[tool(annotations(
        title = "Create a database",
        read_only_hint = false,
        destructive_hint = false,
        idempotent_hint = true,
        open_world_hint = true
    ))]
    async fn create_database(
        &self,
        Parameters(arguments): Parameters<CreateDatabase>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<DatabaseCreated>, String> {
        call(&context, async |stack| arguments.call(stack, self.database_provider).await).await
    }

    /// Give a database a PowerSync sync service, which keeps the SQLite databases of browsers in sync with it. Returns when
    /// the service is ready. Calling it again changes nothing.
    #[tool(annotations(
        title = "Enable sync for a database",
        read_only_hint = false,
        destructive_hint = false,
        idempotent_hint = true,
        open_world_hint = true
    ))]
    async fn database_sync_enable(
        &self,
        Parameters(arguments): Parameters<DatabaseSyncEnable>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<SyncEnabled>, String> {
        call(&context, async |stack| arguments.call(stack, self.sync_provider).await).await
    }

    /// Make a local-first, realtime Leptos app from a template, in a new folder named after it: a cargo-leptos workspace
    /// with pages, SQLite in the browser, PowerSync, accounts, migrations and tests, as a git repository with a first commit.
    #[tool(annotations(
        title = "Create an app",
        read_only_hint = false,
        destructive_hint = false,
        idempotent_hint = false,
        open_world_hint = false
    ))]
    async fn create_app(
        &self,
        Parameters(arguments): Parameters<CreateApp>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<AppCreated>, String> {
        call(&context, async |stack| arguments.call(stack, &self.parent).await).await
    }

    /// Connect an app to a database whose sync is enabled: writes the addresses and credentials into the app's `.env`. Then
    /// `cargo realtime dev` in the app's folder runs it.
    #[tool(annotations(
        title = "Connect an app to a database",
        read_only_hint = false,
        destructive_hint = false,
        idempotent_hint = true,
        open_world_hint = false
    ))]
    async fn connect_app_to_database(
        &self,
        Parameters(arguments): Parameters<ConnectAppToDatabase>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<AppConnected>, String> {
        call(&context, async |stack| arguments.call(stack)).await
    }
}

#[tool_handler(
    name = "cargo-realtime",
    instructions = "Makes local-first, realtime web apps in Rust (Leptos, PowerSync, Postgres). For a new app, call \
                    create_database, database_sync_enable with its databaseId, create_app, and connect_app_to_database with \
                    both ids. Then `cargo realtime dev` in the app's folder runs it at http://127.0.0.1:3000 (it goes on \
                    until Ctrl-C, and the first time compiles for some minutes), and `cargo realtime test` tests it. \
                    `cargo realtime status --json` lists what there is."
)]
impl ServerHandler for Server {}

/// Calls a tool on the stack, tells the client how far it is, and stops when the client has lost interest.
async fn call<T>(
    context: &RequestContext<RoleServer>,
    tool: impl AsyncFnOnce(&mut Stack) -> anyhow::Result<T>,
) -> Result<Json<T>, String> {
    let (sender, messages) = unbounded_channel();
    let tool = async {
        let mut stack = Stack::open(Home::locate()?, Progress::messages(sender)).await?;
        tool(&mut stack).await
    };
    let outcome = tokio::select! {
        outcome = tool => outcome,
        () = context.ct.cancelled() => return Err("Cancelled. Calling it again goes on where it stopped.".to_owned()),
        never = forward(context, messages) => match never {},
    };
    outcome.map(Json).map_err(|error| error_text(&error))
}

/// Passes progress on, if the client has asked for it.
async fn forward(
    context: &RequestContext<RoleServer>,
    mut messages: UnboundedReceiver<String>,
) -> Infallible {
    let token = context.meta.get_progress_token();
    let mut count = 0.0;
    while let Some(message) = messages.recv().await {
        let Some(token) = &token else { continue };
        count += 1.0;
        let progress = ProgressNotificationParam::new(token.clone(), count).with_message(message.trim());
        // It is news only; a client that is gone is noticed elsewhere.
        drop(context.peer.notify_progress(progress).await);
    }
    std::future::pending().await
}
