//! `POST /api/sync`: what browsers changed, applied to Postgres.
//!
//! A browser sends its queue of client transactions and waits for the answer before it sends more, so whatever is not
//! answered by 2xx blocks everything behind it. Therefore a change that cannot be applied is no error: it gets the
//! verdict "rejected", its user gets a notice, and sync takes the change back on the client. See `conflict` for what
//! happens when two users change the same row.

mod apply;
mod change;
mod conflict;
mod rejection;
mod replay;

use axum::{
    Json, extract::DefaultBodyLimit, extract::State, extract::rejection::JsonRejection, http::StatusCode,
};
use schema::upload::{UploadRequest, UploadResponse};

use crate::{
    AppState,
    error::{Error, Result},
    session::SignedIn,
};

/// `POST /api/sync`: applies client transactions, oldest first, and answers a verdict per change.
pub(crate) async fn post(
    State(state): State<AppState>,
    SignedIn(user_id): SignedIn,
    request: std::result::Result<Json<UploadRequest>, JsonRejection>,
) -> Result<Json<UploadResponse>> {
    let Json(UploadRequest { client_id, transactions }) = request?;
    let client = Client { user_id, client_id: parse_client_id(client_id)? };
    let mut verdicts = Vec::new();
    for transaction in &transactions {
        verdicts.extend(apply::transaction(&state.pool, &client, transaction).await?);
    }
    Ok(Json(UploadResponse { verdicts }))
}

/// Far more than a browser sends at once, and little enough to hold in memory.
pub(crate) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(8 * 1024 * 1024)
}

/// Who is uploading, and from which of their browsers.
struct Client {
    user_id: String,
    client_id: String,
}

fn parse_client_id(client_id: String) -> Result<String> {
    if (1..=100).contains(&client_id.len()) && !client_id.contains('\0') {
        return Ok(client_id);
    }
    let sentence = "client_id must be the id of the browser's database, 1 to 100 bytes of text.";
    Err(Error::BadRequest(StatusCode::BAD_REQUEST, sentence.to_owned()))
}
