//! `cargo realtime pack-template`.

use anyhow::Result;

use crate::output::line;
use crate::template;

/// Puts the template where `cargo package` takes it from.
pub fn run() -> Result<()> {
    line(&format!("Wrote {}", template::write_packed()?.display()))
}
