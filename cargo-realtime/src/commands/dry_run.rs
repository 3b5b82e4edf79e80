//! `--dry-run`.

use anyhow::Result;
use serde_json::json;

use crate::output::Output;
use crate::providers::http::Planned;

/// Whether requests to a provider are shown instead of sent.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct DryRun {
    /// Show the requests that would be sent to the provider, in order and with secrets hidden; send nothing, change nothing
    #[arg(long)]
    dry_run: bool,
}

impl DryRun {
    /// Whether the option was given.
    pub fn is_wanted(self) -> bool {
        self.dry_run
    }
}

/// Prints the requests.
pub fn print(output: Output, requests: &[Planned]) -> Result<()> {
    output.print(&json!({ "requests": requests }), || match requests.is_empty() {
        true => "No request would be sent: the local provider needs none.".to_owned(),
        false => requests.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"),
    })
}
