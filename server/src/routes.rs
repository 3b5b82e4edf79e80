//! Which path is answered by what.

use axum::{
    Router,
    http::header,
    middleware,
    routing::{any, get, post},
};
use leptos_axum::LeptosRoutes;
use tower_http::{
    compression::CompressionLayer,
    services::ServeDir,
    trace::{DefaultMakeSpan, DefaultOnFailure, DefaultOnResponse, TraceLayer},
};
use tracing::Level;

use crate::{
    AppState, account, cross_site, error::Error, headers, invitations, page, session, token, upload,
};

/// A page holds its user's rows. Nobody may keep it: the next who goes back to it in this browser may be somebody else.
const PRIVATE: &str = "no-store";

/// All routes.
pub(crate) fn router(state: AppState) -> anyhow::Result<Router> {
    let sessions = session::layer(session::store(state.pool.clone())?, state.session_cookie.clone());
    let router = Router::new()
        .merge(pages(&state))
        .fallback_service(files(&state))
        .merge(api())
        .layer(sessions)
        .layer(middleware::from_fn_with_state(state.clone(), session::keep_cookie))
        .layer(middleware::from_fn(cross_site::refuse))
        .layer(middleware::from_fn(headers::behind_tls))
        .route("/health", get(|| async { "ok" }))
        .layer(CompressionLayer::new());
    Ok(headers::defaults()
        .into_iter()
        .fold(router, Router::layer)
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
                .on_request(())
                .on_response(DefaultOnResponse::new().level(Level::DEBUG))
                .on_failure(DefaultOnFailure::new().level(Level::WARN)),
        )
        .with_state(state))
}

fn api() -> Router<AppState> {
    Router::new()
        .merge(account::routes())
        .route("/api/powersync/token", get(token::get))
        .route("/api/sync", post(upload::post))
        .route("/api/invitations/{id}", get(invitations::get))
        .route("/api/invitations/{id}/join", post(invitations::join))
        .route("/api/{*path}", any(|| async { Error::NoSuchPath }))
}

fn pages(state: &AppState) -> Router<AppState> {
    Router::new()
        .leptos_routes_with_handler(leptos_axum::generate_route_list(app::App), page::get)
        .layer(middleware::from_fn_with_state(state.clone(), session::guest))
        .layer(headers::unless_set(header::CACHE_CONTROL, PRIVATE))
}

/// Files of the built site; whatever is not there is answered by a page that says so.
fn files(state: &AppState) -> ServeDir<axum::routing::MethodRouter> {
    let not_found = get(page::not_found)
        .layer(headers::unless_set(header::CACHE_CONTROL, PRIVATE))
        .layer(middleware::from_fn_with_state(state.clone(), session::visitor))
        .with_state(state.clone());
    ServeDir::new(&*state.leptos_options.site_root)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip()
        .fallback(not_found)
}
