//! Whether the server is alive, and whether it can do its work. The first is for what would start it again, the second for
//! what sends it visitors.

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::AppState;

/// `/health` and `/ready`.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/health", get(|| async { "ok" })).route("/ready", get(ready))
}

/// `GET /ready`: 200 if each pool has a connection left and Postgres answers, else 503 with the reason.
async fn ready(State(state): State<AppState>) -> (StatusCode, Json<Value>) {
    for (name, pool) in
        [("sessions", &state.pool), ("uploads", &state.upload_pool), ("pages", &state.page_pool)]
    {
        if let Err(error) = answers(pool).await {
            let reason = format!("Postgres does not answer on the connections for {name}: {error}");
            return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "reason": reason })));
        }
    }
    (StatusCode::OK, Json(json!({ "ready": true })))
}

async fn answers(pool: &PgPool) -> sqlx::Result<()> {
    // Through a pooler, where there is one, which keeps no prepared statements.
    sqlx::query("SELECT 1").persistent(false).execute(pool).await?;
    Ok(())
}
