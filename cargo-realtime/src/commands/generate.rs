//! `cargo realtime generate`.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::generate::{self, Column, Request};
use crate::output::Output;
use crate::workspace::Workspace;

/// What can be generated.
#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Write a synced table with its pages into the app in the current folder
    ///
    /// Writes the migration (table, constraints, row-level security, publication), the row type, the sync stream, the
    /// queries, a form, and two pages: all rows at /NAME, one row at /NAME/ID. Both are linked, work offline and sync.
    /// Each row belongs to the user who made it, and nobody else sees it; to change that, edit the policy in the new
    /// migration and the stream in sync-config.yaml alike, before the migration runs anywhere.
    ///
    /// Files that are there already are only inserted into. If something is in the way, nothing is written.
    ///
    /// Example: cargo realtime generate table projects name:text done:boolean budget:real due_at:timestamptz:optional
    Table(Table),
}

/// The arguments of `generate table`.
#[derive(Debug, Args)]
pub struct Table {
    /// The table's name, in the plural, such as projects or todo_items
    name: String,
    /// The columns, besides id, owner_id and created_at which every table gets: NAME:TYPE, or NAME:TYPE:optional where it
    /// may be empty
    ///
    /// The types are text, boolean (bool), bigint (integer), double precision (real) and timestamptz (timestamp). The
    /// first text that is not optional is the row's title.
    #[arg(value_name = "COLUMN:TYPE")]
    columns: Vec<String>,
    /// What one row is called, where the table's name does not tell, such as person for people
    #[arg(long)]
    singular: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

/// Writes what was asked for.
pub fn run(generate: Generate) -> Result<()> {
    let Generate::Table(Table { name, columns, singular, output }) = generate;
    let workspace = Workspace::require()?;
    let columns = columns.iter().map(|column| column.parse()).collect::<Result<Vec<Column>>>()?;
    let generated = generate::table(&workspace.root, Request { table: name, singular, columns })?;
    output.print(&generated, || text(&generated))
}

fn text(generated: &generate::Generated) -> String {
    let file = |file: &generate::FileChange| {
        format!("  {}  {}\n", if file.created { "new    " } else { "changed" }, file.path.display())
    };
    let files: String = generated.files.iter().map(file).collect();
    format!(
        "{files}\nNext: read the migration, then `cargo realtime dev`. The server runs the migration when it starts, and the page is at \
         /{}.",
        generated.table
    )
}
