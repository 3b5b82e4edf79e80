//! A page, with the rows that it asks for.

use std::time::Duration;

use app::{Session, store::Snapshot};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use leptos::{
    nonce::use_nonce,
    prelude::{provide_context, use_context},
};
use leptos_axum::ResponseOptions;
use tokio::time::timeout;
use tracing::Instrument;

use crate::{
    AppState, headers,
    store::{PostgresStore, ReadError},
};

/// How long a page waits for its rows, all in all. It can do without them, and better than it can wait.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a page is rendered at most: first without rows, then with what it asked for, and again where the rows have made
/// it ask for more.
const ROUNDS: usize = 4;

/// Any page of the app, with its user's rows where it has a user.
pub(crate) async fn get(State(state): State<AppState>, request: Request) -> Response {
    let (parts, _body) = request.into_parts();
    match reader(&parts) {
        Some(user_id) => with_rows(&state, &parts, user_id).await,
        None => render(&state, &parts, Snapshot::default()).await,
    }
}

/// The page for an address that has none.
pub(crate) async fn not_found(State(state): State<AppState>, request: Request) -> Response {
    let (parts, _body) = request.into_parts();
    (StatusCode::NOT_FOUND, render(&state, &parts, Snapshot::default()).await).into_response()
}

/// Whose rows the page is to have.
fn reader(parts: &Parts) -> Option<&str> {
    if parts.uri.query() == Some(Snapshot::SKELETON) {
        return None;
    }
    parts.extensions.get::<Session>()?.user_id.as_deref()
}

async fn with_rows(state: &AppState, parts: &Parts, user_id: &str) -> Response {
    let snapshot = Snapshot::asking();
    // In a task of its own, because it is not to be dropped while it begins a transaction. Postgres ends what takes long.
    let work = {
        let (state, parts, user_id) = (state.clone(), parts.clone(), user_id.to_owned());
        let snapshot = snapshot.clone();
        tokio::spawn(async move { filled(&state, &parts, &user_id, &snapshot).await }.in_current_span())
    };
    match timeout(PATIENCE, work).await {
        Ok(Ok(Ok(page))) => return page,
        Ok(Ok(Err(error))) => tracing::warn!("a page is rendered without all of its rows: {error}"),
        Ok(Err(error)) => tracing::error!("a page is rendered without all of its rows: {error}"),
        Err(_) => tracing::warn!("a page is rendered without all of its rows: they took too long"),
    }
    render(state, parts, snapshot.answered()).await
}

/// The page with what it asks for, all of it as it is at one moment of the database.
async fn filled(
    state: &AppState,
    parts: &Parts,
    user_id: &str,
    snapshot: &Snapshot,
) -> sqlx::Result<Response> {
    let mut store = PostgresStore::open(&state.page_pool, user_id).await?;
    for _ in 1..ROUNDS {
        let page = render(state, parts, snapshot.clone()).await;
        let asked = snapshot.take_asked();
        if asked.is_empty() {
            return Ok(page);
        }
        for read in asked {
            let rows = match store.rows(&read).await {
                Ok(rows) => rows,
                Err(ReadError::Postgres(error)) => return Err(error),
                Err(error) => {
                    tracing::warn!(
                        "a page is rendered without the rows of {:?}: {error}",
                        read.statement.sql
                    );
                    None
                }
            };
            snapshot.insert(read.statement, rows);
        }
    }
    Ok(render(state, parts, snapshot.clone()).await)
}

async fn render(state: &AppState, parts: &Parts, snapshot: Snapshot) -> Response {
    let (options, reload_port) = (state.leptos_options.clone(), state.reload_port);
    let context = move || {
        provide_context(snapshot.clone());
        let Some(parts) = use_context::<Parts>() else { return };
        let session = parts.extensions.get::<Session>();
        if let Some(session) = session {
            provide_context(session.clone());
        }
        if let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>())
            && let Some(policy) = headers::content_security_policy(&nonce, &parts, session, reload_port)
        {
            response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
        }
    };
    let render = leptos_axum::render_app_async_with_context(context, move || app::shell(options.clone()));
    render(Request::from_parts(parts.clone(), Body::empty())).await
}
