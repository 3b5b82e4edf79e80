//! `cargo realtime pack-template`.

use anyhow::Result;

use crate::template;

/// Puts the template where `cargo package` takes it from.
pub fn run() -> Result<()> {
    println!("Wrote {}", template::write_packed()?.display());
    Ok(())
}
