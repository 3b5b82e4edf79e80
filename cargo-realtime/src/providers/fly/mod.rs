//! The official PowerSync Service on Fly.io: one app each, with one machine that serves and one that compacts.

mod api;
mod config;
mod health;
mod machine;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sync_service::Jwks;

pub use api::Fly;
use api::NewApp;
use config::Parts;
use health::Verdict;

use super::kept::Kept;
use super::{Databases, random_suffix, variable};
use crate::progress::Progress;

/// How long a machine may take to start.
const START_PATIENCE: Duration = Duration::from_secs(300);
/// How many names are tried when others have them.
const NAMES: usize = 3;

/// An app, as far as it is made. Holds secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Service {
    /// The app at Fly; nobody else's, because its end is random.
    pub app: String,
    /// Ed25519 private key, PKCS#8 DER in base64: apps sign their users' tokens with it.
    pub signing_key: String,
    /// For the admin API.
    pub api_token: String,
    /// Whether Fly has the app.
    #[serde(default)]
    pub created: bool,
    /// Of the secrets that hold the configuration, once they are set.
    pub secrets_version: Option<i64>,
    /// Whether Fly has the secrets.
    #[serde(default)]
    pub configured: bool,
    /// Of the machine that serves.
    pub machine_id: Option<String>,
    /// Of the machine that compacts.
    pub compact_machine_id: Option<String>,
    /// Whether it has been seen to work.
    #[serde(default)]
    pub ready: bool,
}

impl Service {
    /// One for this database, not yet made.
    pub fn new(database_id: &str, signing_key: String, api_token: String) -> Result<Self> {
        let app = app_name(database_id, &random_suffix()?);
        Ok(Self::called(app, signing_key, api_token))
    }

    /// The same for a dry run, which has nothing random and no secrets in it.
    pub fn for_dry_run(database_id: &str, signing_key: String) -> Self {
        Self::called(app_name(database_id, "<random>"), signing_key, String::new())
    }

    fn called(app: String, signing_key: String, api_token: String) -> Self {
        Self {
            app,
            signing_key,
            api_token,
            created: false,
            secrets_version: None,
            configured: false,
            machine_id: None,
            compact_machine_id: None,
            ready: false,
        }
    }

    /// Where browsers and the admin API find it; no trailing slash. `REALTIME_FLY_APP_URL` is for tests: an address with
    /// `{app}` in it, instead of `https://{app}.fly.dev`.
    pub fn url(&self) -> String {
        let pattern = variable("REALTIME_FLY_APP_URL").unwrap_or_else(|| "https://{app}.fly.dev".to_owned());
        pattern.replace("{app}", &self.app)
    }
}

/// Makes the app with its machines, or what is missing of it, and returns when the service works. Repeating it makes
/// nothing twice.
pub async fn enable(
    fly: &Fly,
    service: &mut Kept<'_, Service>,
    databases: &Databases,
    jwks: &Jwks,
    progress: &Progress,
) -> Result<()> {
    let step = progress.step("Making an app for the PowerSync Service on Fly");
    ensure_app(fly, service).await?;
    ensure_secret(fly, service, databases, jwks).await?;
    ensure_addresses(fly, &service.app).await?;
    let machine = ensure_machine(fly, service).await?;
    step.done(format!("The app {} has a machine for the PowerSync Service", service.app));

    let step = progress.step("Waiting for the PowerSync Service (its first start takes some minutes)");
    started(fly, &service.app, &machine).await?;
    let running = health::Service::new(fly.wire(), &service.app, &service.url(), &service.api_token);
    running.until_alive(&step).await?;
    // Now that the service has made its tables in the storage.
    ensure_compact_machine(fly, service).await?;
    let verdict = running.until_replicating(databases.has_publication, &step).await?;
    service.change(|service| service.ready = true)?;
    let state = match verdict {
        Verdict::Replicates => "and replicates",
        // An app deploys the sync config when it first starts.
        _ => "and will replicate as soon as an app that uses the database has started",
    };
    step.done(format!("The PowerSync Service runs at {} {state}", service.url()));
    Ok(())
}

