//! `create_database`.

use anyhow::{Result, bail};
use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use crate::stack::{Stack, database};

/// Who runs a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseProvider {
    /// A Postgres on this machine, which needs no account
    #[default]
    Local,
    /// A project at Neon (neon.com), by the key in NEON_API_KEY
    Neon,
}

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
            DatabaseProvider::Neon => bail!("Neon is not supported yet."),
        };
        Ok(DatabaseCreated { database_id, provider, created })
    }
}
