//! The HTTP side.

mod admin;
mod checkpoints;
pub(crate) mod failure;
mod metrics;
mod probes;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use self::failure::Failure;
use crate::shared::{Active, Shared, State};

/// Every route of the service.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/sync/stream", post(stream::open))
        .route("/write-checkpoint2.json", get(checkpoints::draw))
        .route("/sync/checkpoint-request", post(checkpoints::request))
        .route("/api/sync-rules/v1/deploy", post(admin::deploy))
        .route("/api/sync-rules/v1/validate", post(admin::validate_text))
        .route("/api/sync-rules/v1/current", get(admin::current))
        .route("/api/sync-rules/v1/reprocess", post(admin::reprocess))
        .route("/api/admin/v1/validate", post(admin::validate))
        .route("/api/admin/v1/diagnostics", post(admin::diagnostics))
        .route("/metrics", get(metrics::read))
        .route("/probes/startup", get(probes::startup))
        .route("/probes/liveness", get(probes::liveness))
        .route("/probes/readiness", get(probes::readiness))
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(to_the_end))
        .layer(cors())
        .with_state(shared)
}

/// A request with a thousand buckets and their names fits in well.
const MAX_BODY: usize = 1024 * 1024;

/// Answers a request also when its client has gone meanwhile. Dropped in the middle of `BEGIN`, sqlx would give the connection back
/// to the pool within the transaction, and whoever got it next would read an old snapshot, or write what is never committed.
async fn to_the_end(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => Failure::unavailable(error).into_response(),
    }
}

async fn no_route(method: Method, uri: Uri) -> Failure {
    Failure::no_route(method.as_str(), uri.path())
}

/// The config that is served, or why none is.
fn served(shared: &Shared, no_config: &str) -> Result<Arc<Active>, Failure> {
    if !shared.is_leading() {
        return Err(not_leading(shared));
    }
    shared.active().borrow().clone().ok_or_else(|| Failure::no_config(no_config))
}

fn not_leading(shared: &Shared) -> Failure {
    match shared.state() {
        State::StandBy => Failure::unavailable("another process serves this database, this one stands by"),
        State::Disconnected(Some(error)) => Failure::unavailable(format!("Postgres: {error}")),
        State::Disconnected(None) | State::Leading => Failure::unavailable("it is starting"),
    }
}

/// The browser calls from the app's origin. It is let in by its token, not by its origin.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::any())
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(std::time::Duration::from_secs(3600))
}
