//! `connect_app_to_database`.

use std::path::PathBuf;

use anyhow::Result;
use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use crate::stack::{Stack, app};

/// Arguments of `connect_app_to_database`.
#[derive(Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectAppToDatabase {
    /// The app, as `create_app` has called it
    #[arg(long, value_name = "ID")]
    pub app_id: String,
    /// The database, as `create_database` has called it; its sync must be enabled
    #[arg(long, value_name = "ID")]
    pub database_id: String,
}

/// Result of `connect_app_to_database`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppConnected {
    /// The app.
    pub app_id: String,
    /// The database that it now uses.
    pub database_id: String,
    /// The app's root, where `cargo realtime dev` runs it.
    pub path: PathBuf,
    /// The file that holds the app's environment. Secrets are in it: readable by its owner only, and ignored by git.
    pub env_file: PathBuf,
    /// The variables in it that are ours.
    pub variables: Vec<&'static str>,
    /// False if they were all there already.
    pub changed: bool,
}

impl ConnectAppToDatabase {
    /// Writes the app's environment.
    pub fn call(&self, stack: &mut Stack) -> Result<AppConnected> {
        let changed = app::connect_app_to_database(stack, &self.app_id, &self.database_id)?;
        let variables = app::variables(stack, &self.database_id)?;
        let app = app::find(stack, &self.app_id)?;
        Ok(AppConnected {
            app_id: self.app_id.clone(),
            database_id: self.database_id.clone(),
            path: app.path.clone(),
            env_file: app.env_file.clone(),
            variables: variables.into_iter().map(|(name, _)| name).collect(),
            changed,
        })
    }
}
