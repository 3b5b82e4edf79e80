//! What Prometheus asks for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::failure::Failure;
use crate::auth::check_api_token;
use crate::shared::Shared;

/// `GET /metrics`. On the port that clients use, so it takes an API token; Prometheus has `authorization` for it.
pub(super) async fn read(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    check_api_token(&headers, &shared.config.api_tokens)?;
    let text = shared.metrics.text(&shared.pool, shared.replication_lag().await?).await?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
