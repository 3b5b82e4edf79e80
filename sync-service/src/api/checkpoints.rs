//! Write checkpoints over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use crate::shared::Shared;
use crate::store::write_checkpoints;

/// `GET /write-checkpoint2.json?client_id=`
pub(super) async fn draw(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Query(client): Query<ClientId>,
) -> Result<Json<Value>, Failure> {
    let user = shared.keys.user(&headers, &shared.config.audience, chrono::Utc::now().timestamp())?;
    super::served(&shared, NO_CONFIG)?;
    let value = write_checkpoints::draw(&shared.pool, &user.id, client.checked()?).await?;
    shared.wake.notify_one();
    Ok(Json(json!({ "data": { "write_checkpoint": value.to_string() } })))
}

/// `POST /sync/checkpoint-request`
pub(super) async fn request(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Failure> {
    let user = shared.keys.user(&headers, &shared.config.audience, chrono::Utc::now().timestamp())?;
    super::served(&shared, NO_CONFIG)?;
    let request: CheckpointRequest = serde_json::from_slice(&body).map_err(Failure::validation)?;
    let value: i64 = request.checkpoint_request_id.parse().map_err(Failure::validation)?;
    let value = write_checkpoints::raise(&shared.pool, &user.id, request.client.checked()?, value).await?;
    shared.wake.notify_one();
    Ok(Json(json!({ "data": { "checkpoint_request_id": value.to_string() } })))
}

const NO_CONFIG: &str = "Cannot create Write Checkpoint since no sync config is active.";

#[derive(Deserialize)]
pub(super) struct ClientId {
    client_id: Option<String>,
}

impl ClientId {
    fn checked(&self) -> Result<&str, Failure> {
        check_client_id(self.client_id.as_deref())
    }
}

/// The id, or nothing: then checkpoints are counted for the user alone. It has to fit into Postgres' text, and into an index.
pub(super) fn check_client_id(id: Option<&str>) -> Result<&str, Failure> {
    let id = id.unwrap_or_default();
    if id.len() > 200 {
        return Err(Failure::validation("`client_id` is longer than 200 bytes"));
    }
    if id.contains('\0') {
        return Err(Failure::validation("`client_id` has a NUL character"));
    }
    Ok(id)
}

#[derive(Deserialize)]
struct CheckpointRequest {
    #[serde(flatten)]
    client: ClientId,
    checkpoint_request_id: String,
}
