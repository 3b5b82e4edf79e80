//! The tools that building, running and testing an app takes: what is here, what is missing, and getting the latter.
//!
//! One file per tool. Each can say what it finds ([`Status`]) and put right what it misses; [`ensure`] does so for all
//! that a goal needs, [`checks`] lists all of them.

mod audit;
mod browser;
mod cargo_install;
mod cargo_leptos;
mod child;
mod nextest;
mod node;
mod rust;
mod sdk;
mod wasm_bindgen;

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use crate::output::error_text;
use crate::progress::Progress;
use crate::stack::postgres_binaries;
use crate::workspace::Workspace;

pub use audit::audits;
pub use browser::obtain as obtain_browser;
pub use child::command_line;
pub use nextest::is_here as has_nextest;
pub use rust::WASM;

/// What was found of a tool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It is here; which version, or where.
    Found(String),
    /// It is not, or not as it must be.
    Missing {
        /// What is the matter.
        problem: String,
        /// The command that gets it.
        get: String,
    },
}

/// Who needs a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NeededFor {
    /// `cargo realtime dev`, and so everybody.
    Dev,
    /// `cargo realtime test` only.
    Test,
    /// Nobody; it makes something better.
    Nothing,
}

/// One line of the doctor.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The tool.
    pub name: &'static str,
    /// Who needs it.
    pub needed_for: NeededFor,
    /// What was found.
    pub status: Status,
}

/// Looks for every tool. Without a workspace, those that belong to one are left out.
pub async fn checks(workspace: Option<&Workspace>) -> Vec<Check> {
    let check = |name, needed_for, status| Check { name, needed_for, status };
    let mut checks = vec![
        check("Rust for wasm32", NeededFor::Dev, rust::target().await),
        check("Node.js", NeededFor::Dev, node::node().await),
        check("npm", NeededFor::Dev, node::npm().await),
        check("cargo-leptos", NeededFor::Dev, cargo_leptos::check().await),
        check("Postgres", NeededFor::Dev, postgres().await),
    ];
    if let Some(workspace) = workspace {
        checks.push(check("node_modules", NeededFor::Dev, node::modules(workspace)));
        checks.push(check("wasm-opt", NeededFor::Dev, node::wasm_opt(workspace)));
        checks.push(check("PowerSync SDK bundle", NeededFor::Dev, sdk::check(workspace)));
        checks.push(check("wasm-bindgen", NeededFor::Dev, wasm_bindgen::check(workspace).await));
    }
    checks.push(check("rustfmt and clippy", NeededFor::Test, rust::components().await));
    checks.push(check("Chromium", NeededFor::Test, browser::check(workspace).await));
    checks.push(check("cargo-deny", NeededFor::Nothing, audit::check().await));
    checks.push(check("cargo-nextest", NeededFor::Nothing, nextest::check().await));
    checks
}

/// Gets everything that `cargo realtime dev` needs and that is not here. Where several things are missing they are
/// got side by side, because the end of each long build leaves cores idle.
pub async fn ensure(workspace: &Workspace, progress: &Progress) -> Result<()> {
    rust::ensure_target(progress).await?;
    let (_, _, wasm_bindgen): (_, _, PathBuf) = tokio::try_join!(
        ensure_packages(workspace, progress),
        cargo_leptos::ensure(progress),
        wasm_bindgen::obtain(workspace, progress)
    )?;
    // After `npm ci`, which empties the folder that the link is in.
    wasm_bindgen::link(workspace, &wasm_bindgen)
}

/// Installs the app's npm packages and bundles the SDK, without which its pages have no database.
async fn ensure_packages(workspace: &Workspace, progress: &Progress) -> Result<()> {
    node::ensure(workspace, progress).await?;
    sdk::ensure(workspace, progress).await
}

/// Tries to get the app's npm packages and the SDK's bundle, so that `cargo leptos watch` works by itself. A failure is
/// told, and left to `cargo realtime dev`.
pub async fn try_packages(workspace: &Workspace, progress: &Progress) {
    if let Err(error) = ensure_packages(workspace, progress).await {
        progress.line(format!("! {}", error_text(&error)));
        progress
            .line("! Without this the app's pages have no database. `cargo realtime dev` tries it again.");
    }
}

/// Gets what `cargo realtime test` needs beyond [`ensure`], apart from the browser.
pub async fn ensure_for_tests(progress: &Progress) -> Result<()> {
    rust::ensure_components(progress).await
}

async fn postgres() -> Status {
    match postgres_binaries::on_this_machine().await.first() {
        Some(binaries) => Status::Found(format!("{} in {}", binaries.major, binaries.dir.display())),
        None => Status::Missing {
            problem: "not on this machine".to_owned(),
            get: "cargo realtime up (takes it from npm)".to_owned(),
        },
    }
}
