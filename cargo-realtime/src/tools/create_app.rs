//! `create_app`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use crate::stack::{Stack, app};
use crate::template;

/// Arguments of `create_app`.
#[derive(Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApp {
    /// What to call it, and its folder: lower-case letters, digits, `-` and `_`, beginning with a letter
    #[arg(long)]
    pub name: String,
    /// What to make it from; there is one template, `realtime`
    #[arg(long, default_value = template::REALTIME)]
    #[serde(default = "realtime_template")]
    #[schemars(extend("enum" = [template::REALTIME]))]
    pub template: String,
}

/// Result of `create_app`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppCreated {
    /// What `connect_app_to_database` takes as `appId`.
    pub app_id: String,
    /// The app's root.
    pub path: PathBuf,
    /// How many files it has.
    // JSON Schema knows no `uint`, and clients warn of it.
    #[schemars(with = "i64")]
    pub files: usize,
}

impl CreateApp {
    /// Makes the app in a new folder inside `parent`.
    pub async fn call(&self, stack: &mut Stack, parent: &Path) -> Result<AppCreated> {
        let dir = parent.join(&self.name);
        let made = template::scaffold(&self.name, &self.template, &dir, stack.progress()).await?;
        let app_id = app::register_new(stack, &made.dir)?.id;
        Ok(AppCreated { app_id, path: made.dir, files: made.files })
    }
}

fn realtime_template() -> String {
    template::REALTIME.to_owned()
}
