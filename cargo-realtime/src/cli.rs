//! The command line. The doc comments here are what `--help` prints.

use clap::{Parser, Subcommand};

use crate::commands::{
    connect_app_to_database, create_app, create_database, database_sync_enable, destroy, generate,
    lint_migrations, mcp, new, sync_service,
};
use crate::output::Output;

/// Makes, runs and tests local-first, realtime Leptos apps.
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
    /// Make a new app, with a database and a sync service on this machine: the four tools in a row
    ///
    /// Makes the folder NAME with the app in it (a git repository with a first commit), starts the local stack as
    /// `cargo realtime up` does, makes a database with a sync service for the app, writes where they are into the app's
    /// `.env`, and installs the app's npm packages. Needs no account and asks nothing. If something fails, what it has made is taken away again.
    ///
    /// Then: `cd NAME`, and `cargo realtime dev`.
    New(new::Arguments),
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
    /// it: `cargo realtime lint-migrations`, `cargo fmt --check`, clippy for the server's side and for the browser's,
    /// `cargo deny check` where it is installed and `npm audit` where the registry answers, the Rust tests (by cargo-nextest where it
    /// is installed), `cargo leptos build`, and the Playwright tests in end2end/.
    ///
    /// The tests have a local stack of their own in target/realtime-test, which is gone afterwards, and ports of their own: so
    /// they run beside `cargo realtime dev` and do not touch its data.
    ///
    /// All tests find this program in CARGO_REALTIME and the browser in CHROMIUM_PATH. Rust tests find a Postgres in
    /// TEST_DATABASE_URL, whose user may make databases and roles. Playwright's tests find their stack in REALTIME_HOME, the
    /// address for the app in LEPTOS_SITE_ADDR, and the app's seven variables.
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
    /// Run inside an app, it also makes the app's own database with its sync service, writes where they are into the
    /// app's `.env` (seven variables; every other line of the file stays as it is), and installs its npm packages. Then
    /// `cargo leptos watch` works by itself.
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
    /// Lists the databases, their sync services and the apps. Changes nothing, and shows no secret: those are in the
    /// `.env` of each app.
    Status(Output),
    /// Make a database: the tool create_database
    ///
    /// On this machine, in the local stack's Postgres, unless --provider says otherwise. Run again with the same name, it
    /// changes nothing; after a failure, it goes on where it stopped.
    CreateDatabase(create_database::Arguments),
    /// Give a database a sync service: the tool database_sync_enable
    ///
    /// On this machine, unless --provider says otherwise. Returns when the service is ready. Run again, it changes nothing;
    /// after a failure, it goes on where it stopped.
    DatabaseSyncEnable(database_sync_enable::Arguments),
    /// Make an app in a new folder: the tool create_app
    ///
    /// The app is a cargo-leptos workspace in a git repository with a first commit. It has no database yet:
    /// `connect-app-to-database` gives it one, and so does `cargo realtime dev` in its folder.
    CreateApp(create_app::Arguments),
    /// Write where an app finds its database and its sync service: the tool connect_app_to_database
    ///
    /// Sets seven variables in the app's `.env`, which only its owner may read and git ignores. Every other line of the file
    /// stays as it is.
    ConnectAppToDatabase(connect_app_to_database::Arguments),
    /// Delete a database with its data and its sync service
    ///
    /// Undoes create-database and database-sync-enable, on this machine and at the providers. Apps that used the
    /// database stay; `cargo realtime up` in an app's folder gives it a new one.
    Destroy(destroy::Arguments),
    /// Write what a new table takes, from the migration to the pages
    #[command(subcommand)]
    Generate(generate::Generate),
    /// Find changes in migrations/ that do not reach the rows that browsers already have
    ///
    /// A column that is added with a default, dropped, renamed or given another type changes all rows of its table at once,
    /// and replication sees none of that. Browsers keep the rows as they were until each is changed. An UPDATE of every
    /// row sends them again: --fix writes it into a new migration.
    ///
    /// `dev` shows these warnings; `test` and this command fail with them.
    LintMigrations(lint_migrations::Arguments),
    /// Serve the four tools to an AI assistant: an MCP server on stdin and stdout
    ///
    /// Its tools are create_database, database_sync_enable, create_app and connect_app_to_database. Apps are made in the
    /// folder that it is started in, unless --dir names another. The client starts it; to try it by hand,
    /// `npx @modelcontextprotocol/inspector cargo-realtime mcp`.
    Mcp(mcp::Arguments),
    /// Put the template into this crate's folder, for `cargo package`
    #[command(hide = true)]
    PackTemplate,
    /// Run a database's sync service (the local stack does this by itself)
    #[command(hide = true)]
    SyncService(sync_service::Arguments),
}

impl Command {
    /// Whether the result is for a machine.
    pub fn wants_json(&self) -> bool {
        match self {
            Self::New(new::Arguments { output, .. })
            | Self::CreateDatabase(create_database::Arguments { output, .. })
            | Self::DatabaseSyncEnable(database_sync_enable::Arguments { output, .. })
            | Self::CreateApp(create_app::Arguments { output, .. })
            | Self::ConnectAppToDatabase(connect_app_to_database::Arguments { output, .. })
            | Self::Destroy(destroy::Arguments { output, .. })
            | Self::Generate(generate::Generate::Table(generate::Table { output, .. }))
            | Self::LintMigrations(lint_migrations::Arguments { output, .. })
            | Self::Up(output)
            | Self::Down(output)
            | Self::Status(output)
            | Self::Doctor(output) => output.json,
            Self::Dev | Self::Test | Self::Mcp(_) | Self::PackTemplate | Self::SyncService(_) => false,
        }
    }
}
