//! A user's data, for themselves.

use std::io;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::IntoResponse,
};
use futures::{SinkExt, channel::mpsc};
use schema::TABLES;
use serde_json::json;
use sqlx::{PgPool, Postgres, Transaction};
use tokio::time::{Instant, timeout};

use crate::{
    AppState,
    client_ip::ClientIp,
    error::{Error, Result},
    limits,
    rights::act_as,
    session::SignedIn,
};

/// Rows that are in memory at once. A row may have a mebibyte and more.
const AT_ONCE: usize = 50;

/// `GET /api/account/export`: everything that the user may read, as a JSON file:
/// `{"user": {"id": …, "name": …}, "lists": [{…}], "todos": [{…}], …}`.
pub(super) async fn get(
    State(state): State<AppState>,
    client: ClientIp,
    user: SignedIn,
) -> Result<impl IntoResponse> {
    state.rate_limits.export(client)?;
    let (sender, body) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut file = File { parts: sender, began: Instant::now() };
        match write(&state.pool, &user.id, &mut file).await {
            Ok(()) | Err(Stop::Gone) => {}
            // A file that breaks off is seen to be none; one that is complete and wrong is not.
            Err(Stop::Postgres(error)) => file.fail(&Error::from(error)).await,
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\""),
    ];
    Ok((headers, Body::from_stream(body)))
}

/// Writes table after table. A connection is held for a statement or two at a time, however slowly the file is taken.
async fn write(pool: &PgPool, user_id: &str, file: &mut File) -> std::result::Result<(), Stop> {
    let name: Option<String> = sqlx::query_scalar("SELECT name FROM users WHERE id = $1")
        .bind(user_id)
        .fetch_optional(pool)
        .await?
        .flatten();
    file.write(format!("{{\"user\":{}", json!({ "id": user_id, "name": name }))).await?;
    for table in TABLES {
        file.write(format!(",\n\"{}\":[", table.name)).await?;
        let ids = ids(pool, user_id, table.name).await?;
        let mut separator = "";
        for ids in ids.chunks(AT_ONCE) {
            for row in rows(pool, user_id, table.name, ids).await? {
                file.write(format!("{separator}\n{row}")).await?;
                separator = ",";
            }
        }
        file.write("]".to_owned()).await?;
    }
    file.write("}\n".to_owned()).await
}

async fn ids(pool: &PgPool, user_id: &str, table: &str) -> sqlx::Result<Vec<String>> {
    let mut reading = as_user(pool, user_id).await?;
    let mut ids: Vec<String> =
        sqlx::query_scalar(&format!("SELECT id FROM {table}")).fetch_all(&mut *reading).await?;
    reading.rollback().await?;
    ids.sort_unstable();
    Ok(ids)
}

/// The rows as Postgres writes them in JSON.
async fn rows(pool: &PgPool, user_id: &str, table: &str, ids: &[String]) -> sqlx::Result<Vec<String>> {
    let mut reading = as_user(pool, user_id).await?;
    let rows = format!("SELECT to_jsonb({table}.*)::text FROM {table} WHERE id = ANY ($1) ORDER BY id");
    let rows = sqlx::query_scalar(&rows).bind(ids).fetch_all(&mut *reading).await?;
    reading.rollback().await?;
    Ok(rows)
}

async fn as_user(pool: &PgPool, user_id: &str) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut transaction = pool.begin().await?;
    act_as(&mut transaction, "app_user", user_id).await?;
    Ok(transaction)
}

/// The file that is being sent, part by part.
struct File {
    parts: mpsc::Sender<io::Result<Bytes>>,
    began: Instant,
}

/// Why it is not sent to its end.
enum Stop {
    /// Nobody takes it, or too slowly.
    Gone,
    Postgres(sqlx::Error),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Stop {
        Stop::Postgres(error)
    }
}

impl File {
    async fn write(&mut self, text: String) -> std::result::Result<(), Stop> {
        if self.began.elapsed() > limits::EXPORT {
            return Err(Stop::Gone);
        }
        match timeout(limits::STALLED, self.parts.send(Ok(text.into()))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Stop::Gone),
        }
    }

    async fn fail(&mut self, error: &Error) {
        let _ = timeout(limits::STALLED, self.parts.send(Err(io::Error::other(error.to_string())))).await;
    }
}
