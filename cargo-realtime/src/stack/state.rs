//! What the local stack knows, in one JSON file: the cluster, the databases with their sync services, the apps.
//! What runs is not in it: that is read from the machine itself (see [`super::process`]).

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::home::Home;
use super::private_file;
use crate::progress::Progress;
use crate::providers::{fly, neon};

/// The content of `state.json`. Holds secrets.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The private Postgres cluster, once it is made.
    pub postgres: Option<Cluster>,
    /// Every database made through this stack.
    pub databases: Vec<Database>,
    /// Every app that was ever connected.
    pub apps: Vec<App>,
}

/// The private Postgres cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cluster {
    /// Holds `data` and `postgres.log`; belongs to the user Postgres runs as.
    pub dir: PathBuf,
    /// On 127.0.0.1.
    pub port: u16,
    /// Of the role `realtime`, which owns every database.
    pub password: String,
}

/// A database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Database {
    /// What other tools refer to it by; for a local database the same as its name.
    pub id: String,
    /// The database's name in Postgres.
    pub name: String,
    /// Its project at Neon; `None` for a database of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neon: Option<neon::Project>,
    /// Its sync service on this machine, once enabled.
    pub sync: Option<Sync>,
    /// Its sync service on Fly, instead of one on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fly: Option<fly::Service>,
}

/// A sync service, as an app uses it. Holds secrets.
pub struct PowerSync<'a> {
    /// Where clients and the admin API find it; no trailing slash.
    pub url: String,
    /// Ed25519 private key, PKCS#8 DER in base64: apps sign their users' tokens with it.
    pub signing_key: &'a str,
    /// For the admin API.
    pub api_token: &'a str,
}

impl Database {
    /// The database's sync service, which must be ready for use.
    pub fn powersync(&self) -> Result<PowerSync<'_>> {
        let local = self.sync.as_ref().map(|sync| PowerSync {
            url: sync.url(),
            signing_key: &sync.signing_key,
            api_token: &sync.api_token,
        });
        let fly = self.fly.as_ref().filter(|service| service.ready).map(|service| PowerSync {
            url: service.url(),
            signing_key: &service.signing_key,
            api_token: &service.api_token,
        });
        local.or(fly).with_context(|| {
            format!(
                "The database {:?} has no sync service yet. Enable it with database_sync_enable.",
                self.id
            )
        })
    }
}

/// A database's sync service on this machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sync {
    /// On 127.0.0.1.
    pub port: u16,
    /// Ed25519 private key, PKCS#8 DER in base64: apps sign their users' tokens with it.
    pub signing_key: String,
    /// For the admin API.
    pub api_token: String,
    /// The executable that the running process was started from.
    pub executable: Option<Executable>,
}

impl Sync {
    /// Where clients and the admin API find it; no trailing slash.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Tells one build of an executable from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executable {
    /// Where it lies.
    pub path: PathBuf,
    /// Nanoseconds since 1970.
    pub modified: u128,
    /// In bytes.
    pub size: u64,
}

/// An app's folder, connected to a database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct App {
    /// What other tools refer to it by.
    pub id: String,
    /// Its root.
    pub path: PathBuf,
    /// The file that its seven variables are written to.
    pub env_file: PathBuf,
    /// Which database it uses, once connected.
    pub database_id: Option<String>,
}

impl State {
    /// Reads the file; an empty state where there is none.
    pub fn read(home: &Home) -> Result<Self> {
        let path = home.state_file();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("Cannot read {}", path.display())),
        };
        serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is damaged. Put back a copy of it, or move it away: `cargo realtime up` then makes a new one and \
                 gives the cluster that is there new passwords.",
                path.display()
            )
        })
    }

    /// Replaces the file.
    pub fn write(&self, home: &Home) -> Result<()> {
        private_file::write(&home.state_file(), &serde_json::to_string_pretty(self)?)
    }

    /// The database with this id.
    pub fn database(&self, id: &str) -> Result<&Database> {
        self.databases.iter().find(|database| database.id == id).with_context(|| {
            let known = self.databases.iter().map(|database| database.id.as_str());
            format!("There is no database with the id {id:?}. {}", listed(known, "create_database"))
        })
    }

    /// Where a database's owner finds it. Holds the password.
    pub fn database_url(&self, database: &Database) -> Result<String> {
        match &database.neon {
            Some(project) => Ok(project.direct_url()?.to_owned()),
            None => Ok(self.cluster()?.url(&database.name)),
        }
    }

    /// The same through a connection pooler, where there is one.
    pub fn pooled_database_url(&self, database: &Database) -> Result<String> {
        match &database.neon {
            Some(project) => Ok(project.pooled_url()?.to_owned()),
            None => self.database_url(database),
        }
    }

    /// The cluster, which `up` has made before anything else.
    pub fn cluster(&self) -> Result<&Cluster> {
        self.postgres.as_ref().context("There is no Postgres cluster yet. Run `cargo realtime up`.")
    }
}

/// What there is, for somebody who asked for something else, or the tool that makes the first.
pub fn listed<'a>(ids: impl Iterator<Item = &'a str>, tool: &str) -> String {
    let ids: Vec<_> = ids.collect();
    match ids.is_empty() {
        true => format!("There is none yet: make one with {tool}."),
        false => format!("There is: {}.", ids.join(", ")),
    }
}

/// Takes the lock of the stack, so that two commands at once do not undo each other's work; waits for it if need be.
/// It is released when the file is dropped.
pub async fn lock(home: &Home, progress: &Progress) -> Result<File> {
    let path = home.lock_file();
    let file = File::create(&path).with_context(|| format!("Cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("Cannot lock {}", path.display()));
        }
    }
    let step = progress.step("Waiting for another `cargo realtime` that is changing the local stack");
    let (file, locked) = tokio::task::spawn_blocking(move || {
        let locked = file.lock();
        (file, locked)
    })
    .await?;
    locked.with_context(|| format!("Cannot lock {}", path.display()))?;
    step.done("The other `cargo realtime` has finished");
    Ok(file)
}
