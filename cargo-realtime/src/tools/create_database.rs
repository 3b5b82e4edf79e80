//! `create_database`.

use anyhow::Result;
use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use crate::providers::DatabaseProvider;
use crate::providers::http::Planned;
use crate::stack::state::State;
use crate::stack::{Stack, database, elsewhere};

/// Arguments of `create_database`.
#[derive(Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDatabase {
    /// What to call it: lower-case letters, digits, `-` and `_`, beginning with a letter
    #[arg(long)]
    pub name: String,
}

/// Result of `create_database`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseCreated {
    /// What the other tools take as `databaseId`.
    pub database_id: String,
    /// Who runs it.
    pub provider: DatabaseProvider,
    /// False if there was one of this name already, which is then the one meant.
    pub created: bool,
}

impl CreateDatabase {
    /// Makes the database, unless there is one of that name.
    pub async fn call(&self, stack: &mut Stack, provider: DatabaseProvider) -> Result<DatabaseCreated> {
        let created = !stack.has_database(&self.name);
        let database_id = match provider {
            DatabaseProvider::Local => database::create_database(stack, &self.name).await?,
            DatabaseProvider::Neon => {
                elsewhere::create_neon_database(stack, &self.name).await?;
                self.name.clone()
            }
        };
        Ok(DatabaseCreated { database_id, provider, created })
    }

    /// The requests that [`Self::call`] would send to the provider.
    pub async fn plan(&self, state: &State, provider: DatabaseProvider) -> Result<Vec<Planned>> {
        match provider {
            DatabaseProvider::Local => Ok(Vec::new()),
            DatabaseProvider::Neon => elsewhere::plan_neon_database(state, &self.name).await,
        }
    }
}
