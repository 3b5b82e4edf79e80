//! `database_sync_enable`.

use anyhow::Result;
use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use crate::providers::SyncProvider;
use crate::providers::http::Planned;
use crate::stack::state::State;
use crate::stack::{Stack, database, elsewhere};

/// Arguments of `database_sync_enable`.
#[derive(Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatabaseSyncEnable {
    /// The database, as `create_database` has called it
    #[arg(long, value_name = "ID")]
    pub database_id: String,
}

/// Result of `database_sync_enable`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncEnabled {
    /// The database.
    pub database_id: String,
    /// Who runs its sync service.
    pub provider: SyncProvider,
    /// Where clients find the sync service; no trailing slash.
    pub powersync_url: String,
}

impl DatabaseSyncEnable {
    /// Gives the database a sync service, and returns when that is ready.
    pub async fn call(&self, stack: &mut Stack, provider: SyncProvider) -> Result<SyncEnabled> {
        match provider {
            SyncProvider::Local => database::database_sync_enable(stack, &self.database_id).await?,
            SyncProvider::Fly => elsewhere::enable_fly_sync(stack, &self.database_id).await?,
        }
        let powersync_url = stack.powersync_url(&self.database_id)?;
        Ok(SyncEnabled { database_id: self.database_id.clone(), provider, powersync_url })
    }

    /// The requests that [`Self::call`] would send to the provider.
    pub async fn plan(&self, state: &State, provider: SyncProvider) -> Result<Vec<Planned>> {
        match provider {
            SyncProvider::Local => Ok(Vec::new()),
            SyncProvider::Fly => elsewhere::plan_fly_sync(state, &self.database_id).await,
        }
    }
}
