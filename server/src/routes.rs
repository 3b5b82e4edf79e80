//! Which path is answered by what.

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use leptos::{
    config::LeptosOptions,
    nonce::use_nonce,
    prelude::{provide_context, use_context},
};
use leptos_axum::{LeptosRoutes, ResponseOptions};
use tower_http::{
    compression::CompressionLayer,
    services::ServeDir,
    trace::{DefaultMakeSpan, DefaultOnFailure, DefaultOnResponse, TraceLayer},
};
use tracing::Level;

use crate::{AppState, account, cross_site, error::Error, headers, invitations, session, token, upload};

/// A page names its user, so no cache between here and the browser may keep it.
const PRIVATE: &str = "private, no-cache";

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
        .route("/api/sync", post(upload::post).layer(upload::body_limit()))
        .route("/api/invitations/{id}", get(invitations::get))
        .route("/api/invitations/{id}/join", post(invitations::join))
        .route("/api/{*path}", any(|| async { Error::NoSuchPath }))
}

fn pages(state: &AppState) -> Router<AppState> {
    let options = state.leptos_options.clone();
    let paths = leptos_axum::generate_route_list(app::App);
    Router::new()
        .leptos_routes_with_context(state, paths, page_context(&state.leptos_options), move || {
            app::shell(options.clone())
        })
        .layer(middleware::from_fn_with_state(state.clone(), session::guest))
        .layer(headers::unless_set(header::CACHE_CONTROL, PRIVATE))
}

/// Files of the built site; whatever is not there is answered by a page that says so.
fn files(state: &AppState) -> ServeDir<axum::routing::MethodRouter> {
    let not_found = get(page_not_found)
        .layer(middleware::from_fn_with_state(state.clone(), session::visitor))
        .with_state(state.clone());
    ServeDir::new(&*state.leptos_options.site_root)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip()
        .fallback(not_found)
}

async fn page_not_found(State(state): State<AppState>, request: Request) -> Response {
    let options = state.leptos_options;
    let page = leptos_axum::render_app_to_stream_with_context(page_context(&options), {
        move || app::shell(options.clone())
    });
    (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, PRIVATE)], page(request).await).into_response()
}

/// Hands the page what the session middleware has found out about its user, and the browser the page's policy.
fn page_context(options: &LeptosOptions) -> impl Fn() + Clone + Send + Sync + 'static {
    // What Leptos itself asks before it puts the script for reloading into the page.
    let watched = std::env::var_os("LEPTOS_WATCH").is_some();
    let reload_port = watched.then(|| options.reload_external_port.unwrap_or(options.reload_port));
    move || {
        let Some(parts) = use_context::<Parts>() else { return };
        let session = parts.extensions.get::<app::Session>();
        if let Some(session) = session {
            provide_context(session.clone());
        }
        if let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>())
            && let Some(policy) = headers::content_security_policy(&nonce, &parts, session, reload_port)
        {
            response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
}
