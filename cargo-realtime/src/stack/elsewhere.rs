//! Databases at Neon and sync services on Fly: the tools `create_database` and `database_sync_enable`, as far as they
//! are not local. The work is done in [`crate::providers`]; here is what of it the stack keeps.

use anyhow::{Context, Result, bail};

use super::database::check_name;
use super::state::{Database, State};
use super::{Stack, secret};
use crate::progress::Progress;
use crate::providers::fly::{self, Fly, Service};
use crate::providers::http::{Plan, Planned, Wire, resumable};
use crate::providers::kept::Kept;
use crate::providers::neon::{self, Neon, Project};

/// Makes a database called `name` at Neon, or what is missing of it.
pub async fn create_neon_database(stack: &mut Stack, name: &str) -> Result<()> {
    let neon = Neon::from_environment(Wire::live()?)?;
    if neon_project(&stack.state, name)?.is_none() {
        let project = Some(Project::new(name)?);
        let (id, name) = (name.to_owned(), name.to_owned());
        stack.state.databases.push(Database { id, name, neon: project, sync: None, fly: None });
        stack.save()?;
    }
    let progress = stack.progress.clone();
    neon::create(&neon, &mut keep(stack, name, |database| &mut database.neon)?, &progress)
        .await
        .map_err(resumable)
}

/// The requests that [`create_neon_database`] would send.
pub async fn plan_neon_database(state: &State, name: &str) -> Result<Vec<Planned>> {
    let plan = Plan::default();
    let neon = Neon::from_environment(Wire::DryRun(plan.clone()))?;
    let project = neon_project(state, name)?.unwrap_or_else(|| Project::for_dry_run(name));
    neon::create(&neon, &mut unkept(project), &Progress::none()).await?;
    Ok(plan.requests())
}

/// Gives a database at Neon the PowerSync Service on Fly, or what is missing of it, and returns when that works.
pub async fn enable_fly_sync(stack: &mut Stack, database_id: &str) -> Result<()> {
    reachable_project(&stack.state, database_id)?;
    let wire = Wire::live()?;
    let (neon, fly) = (Neon::from_environment(wire.clone())?, Fly::from_environment(wire)?);
    if stack.state.database(database_id)?.fly.is_none() {
        let service = Service::new(database_id, secret::signing_key()?, secret::token()?)?;
        stack.change_database(database_id, |database| database.fly = Some(service))?;
    }
    let progress = stack.progress.clone();
    let databases = neon::prepare_replication(
        &neon,
        &mut keep(stack, database_id, |database| &mut database.neon)?,
        &progress,
    )
    .await;
    let databases = databases.map_err(resumable)?;
    let mut service = keep(stack, database_id, |database| &mut database.fly)?;
    let jwks = secret::jwks(&service.signing_key)?;
    fly::enable(&fly, &mut service, &databases, &jwks, &progress).await.map_err(resumable)
}

/// The requests that [`enable_fly_sync`] would send.
pub async fn plan_fly_sync(state: &State, database_id: &str) -> Result<Vec<Planned>> {
    let project = reachable_project(state, database_id)?;
    let plan = Plan::default();
    let wire = Wire::DryRun(plan.clone());
    let (neon, fly) = (Neon::from_environment(wire.clone())?, Fly::from_environment(wire)?);
    let service = match &state.database(database_id)?.fly {
        Some(service) => service.clone(),
        None => Service::for_dry_run(database_id, secret::signing_key()?),
    };
    let jwks = secret::jwks(&service.signing_key)?;
    let databases = neon::prepare_replication(&neon, &mut unkept(project), &Progress::none()).await?;
    fly::enable(&fly, &mut unkept(service), &databases, &jwks, &Progress::none()).await?;
    Ok(plan.requests())
}

/// Deletes a database's PowerSync Service on Fly, if it has one; the database stays.
pub(super) async fn delete_fly_sync(stack: &mut Stack, database_id: &str) -> Result<()> {
    let Some(service) = stack.state.database(database_id)?.fly.clone() else { return Ok(()) };
    fly::destroy(&Fly::from_environment(Wire::live()?)?, &service, &stack.progress).await?;
    stack.change_database(database_id, |database| database.fly = None)
}

/// Deletes a Neon project.
pub(super) async fn delete_neon_project(stack: &Stack, project: &Project) -> Result<()> {
    neon::destroy(&Neon::from_environment(Wire::live()?)?, project, &stack.progress).await
}

/// The project of the database of this name; `None` if there is no such database.
fn neon_project(state: &State, name: &str) -> Result<Option<Project>> {
    check_name(name)?;
    match state.databases.iter().find(|database| database.id == name) {
        None => Ok(None),
        Some(Database { neon: Some(project), .. }) => Ok(Some(project.clone())),
        Some(_) => bail!(
            "There is a database {name} on this machine already. Choose another name, or delete it with `cargo realtime \
             destroy --database-id {name}`."
        ),
    }
}

/// The database's project, if a sync service on Fly can be had for it.
fn reachable_project(state: &State, database_id: &str) -> Result<Project> {
    let database = state.database(database_id)?;
    if database.sync.is_some() {
        bail!(
            "The database {database_id} has a sync service on this machine. Take that away first: `cargo realtime destroy \
             --sync-only --database-id {database_id}`."
        );
    }
    database.neon.clone().with_context(|| {
        format!(
            "The database {database_id} is on this machine, where a sync service on Fly cannot reach it. Enable sync with \
             --provider local, or make a database at Neon: `cargo realtime create-database --name NAME --provider neon`."
        )
    })
}

fn unkept<'a, T>(value: T) -> Kept<'a, T> {
    Kept::new(value, |_| Ok(()))
}

/// A part of a database that is elsewhere, kept in the state.
fn keep<'a, T: Clone + Send + 'a>(
    stack: &'a mut Stack,
    database_id: &str,
    part: fn(&mut Database) -> &mut Option<T>,
) -> Result<Kept<'a, T>> {
    let mut database = stack.state.database(database_id)?.clone();
    let value = part(&mut database).take();
    let value = value.with_context(|| format!("Nothing of the database {database_id} is elsewhere."))?;
    let id = database_id.to_owned();
    Ok(Kept::new(value, move |value| {
        stack.change_database(&id, |database| *part(database) = Some(value.clone()))
    }))
}
