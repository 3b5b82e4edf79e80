//! What the PowerSync Service needs of a database: a role that reads every row and the write-ahead log, and a database
//! of its own for what it stores.
//!
//! The publication `powersync` is not made here. It names the synced tables, and those are the app's: the app's
//! migrations make it when the app first starts, in the same transaction as the tables, and the app's updater deploys
//! the sync config only after them. The service needs the publication from that deploy on and not before, so either
//! may come first, the app or its sync service. An empty publication made here would have to be made way for in every
//! app's migrations.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, Executor, PgConnection};

use super::{Neon, Project, api::Operation, ids, settle};
use crate::progress::Progress;
use crate::providers::http::{Planned, Wire};
use crate::providers::kept::Kept;
use crate::providers::{Databases, uri};

/// The role that the PowerSync Service connects as.
const ROLE: &str = "powersync";
/// Its own database.
const STORAGE: &str = "powersync_storage";

/// What the PowerSync Service connects with. Holds secrets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Replication {
    /// The app's database, as the role that replicates it; direct.
    pub source_url: Option<String>,
    /// The service's own database.
    pub storage_url: Option<String>,
}

/// Makes the role with its rights, and the database for the service, or what is missing of them. Repeating it changes
/// nothing.
pub async fn prepare_replication(
    neon: &Neon,
    project: &mut Kept<'_, Project>,
    progress: &Progress,
) -> Result<Databases> {
    let step = progress.step(format!("Preparing the Neon project {} for replication", project.name));
    settle(neon, project).await?;
    let source_url = ensure_source(neon, project).await?;
    rights(neon.wire(), project, &source_url).await?;
    let storage_url = ensure_storage(neon, project).await?;
    let has_publication = has_publication(neon.wire(), &source_url).await?;
    step.done(format!("The Neon project {} can be replicated", project.name));
    Ok(Databases { source_url, storage_url, has_publication })
}

async fn ensure_source(neon: &Neon, project: &mut Kept<'_, Project>) -> Result<String> {
    if let Some(url) = project.replication.as_ref().and_then(|replication| replication.source_url.clone()) {
        return Ok(url);
    }
    let place = project.place(&project.database, ROLE)?;
    await_operations(neon, project, neon.ensure_role(&place).await?).await?;
    let url = uri::verifying(&neon.connection_uri(&place, false).await?);
    change(project, |replication| replication.source_url = Some(url.clone()))?;
    Ok(url)
}

async fn ensure_storage(neon: &Neon, project: &mut Kept<'_, Project>) -> Result<String> {
    if let Some(url) = project.replication.as_ref().and_then(|replication| replication.storage_url.clone()) {
        return Ok(url);
    }
    let place = project.place(STORAGE, ROLE)?;
    await_operations(neon, project, neon.ensure_database(&place).await?).await?;
    let url = uri::verifying(&neon.connection_uri(&place, false).await?);
    change(project, |replication| replication.storage_url = Some(url.clone()))?;
    Ok(url)
}

/// Whether the app's migrations have made the publication.
async fn has_publication(wire: &Wire, source_url: &str) -> Result<bool> {
    const QUERY: &str = "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = 'powersync')";
    if let Some(plan) = wire.plan() {
        plan.note(statement(ROLE, QUERY));
        return Ok(false);
    }
    let mut connection = connect(source_url).await?;
    let exists = sqlx::query_scalar(QUERY).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(exists)
}

fn change(project: &mut Kept<'_, Project>, change: impl FnOnce(&mut Replication)) -> Result<()> {
    project.change(|project| change(project.replication.get_or_insert_default()))
}

async fn await_operations(
    neon: &Neon,
    project: &mut Kept<'_, Project>,
    operations: Vec<Operation>,
) -> Result<()> {
    project.change(|project| project.pending = ids(&operations))?;
    settle(neon, project).await
}

/// Lets the role read every row of every table of the app, those included that migrations have yet to make.
async fn rights(wire: &Wire, project: &Project, source_url: &str) -> Result<()> {
    if let Some(plan) = wire.plan() {
        grants(ROLE).iter().for_each(|grant| plan.note(statement(super::OWNER, grant)));
        plan.note(statement(ROLE, ATTRIBUTES));
        return Ok(());
    }
    let mut owner = connect(project.direct_url()?).await?;
    for grant in grants(&uri::role(source_url)?) {
        owner.execute(grant.as_str()).await.with_context(|| format!("Postgres refuses {grant}"))?;
    }
    owner.close().await?;
    check_attributes(source_url).await
}

fn grants(role: &str) -> [String; 3] {
    let role = format!(r#""{}""#, role.replace('"', r#""""#));
    [
        format!("GRANT USAGE ON SCHEMA public TO {role}"),
        format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"),
        format!("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role}"),
    ]
}

const ATTRIBUTES: &str = "SELECT rolreplication, rolbypassrls FROM pg_roles WHERE rolname = current_user";

/// Roles made through Neon's API have what Neon calls `neon_superuser`: REPLICATION, and BYPASSRLS, without which the
/// policies on the app's tables would hide every row from replication's first copy, silently.
async fn check_attributes(source_url: &str) -> Result<()> {
    let mut connection = connect(source_url).await?;
    let (replication, bypassrls): (bool, bool) =
        sqlx::query_as(ATTRIBUTES).fetch_one(&mut connection).await?;
    connection.close().await?;
    let missing: Vec<_> = [(replication, "REPLICATION"), (bypassrls, "BYPASSRLS")]
        .into_iter()
        .filter(|(has, _)| !has)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<_> = missing.into_iter().map(|(_, name)| name).collect();
    bail!(
        "The role {ROLE} at Neon lacks {}. Roles made with SQL do; those made in Neon's console or by its API do not. Delete \
         the role in the console and run the same command again.",
        missing.join(" and ")
    )
}

async fn connect(url: &str) -> Result<PgConnection> {
    PgConnection::connect(url).await.context("Cannot connect to the database at Neon")
}

fn statement(role: &str, text: &str) -> Planned {
    Planned { method: "SQL".to_owned(), url: format!("as {role}"), body: Some(text.into()) }
}
