//! Which path is answered by what.

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::header,
    middleware,
    routing::{any, get, post},
};
use leptos_axum::LeptosRoutes;
use tower_cookies::CookieManagerLayer;
use tower_http::{
    compression::CompressionLayer,
    services::ServeDir,
    trace::{DefaultOnFailure, DefaultOnResponse, TraceLayer},
};
use tracing::{Level, Span};

use crate::{
    AppState, account, cross_site,
    error::{self, Error},
    headers, health, invitations, limits, page, session, to_the_end, token, upload,
};

/// A page holds its user's rows. Nobody may keep it: the next who goes back to it in this browser may be somebody else.
const PRIVATE: &str = "no-store";

/// All routes.
pub(crate) fn router(state: AppState) -> Router {
    let to_the_end = |limit| middleware::from_fn_with_state(limit, to_the_end::run);
    let router = Router::new()
        .merge(pages(&state))
        .fallback_service(files(&state))
        .merge(api())
        .layer(to_the_end(limits::ANSWER))
        .layer(CompressionLayer::new())
        .merge(uploads().layer(to_the_end(limits::UPLOAD_ANSWER)))
        .layer(CookieManagerLayer::new())
        .layer(middleware::from_fn(cross_site::refuse))
        .layer(middleware::from_fn(headers::behind_tls))
        .merge(health::routes().layer(to_the_end(limits::ANSWER)))
        .layer(middleware::from_fn(error::for_people));
    headers::defaults()
        .into_iter()
        .fold(router, Router::layer)
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_request(())
                .on_response(DefaultOnResponse::new().level(Level::DEBUG))
                .on_failure(DefaultOnFailure::new().level(Level::WARN)),
        )
        .with_state(state)
}

/// What a request's lines in the log are about: its route, and not its address, which for some is a secret.
fn span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("a file", MatchedPath::as_str);
    tracing::info_span!("request", method = %request.method(), route)
}

fn api() -> Router<AppState> {
    Router::new()
        .merge(account::routes())
        .route("/api/powersync/token", get(token::get))
        .route("/api/invitations/{id}", get(invitations::get))
        .route("/api/invitations/{id}/join", post(invitations::join))
        .route("/api/{*path}", any(|| async { Error::NoSuchPath }))
}

fn uploads() -> Router<AppState> {
    Router::new().route("/api/sync", post(upload::post))
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
        .layer(middleware::from_fn_with_state(state.clone(), session::guest))
        .with_state(state.clone());
    ServeDir::new(&*state.leptos_options.site_root)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip()
        .fallback(not_found)
}
