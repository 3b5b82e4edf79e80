//! `POST /api/sync`: what browsers changed, applied to Postgres.
//!
//! A browser sends its queue of client transactions and waits for the answer before it sends more, so whatever is not
//! answered by 2xx blocks everything behind it. Therefore a change that cannot be applied is no error: it gets the
//! verdict "rejected", its user gets a notice, and sync takes the change back on the client. See `conflict` for what
//! happens when two users change the same row.

mod apply;
mod body;
mod change;
pub(crate) mod conflict;
mod limits;
mod rejection;
pub(crate) mod replay;
mod rows;
mod statement;
mod turns;
mod wire;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use schema::{TABLES, Table, upload::UploadResponse};

pub(crate) use self::turns::Turns;
use self::wire::Upload;
use crate::{
    AppState,
    client_ip::ClientIp,
    error::{Error, Result},
    session::SignedIn,
    users,
};

/// `POST /api/sync`: applies client transactions, oldest first, and answers a verdict per change.
pub(crate) async fn post(
    State(state): State<AppState>,
    client: ClientIp,
    user: SignedIn,
    request: Request,
) -> Result<Json<UploadResponse>> {
    let _of_the_user = state.turns.of_user(&user.id)?;
    let body = body::read(request, &state.turns).await?;
    let _turn = state.turns.next(body.size()).await?;
    let Upload { client_id, user_id: of, transactions } = body.parse().await?;
    if of.is_some_and(|of| of != user.id) {
        // To its sender that is the same as no session: these changes can only be sent by their own user.
        return Err(Error::Unauthenticated);
    }
    let client_id = parse_client_id(client_id)?;
    state.rate_limits.changes(&user.id, transactions.iter().map(|delivered| delivered.op_ids.len()).sum())?;
    users::ensure(&state, client, &user).await?;
    let client = Client { user_id: user.id, client_id };
    let rules = Rules { tables: TABLES, strategies: conflict::STRATEGIES };
    let mut verdicts = Vec::new();
    for delivered in &transactions {
        verdicts.extend(apply::transaction(&state.upload_pool, rules, &client, delivered).await?);
    }
    Ok(Json(UploadResponse { verdicts }))
}

/// Connections to Postgres for uploads: one for each turn.
pub(crate) const CONNECTIONS: u32 = (limits::SMALL_TURNS + limits::LARGE_TURNS) as u32;

/// What may be written, and what becomes of conflicts.
#[derive(Clone, Copy)]
struct Rules {
    tables: &'static [&'static Table],
    strategies: conflict::Strategies,
}

/// Who is uploading, and from which of their browsers.
struct Client {
    user_id: String,
    client_id: String,
}

fn parse_client_id(client_id: String) -> Result<String> {
    if (1..=limits::CLIENT_ID).contains(&client_id.len()) && !client_id.contains('\0') {
        return Ok(client_id);
    }
    let sentence = format!(
        "client_id must be the id of the browser's database, 1 to {} bytes of text.",
        limits::CLIENT_ID
    );
    Err(Error::Refused(StatusCode::BAD_REQUEST, sentence))
}
