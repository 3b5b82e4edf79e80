//! `POST /sync/stream`

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::stream::poll_fn;
use tokio::sync::mpsc;
use tracing::warn;

use super::failure::Failure;
use crate::session::{CheckpointError, Client, Session, StreamRequest, TOO_MANY};
use crate::shared::Shared;

/// Opens a stream.
pub(super) async fn open(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let now = chrono::Utc::now().timestamp();
    let user = shared.keys.user(&headers, &shared.config.audience, now);
    let user = user.inspect_err(|failure| warn!(reason = failure.to_string(), "a stream is refused"))?;
    if user.expires_at <= now {
        return Ok(ndjson(Body::from("{\"token_expires_in\":0}\n")));
    }
    let request = StreamRequest::parse(&body).map_err(Failure::validation)?;
    super::checkpoints::check_client_id(request.client_id.as_deref())?;
    let active = super::served(&shared, "No sync config available")?;
    let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
    let id = user.id.clone();
    let session = Session::begin(shared, Client { user, request, active }, sender).await;
    let session = session
        .map_err(Failure::from)
        .inspect_err(|failure| warn!(user = id, reason = failure.to_string(), "a stream is refused"))?;
    tokio::spawn(session.run());
    let lines =
        poll_fn(move |context| receiver.poll_recv(context).map(|bytes| bytes.map(Ok::<_, Infallible>)));
    Ok(ndjson(Body::from_stream(lines)))
}

fn ndjson(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE.as_str(), "application/x-ndjson"),
        (CACHE_CONTROL.as_str(), "no-store"),
        ("x-accel-buffering", "no"),
    ];
    (headers, body).into_response()
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Postgres(error) => error.into(),
            CheckpointError::TooMany(description) => Self::new(500, TOO_MANY, "ServiceError", description),
            CheckpointError::Failed(error) => Self::unavailable(error),
        }
    }
}
