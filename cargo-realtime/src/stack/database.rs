//! Databases of the cluster, and sync for them: the tools `create_database` and `database_sync_enable`, as far as they
//! are local.

use std::fs;

use anyhow::{Context, Result, bail};
use sqlx::{Connection, Executor, PgConnection};

use super::state::{Database, Sync};
use super::{Stack, elsewhere, port, postgres, secret, sync_service};
use crate::name;

/// Makes a database called `name`, unless there is one; gives its id.
pub async fn create_database(stack: &mut Stack, name: &str) -> Result<String> {
    check_name(name)?;
    if stack.state.databases.iter().any(|database| database.id == name && database.neon.is_some()) {
        bail!("There is a database {name} at Neon already. Choose another name.");
    }
    postgres::ensure_running(stack).await?;
    ensure_exists(stack, name).await?;
    if !stack.has_database(name) {
        let database =
            Database { id: name.to_owned(), name: name.to_owned(), neon: None, sync: None, fly: None };
        stack.state.databases.push(database);
        stack.save()?;
    }
    Ok(name.to_owned())
}

/// Gives a database its sync service, and starts it if it does not run.
pub async fn database_sync_enable(stack: &mut Stack, database_id: &str) -> Result<()> {
    let database = stack.state.database(database_id)?.clone();
    if database.fly.is_some() {
        bail!(
            "The database {database_id} has a sync service on Fly. Take that away first: `cargo realtime destroy \
             --sync-only --database-id {database_id}`."
        );
    }
    match &database.neon {
        Some(project) => drop(project.direct_url()?),
        None => postgres::ensure_running(stack).await?,
    }
    if database.sync.is_none() {
        let taken: Vec<u16> = stack.sync_ports();
        let sync = Sync {
            port: port::choose(&stack.home, port::SYNC, &taken)?,
            signing_key: secret::signing_key()?,
            api_token: secret::token()?,
            executable: None,
        };
        stack.set_sync(database_id, sync)?;
    }
    sync_service::ensure_running(stack, database_id).await
}

/// Takes a database's sync service away from it; the database stays. Whatever it had sent to browsers is sent anew by
/// the next one.
pub async fn database_sync_disable(stack: &mut Stack, database_id: &str) -> Result<()> {
    elsewhere::delete_fly_sync(stack, database_id).await?;
    sync_service::stop(&stack.home, database_id).await?;
    let config = stack.home.sync_config(database_id);
    if config.exists() {
        fs::remove_file(&config).with_context(|| format!("Cannot delete {}", config.display()))?;
    }
    stack.change_database(database_id, |database| database.sync = None)
}

/// Deletes a database with its data, and its sync service. Apps that used it have none then.
pub async fn delete_database(stack: &mut Stack, database_id: &str) -> Result<()> {
    let database = stack.state.database(database_id)?.clone();
    database_sync_disable(stack, database_id).await?;
    match &database.neon {
        Some(project) => elsewhere::delete_neon_project(stack, project).await?,
        None => drop_database(stack, &database.name).await?,
    }
    stack.state.databases.retain(|database| database.id != database_id);
    for app in stack.state.apps.iter_mut().filter(|app| app.database_id.as_deref() == Some(database_id)) {
        app.database_id = None;
    }
    stack.save()
}

async fn drop_database(stack: &mut Stack, name: &str) -> Result<()> {
    postgres::ensure_running(stack).await?;
    let mut admin = PgConnection::connect(&stack.state.cluster()?.url("postgres")).await?;
    let drop = format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#);
    admin.execute(drop.as_str()).await.with_context(|| format!("Cannot delete the database {name}"))?;
    Ok(admin.close().await?)
}

/// Makes the database in Postgres if it is not there.
pub(super) async fn ensure_exists(stack: &Stack, name: &str) -> Result<()> {
    let mut admin = PgConnection::connect(&stack.state.cluster()?.url("postgres")).await?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut admin)
        .await?;
    if !exists {
        // A name cannot be a parameter here; `check_name` has let through nothing that needs escaping.
        admin
            .execute(format!(r#"CREATE DATABASE "{name}" OWNER realtime"#).as_str())
            .await
            .with_context(|| format!("Cannot make the database {name}"))?;
    }
    Ok(admin.close().await?)
}

impl Stack {
    /// The ports that sync services of this stack have, running or not.
    pub(super) fn sync_ports(&self) -> Vec<u16> {
        self.state.databases.iter().filter_map(|database| Some(database.sync.as_ref()?.port)).collect()
    }

    /// Notes what is now true of a database's sync service.
    pub(super) fn set_sync(&mut self, database_id: &str, sync: Sync) -> Result<()> {
        self.change_database(database_id, |database| database.sync = Some(sync))
    }
}

pub(super) fn check_name(name: &str) -> Result<()> {
    name::check(name, "a database")?;
    if ["postgres", "template0", "template1"].contains(&name) {
        bail!("{name:?} is one of Postgres' own databases. Choose another name.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_refused() {
        let refused = |name| check_name(name).unwrap_err().to_string();
        insta::assert_snapshot!(refused("postgres"), @r#"
        "postgres" is one of Postgres' own databases. Choose another name.
        "#);
    }
}
