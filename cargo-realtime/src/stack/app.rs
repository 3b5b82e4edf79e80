//! Apps and what connects them to a database: the seven variables in their environment.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::database::{create_database, database_sync_enable};
use super::state::{App, listed};
use super::{Stack, env_file};
use crate::name;

/// Makes sure that the app in `root` has a database of its own with a sync service, both running, and the variables
/// that say where they are, in `env_file` (its `.env` if `None`; once connected, an app keeps its file). Gives the
/// database's id.
pub async fn ensure_connected(stack: &mut Stack, root: &Path, env_file: Option<&Path>) -> Result<String> {
    let app = register(stack, root, env_file)?;
    let database_id = match &app.database_id {
        Some(id) => id.clone(),
        None => create_database(stack, &app.id).await?,
    };
    // A service on Fly goes on by itself.
    if stack.state.database(&database_id)?.fly.is_none() {
        database_sync_enable(stack, &database_id).await?;
    }
    connect_app_to_database(stack, &app.id, &database_id)?;
    Ok(database_id)
}

/// Writes the app's environment: where its database and its sync service are, and their secrets. Every other line of the
/// file stays. Gives whether anything has changed, in which case a running app must be started again.
pub fn connect_app_to_database(stack: &mut Stack, app_id: &str, database_id: &str) -> Result<bool> {
    let variables = variables(stack, database_id)?;
    let app = find(stack, app_id)?.clone();
    if !app.path.is_dir() {
        // The folder was deleted or moved away: its database stays, there is nothing to write to.
        return Ok(false);
    }
    let changed = env_file::set(&app.env_file, &variables)?;
    if changed {
        stack
            .progress
            .line(format!("✓ Wrote {}; if the app is running, start it again", app.env_file.display()));
    }
    if app.database_id.as_deref() != Some(database_id) {
        for app in stack.state.apps.iter_mut().filter(|app| app.id == app_id) {
            app.database_id = Some(database_id.to_owned());
        }
        stack.save()?;
    }
    Ok(changed)
}

/// The app with this id.
pub fn find<'a>(stack: &'a Stack, app_id: &str) -> Result<&'a App> {
    stack.state.apps.iter().find(|app| app.id == app_id).with_context(|| {
        let known = stack.state.apps.iter().filter(|app| app.path.is_dir()).map(|app| app.id.as_str());
        format!("There is no app with the id {app_id:?}. {}", listed(known, "create_app"))
    })
}

/// Deletes an app: its folder, and what the stack knows of it. Its database stays.
pub fn delete(stack: &mut Stack, app_id: &str) -> Result<()> {
    let dir = find(stack, app_id)?.path.clone();
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("Cannot delete {}", dir.display()))?;
    }
    stack.state.apps.retain(|app| app.id != app_id);
    stack.save()
}

/// The environment of an app that uses this database.
pub fn variables(stack: &Stack, database_id: &str) -> Result<Vec<(&'static str, String)>> {
    let database = stack.state.database(database_id)?;
    let powersync = database.powersync()?;
    Ok(vec![
        ("VITE_POWERSYNC_URL", powersync.url.clone()),
        ("VITE_POWERSYNC_TOKEN_ENDPOINT", "/api/powersync/token".to_owned()),
        ("VITE_DATABASE_URL", stack.state.pooled_database_url(database)?),
        ("DIRECT_DATABASE_URL", stack.state.database_url(database)?),
        ("POWERSYNC_SIGNING_KEY", powersync.signing_key.to_owned()),
        ("POWERSYNC_API_TOKEN", powersync.api_token.to_owned()),
        ("POWERSYNC_URL", powersync.url),
    ])
}

/// Notes an app that has just been made in `root`, under an id that nothing else has. An app that was in that folder
/// before is forgotten; its database is not, and the new app does not get it.
pub fn register_new(stack: &mut Stack, root: &Path) -> Result<App> {
    stack.state.apps.retain(|app| app.path != root);
    register(stack, root, None)
}

/// Notes the app in `root`, under an id that no other app has, unless it is known.
fn register(stack: &mut Stack, root: &Path, env_file: Option<&Path>) -> Result<App> {
    if let Some(app) = stack.state.apps.iter().find(|app| app.path == root) {
        return Ok(app.clone());
    }
    let name = name::like(&root.file_name().unwrap_or_default().to_string_lossy());
    let is_taken = |id: &str| {
        stack.state.apps.iter().any(|app| app.id == id)
            || stack.state.databases.iter().any(|database| database.name == id)
    };
    let id = std::iter::once(name.clone())
        .chain((2..).map(|number| format!("{name}-{number}")))
        .find(|id| !is_taken(id))
        .unwrap_or(name);
    let env_file = env_file.map_or_else(|| root.join(".env"), PathBuf::from);
    let app = App { id, path: root.to_owned(), env_file, database_id: None };
    stack.state.apps.push(app.clone());
    stack.save()?;
    Ok(app)
}
