//! The app's backend for the clients: gives tokens and takes uploads.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{self, Database};

type Token = dyn Fn(&str) -> String + Send + Sync;
type Take = dyn Fn(Upload) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// What clients need of an app.
#[derive(Clone)]
pub struct Backend {
    token: Arc<Token>,
    take: Arc<Take>,
}

/// The local writes of one transaction.
#[derive(Clone, Debug)]
pub struct Upload {
    pub user: String,
    pub client: String,
    /// As the SDK gives them: `op`, `type`, `id`, `data`.
    pub entries: Vec<Value>,
}

impl Backend {
    /// Writes every upload into the database, in one transaction.
    pub fn of(database: &Database) -> Self {
        let pool = database.pool.clone();
        Self {
            token: Arc::new(support::token),
            take: Arc::new(move |upload| {
                let pool = pool.clone();
                Box::pin(async move { write(&pool, &upload).await.map_err(|error| error.to_string()) })
            }),
        }
    }

    pub fn with_token(self, token: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self { token: Arc::new(token), ..self }
    }

    pub fn taking(
        self,
        take: impl Fn(Upload) -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self { take: Arc::new(take), ..self }
    }

    pub(super) async fn answer(&self, message: &Value) -> Result<Value, String> {
        let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
        match message["ask"].as_str() {
            Some("token") => Ok((self.token)(&text("user")).into()),
            Some("upload") => {
                let entries = message["crud"].as_array().cloned().unwrap_or_default();
                (self.take)(Upload { user: text("user"), client: text("client"), entries }).await?;
                Ok(json!(null))
            }
            _ => Err(format!("nobody answers {message}")),
        }
    }
}

/// Writes an upload as it is; of a row that is gone, a change is left out.
pub async fn write(pool: &PgPool, upload: &Upload) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    for entry in &upload.entries {
        let table = entry["type"].as_str().unwrap_or_default();
        let columns: Vec<&String> =
            entry["data"].as_object().map(|data| data.keys().collect()).unwrap_or_default();
        let list = |prefix: &str| {
            columns.iter().map(|column| format!("{prefix}\"{column}\"")).collect::<Vec<_>>().join(", ")
        };
        let sql = match entry["op"].as_str() {
            Some("PUT") => {
                let sets = columns.iter().map(|c| format!("\"{c}\" = excluded.\"{c}\"")).collect::<Vec<_>>();
                format!(
                    "INSERT INTO {table} (id, {}) SELECT $1, {} FROM jsonb_populate_record(NULL::{table}, $2) r
                     ON CONFLICT (id) DO UPDATE SET {}",
                    list(""),
                    list("r."),
                    sets.join(", ")
                )
            }
            Some("PATCH") => format!(
                "UPDATE {table} SET ({}) = ROW({}) FROM jsonb_populate_record(NULL::{table}, $2) r WHERE {table}.id = $1",
                list(""),
                list("r.")
            ),
            _ => format!("DELETE FROM {table} WHERE id = $1 AND $2::jsonb IS NULL"),
        };
        let query = sqlx::query(&sql).bind(entry["id"].as_str());
        query.bind(entry.get("data").cloned()).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