/// Deletes the app with its machines; it may be gone already, or never have been made.
pub async fn destroy(fly: &Fly, service: &Service, progress: &Progress) -> Result<()> {
    let step = progress.step(format!("Deleting the app {} on Fly", service.app));
    fly.delete_app(&service.app).await?;
    step.done(format!("The app {} on Fly is deleted", service.app));
    Ok(())
}

/// Fly's names are those of hosts: letters, digits and dashes, at most 63.
fn app_name(database_id: &str, suffix: &str) -> String {
    let database: String = database_id.replace('_', "-").chars().take(40).collect();
    format!("{}-sync-{suffix}", database.trim_end_matches('-'))
}

async fn ensure_app(fly: &Fly, service: &mut Kept<'_, Service>) -> Result<()> {
    for _ in 0..NAMES {
        if service.created {
            return Ok(());
        }
        match fly.create_app(&service.app).await? {
            NewApp::Ours => service.change(|service| service.created = true)?,
            NewApp::Taken => {
                let (name, _) = service.app.rsplit_once('-').unwrap_or((&service.app, ""));
                let name = format!("{name}-{}", random_suffix()?);
                service.change(|service| service.app = name)?;
            }
        }
    }
    if service.created {
        return Ok(());
    }
    bail!(
        "Fly says of {NAMES} random names in a row that somebody else has them. Run the same command again."
    )
}

async fn ensure_secret(
    fly: &Fly,
    service: &mut Kept<'_, Service>,
    databases: &Databases,
    jwks: &Jwks,
) -> Result<()> {
    if service.configured {
        return Ok(());
    }
    let parts = Parts { databases, jwks, audience: &service.url(), api_token: &service.api_token };
    let file = STANDARD.encode(parts.config().to_string());
    let version = fly.set_secret(&service.app, machine::CONFIG_SECRET, &file).await?;
    service.change(|service| {
        service.configured = true;
        service.secrets_version = version;
    })
}

async fn ensure_addresses(fly: &Fly, app: &str) -> Result<()> {
    let addresses = fly.addresses(app).await?;
    if !addresses.iter().any(|address| address.contains(':')) {
        fly.assign_address(app, "v6").await?;
    }
    if !addresses.iter().any(|address| address.contains('.')) {
        fly.assign_address(app, "shared_v4").await?;
    }
    Ok(())
}

async fn ensure_machine(fly: &Fly, service: &mut Kept<'_, Service>) -> Result<String> {
    let id = find_or_make(fly, service, "powersync", machine::service()).await?;
    service.change(|service| service.machine_id = Some(id.clone()))?;
    Ok(id)
}

async fn ensure_compact_machine(fly: &Fly, service: &mut Kept<'_, Service>) -> Result<()> {
    let id = find_or_make(fly, service, "compact", machine::compact()).await?;
    service.change(|service| service.compact_machine_id = Some(id))
}

/// The machine of this name. What Fly has counts, not what we remember: an app without its machine gets a new one.
async fn find_or_make(fly: &Fly, service: &Service, name: &str, config: serde_json::Value) -> Result<String> {
    match fly.find_machine(&service.app, name).await? {
        Some(id) => Ok(id),
        None => fly.create_machine(&service.app, name, service.secrets_version, config).await,
    }
}

async fn started(fly: &Fly, app: &str, machine: &str) -> Result<()> {
    let began = Instant::now();
    while !fly.wait_until_started(app, machine).await? {
        if began.elapsed() > START_PATIENCE {
            bail!(
                "The machine {machine} of the app {app} has not started within {} s. `fly logs -a {app}` shows what it \
                 says. Run the same command again to go on waiting.",
                START_PATIENCE.as_secs()
            );
        }
    }
    Ok(())
}
