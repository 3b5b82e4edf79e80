//! The built site: what cargo-leptos makes of `frontend`, `style` and `public`.

use std::path::Path;

use anyhow::{Context, bail};
use leptos::config::{LeptosOptions, get_configuration};

/// Where the site is and at which address to serve it.
///
/// cargo-leptos tells by variables; without them the workspace's `Cargo.toml` is read.
pub fn options() -> anyhow::Result<LeptosOptions> {
    let manifest = Path::new("Cargo.toml");
    let started_by_cargo_leptos = std::env::var_os("LEPTOS_OUTPUT_NAME").is_some();
    let file = (!started_by_cargo_leptos && manifest.exists()).then_some("Cargo.toml");
    let options =
        get_configuration(file).context("The configuration of the site cannot be read")?.leptos_options;
    let package = Path::new(&*options.site_root).join(&*options.site_pkg_dir);
    if !package.is_dir() {
        bail!(
            "There is no built site at {}: run `cargo realtime dev`, or `cargo leptos watch`, instead of the server alone.",
            package.display()
        );
    }
    Ok(options)
}
