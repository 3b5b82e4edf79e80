//! What runs elsewhere than on this machine: databases on Neon, and the official PowerSync Service on Fly.io.
//!
//! What is made there costs money and has no transaction around it, so everything here goes by three rules:
//!
//! - What is known of it is [`kept`]: in `state.json`, saved after every step. A name of our own choosing is saved before
//!   the request that uses it.
//! - Look, then make. Each step asks the provider whether its work is done already, so a command that failed anywhere,
//!   even between a request and its answer, is simply run again and makes nothing twice.
//! - A [dry run](http::Wire::DryRun) is the same code on another wire: it lists the requests and sends none.

pub mod fly;
pub mod http;
pub mod kept;
pub mod neon;
mod retry;
mod uri;

use anyhow::{Context, Result, anyhow};
use rmcp::schemars::{self, JsonSchema};
use serde::Serialize;

/// Who runs a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseProvider {
    /// A Postgres on this machine, which needs no account
    #[default]
    Local,
    /// A project at Neon (neon.com), by the key in NEON_API_KEY
    Neon,
}

/// Who runs a database's sync service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SyncProvider {
    /// A sync service on this machine, which needs no account
    #[default]
    Local,
    /// The PowerSync Service on Fly.io, by the token in FLY_API_TOKEN
    Fly,
}

/// What a PowerSync Service connects to. Holds secrets.
pub struct Databases {
    /// The app's database, as a role that may replicate it; direct.
    pub source_url: String,
    /// The database that the service stores in.
    pub storage_url: String,
    /// Whether an app's migrations have made the publication.
    pub has_publication: bool,
}

/// Six random letters and digits, for names that must be nobody else's.
fn random_suffix() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 6];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("The system gives no random bytes: {error}"))?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

/// An environment variable that is set and not empty, without the white space that pasting leaves around it.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

/// The access token in an environment variable; in a dry run none is needed.
fn token(wire: &http::Wire, name: &str, where_from: &str) -> Result<String> {
    match wire {
        http::Wire::Live(_) => variable(name).with_context(|| {
            format!("{name} is not set. {where_from} Then set {name} and run the command again.")
        }),
        http::Wire::DryRun(_) => Ok(String::new()),
    }
}
