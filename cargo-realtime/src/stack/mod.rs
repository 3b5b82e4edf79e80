//! The local stack: one private Postgres cluster, one sync service per database, and the apps connected to them.
//!
//! A command that changes something takes the [`Stack`] by [`Stack::open`], which locks it, and calls the functions
//! here; each can be repeated without harm. `state.json` says what is wanted ([`state`]); what runs is read from the
//! machine ([`process`]); [`report`] is both side by side.

pub mod app;
pub mod database;
pub mod elsewhere;
mod env_file;
pub mod home;
mod os_user;
mod port;
pub mod postgres;
pub mod postgres_binaries;
mod private_file;
mod process;
pub mod report;
mod secret;
pub mod state;
pub mod sync_service;

use std::fs::{self, File};

use anyhow::{Context, Result};
use home::Home;
use postgres_binaries::Binaries;
use state::{Database, State};

use crate::progress::Progress;

/// The local stack, held by the one command that may change it.
pub struct Stack {
    home: Home,
    state: State,
    progress: Progress,
    /// Known once they were needed.
    binaries: Option<Binaries>,
    /// Dropped with us, which lets the next command in.
    _lock: File,
}

impl Stack {
    /// Locks the stack in `home`, which is made if need be.
    pub async fn open(mut home: Home, progress: Progress) -> Result<Self> {
        home.create()?;
        let lock = state::lock(&home, &progress).await?;
        let state = State::read(&home)?;
        Ok(Self { home, state, progress, binaries: None, _lock: lock })
    }

    /// Its folder.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Where it tells what it does.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Starts everything that is wanted and does not run, and puts right what depends on it.
    pub async fn up(&mut self) -> Result<()> {
        // Whoever has all databases elsewhere needs no cluster.
        if self.state.databases.is_empty() || self.state.databases.iter().any(|it| it.neon.is_none()) {
            postgres::ensure_running(self).await?;
        }
        for database in self.state.databases.clone() {
            if database.neon.is_none() {
                database::ensure_exists(self, &database.name).await?;
            }
            if database.sync.is_some() {
                database::database_sync_enable(self, &database.id).await?;
            }
        }
        for app in self.state.apps.clone() {
            if let Some(database_id) = &app.database_id {
                app::connect_app_to_database(self, &app.id, database_id)?;
            }
        }
        Ok(())
    }

    /// Stops everything, dependants first; gives what was stopped.
    pub async fn down(&mut self) -> Result<Vec<Stopped>> {
        let mut stopped = Vec::new();
        // By the files that they were started with, so that a lost state leaves nothing running.
        for database_id in self.home.sync_configs()? {
            if let Some(pid) = sync_service::stop(&self.home, &database_id).await? {
                stopped.push(Stopped { what: format!("sync service of {database_id}"), pid });
            }
        }
        let cluster = match &self.state.postgres {
            Some(cluster) => cluster.clone(),
            None => postgres::plan(self)?,
        };
        if let Some(pid) = postgres::stop(&cluster).await? {
            stopped.push(Stopped { what: "Postgres".to_owned(), pid });
        }
        Ok(stopped)
    }

    /// Stops everything and deletes it, data included.
    pub async fn destroy(mut self) -> Result<()> {
        self.down().await?;
        let cluster = self.state.postgres.as_ref().and_then(|cluster| cluster.dir.parent());
        for dir in cluster.into_iter().chain([self.home.dir()]).filter(|dir| dir.exists()) {
            fs::remove_dir_all(dir).with_context(|| format!("Cannot delete {}", dir.display()))?;
        }
        Ok(())
    }

    /// Where the role `realtime` can make databases and roles.
    pub fn admin_url(&self) -> Result<String> {
        Ok(self.state.cluster()?.url("postgres"))
    }

    /// Whether there is a database with this id.
    pub fn has_database(&self, id: &str) -> bool {
        self.state.databases.iter().any(|database| database.id == id)
    }

    /// Fails if there is no database with this id.
    pub fn require_database(&self, id: &str) -> Result<()> {
        self.state.database(id).map(drop)
    }

    /// Where clients find a database's sync service.
    pub fn powersync_url(&self, database_id: &str) -> Result<String> {
        Ok(self.state.database(database_id)?.powersync()?.url)
    }

    /// Changes what is known of a database, and saves it.
    fn change_database(&mut self, id: &str, change: impl FnOnce(&mut Database)) -> Result<()> {
        let database = self.state.databases.iter_mut().find(|database| database.id == id);
        change(database.with_context(|| format!("There is no database with the id {id:?}."))?);
        self.save()
    }

    fn save(&self) -> Result<()> {
        self.state.write(&self.home)
    }
}

/// A process that `down` has stopped.
#[derive(Debug, serde::Serialize)]
pub struct Stopped {
    /// What it was.
    pub what: String,
    /// Its former pid.
    pub pid: u32,
}
