//! Databases on Neon: one project each, with logical replication.

mod api;
mod replication;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

pub use api::Neon;
use api::{Operation, Place};
pub use replication::{Replication, prepare_replication};

use super::kept::Kept;
use super::{random_suffix, uri};
use crate::progress::Progress;

/// How long Neon may work on one operation, and how often it is asked.
const OPERATION_PATIENCE: Duration = Duration::from_secs(300);
const OPERATION_POLL: Duration = Duration::from_millis(500);

/// The role that owns the app's database; the app connects as it.
const OWNER: &str = "realtime";

/// A project, as far as it is made. Holds secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Project {
    /// At Neon; nobody else's, because its end is random.
    pub name: String,
    /// The app's database in it.
    pub database: String,
    /// Known once it is made.
    pub id: Option<String>,
    /// Of its default branch.
    pub branch_id: Option<String>,
    /// The ids of operations that must end before the next step.
    #[serde(default)]
    pub pending: Vec<String>,
    direct_url: Option<String>,
    pooled_url: Option<String>,
    /// What the PowerSync Service connects with, once it was asked for.
    pub replication: Option<Replication>,
}

impl Project {
    /// One for a database of this name, not yet made.
    pub fn new(database: &str) -> Result<Self> {
        Ok(Self::called(format!("{database}-{}", random_suffix()?), database))
    }

    /// The same for a dry run, which has nothing random in it.
    pub fn for_dry_run(database: &str) -> Self {
        Self::called(format!("{database}-<random>"), database)
    }

    fn called(name: String, database: &str) -> Self {
        Self {
            name,
            database: database.to_owned(),
            id: None,
            branch_id: None,
            pending: Vec::new(),
            direct_url: None,
            pooled_url: None,
            replication: None,
        }
    }

    /// Where the database's owner finds it; for migrations, LISTEN and replication. Holds the password.
    pub fn direct_url(&self) -> Result<&str> {
        self.direct_url.as_deref().with_context(|| self.unfinished())
    }

    /// The same without the password, once it is known.
    pub fn public_url(&self) -> Option<String> {
        uri::public(self.direct_url.as_deref()?)
    }

    /// The same through Neon's connection pooler.
    pub fn pooled_url(&self) -> Result<&str> {
        self.pooled_url.as_deref().with_context(|| self.unfinished())
    }

    fn unfinished(&self) -> String {
        format!(
            "The Neon project {} is not finished. Run `cargo realtime create-database --name {} --provider neon` to go on.",
            self.name, self.database
        )
    }

    /// A database of the project, as a role sees it.
    fn place(&self, database: &str, role: &str) -> Result<Place> {
        let (Some(project), Some(branch)) = (self.id.clone(), self.branch_id.clone()) else {
            bail!(self.unfinished());
        };
        Ok(Place { project, branch, database: database.to_owned(), role: role.to_owned() })
    }
}

/// Makes the project, or what is missing of it. Repeating it changes nothing.
pub async fn create(neon: &Neon, project: &mut Kept<'_, Project>, progress: &Progress) -> Result<()> {
    let step = progress.step(format!("Making the Neon project {}", project.name));
    match project.id.clone() {
        Some(id) => still_there(neon, project, &id).await?,
        None => find_or_make(neon, project).await?,
    }
    if project.branch_id.is_none() {
        let id = project.id.clone().unwrap_or_default();
        let branch = neon.default_branch(&id).await?;
        let branch = branch.with_context(|| format!("The Neon project {id} has no default branch."))?;
        project.change(|project| project.branch_id = Some(branch))?;
    }
    settle(neon, project).await?;
    addresses(neon, project).await?;
    step.done(format!("The Neon project {} is ready", project.name));
    Ok(())
}

/// Deletes the project; it may be gone already, or never have been made.
pub async fn destroy(neon: &Neon, project: &Project, progress: &Progress) -> Result<()> {
    let step = progress.step(format!("Deleting the Neon project {}", project.name));
    let id = match &project.id {
        Some(id) => Some(id.clone()),
        None => neon.find_project(&project.name).await?,
    };
    if let Some(id) = id {
        neon.delete_project(&id).await?;
    }
    step.done(format!("The Neon project {} is deleted", project.name));
    Ok(())
}

async fn still_there(neon: &Neon, project: &Project, id: &str) -> Result<()> {
    if neon.has_project(id).await? {
        return Ok(());
    }
    bail!(
        "The Neon project {id} ({}) is not there any more. Run `cargo realtime destroy --database-id {}` to forget it, \
         and make a new one.",
        project.name,
        project.database
    )
}

/// A project of this name was made by an earlier attempt whose answer was lost.
async fn find_or_make(neon: &Neon, project: &mut Kept<'_, Project>) -> Result<()> {
    if let Some(id) = neon.find_project(&project.name).await? {
        let operations = neon.operations(&id).await?;
        let pending =
            operations.iter().filter(|operation| operation.is_under_way() || operation.has_failed());
        let pending = ids(pending);
        return project.change(|project| {
            project.id = Some(id);
            project.pending = pending;
        });
    }
    let made = neon.create_project(&project.name, &project.database, OWNER).await?;
    project.change(|project| {
        project.id = Some(made.project.id);
        project.branch_id = Some(made.branch.id);
        project.pending = ids(&made.operations);
    })
}

fn ids<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> Vec<String> {
    operations.into_iter().map(|operation| operation.id.clone()).collect()
}

/// Waits until nothing is pending.
async fn settle(neon: &Neon, project: &mut Kept<'_, Project>) -> Result<()> {
    let id = project.id.clone().unwrap_or_default();
    while let Some(operation) = project.pending.first().cloned() {
        finished(neon, &id, &operation).await?;
        project.change(|project| project.pending.retain(|pending| *pending != operation))?;
    }
    Ok(())
}

async fn finished(neon: &Neon, project: &str, id: &str) -> Result<()> {
    let started = Instant::now();
    loop {
        let operation = neon.operation(project, id).await?;
        if operation.has_failed() {
            let why = operation.error.as_deref().unwrap_or("Neon does not say why");
            bail!(
                "The operation {id} ({}) of the Neon project {project} is {}: {why}. Look at the project on \
                 https://console.neon.tech, or give it up with `cargo realtime destroy`.",
                operation.action,
                operation.status
            );
        }
        if !operation.is_under_way() {
            return Ok(());
        }
        if started.elapsed() > OPERATION_PATIENCE {
            bail!(
                "The operation {id} ({}) of the Neon project {project} has been {} for {} s. Run the same command again to \
                 go on waiting.",
                operation.action,
                operation.status,
                OPERATION_PATIENCE.as_secs()
            );
        }
        tokio::time::sleep(OPERATION_POLL).await;
    }
}

async fn addresses(neon: &Neon, project: &mut Kept<'_, Project>) -> Result<()> {
    let place = project.place(&project.database, OWNER)?;
    if project.direct_url.is_none() {
        let url = uri::verifying(&neon.connection_uri(&place, false).await?);
        project.change(|project| project.direct_url = Some(url))?;
    }
    if project.pooled_url.is_none() {
        let url = uri::verifying(&neon.connection_uri(&place, true).await?);
        project.change(|project| project.pooled_url = Some(url))?;
    }
    Ok(())
}
