//! A page, with the rows that it asks for.

use std::time::Duration;

use app::{
    Session,
    store::{Read, Snapshot},
};
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
use tokio::time::{Instant, timeout_at};

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
    let skeleton = parts.uri.query() == Some(Snapshot::SKELETON);
    let session = parts.extensions.get::<Session>().filter(|_| !skeleton)?;
    session.user_id.as_deref()
}

async fn with_rows(state: &AppState, parts: &Parts, user_id: &str) -> Response {
    let snapshot = Snapshot::asking();
    let deadline = Instant::now() + PATIENCE;
    let mut store = None;
    for _ in 1..ROUNDS {
        let page = render(state, parts, snapshot.clone()).await;
        let asked = snapshot.take_asked();
        if asked.is_empty() {
            return page;
        }
        match timeout_at(deadline, answer(state, user_id, &mut store, &snapshot, asked)).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => tracing::warn!("a page is rendered without all of its rows: {error}"),
            Err(_) => tracing::warn!("a page is rendered without all of its rows: they took too long"),
        }
        break;
    }
    drop(store);
    render(state, parts, snapshot).await
}

/// Reads what a page has asked for, all of it at the same moment of the database.
async fn answer(
    state: &AppState,
    user_id: &str,
    store: &mut Option<PostgresStore>,
    snapshot: &Snapshot,
    asked: Vec<Read>,
) -> sqlx::Result<()> {
    let store = match store {
        Some(store) => store,
        None => store.insert(PostgresStore::open(&state.page_pool, user_id).await?),
    };
    for read in asked {
        let rows = match store.rows(&read).await {
            Ok(rows) => rows,
            Err(ReadError::Postgres(error)) => return Err(error),
            Err(error) => {
                tracing::warn!("a page is rendered without the rows of {:?}: {error}", read.statement.sql);
                None
            }
        };
        snapshot.insert(read.statement, rows);
    }
    Ok(())
}

async fn render(state: &AppState, parts: &Parts, snapshot: Snapshot) -> Response {
    let options = state.leptos_options.clone();
    // What Leptos itself asks before it puts the script for reloading into the page.
    let watched = std::env::var_os("LEPTOS_WATCH").is_some();
    let reload_port = watched.then(|| options.reload_external_port.unwrap_or(options.reload_port));
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
