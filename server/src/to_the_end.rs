//! Work that has begun runs to its end.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;

use crate::error::Error;

/// Answers a request in a task of its own, and waits for it no longer than `limit`. A client that hangs up, and a limit that
/// passes, end the answer and not the work; what ends the work are Postgres' own limits (`database.rs`).
///
/// Otherwise a handler would be dropped wherever it happens to wait. Dropped in the middle of `BEGIN`, sqlx gives the
/// connection back to the pool within a transaction, and what runs there next is answered and never committed.
pub(crate) async fn run(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let work = tokio::spawn(next.run(request).in_current_span());
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(response)) => response,
        // It has panicked, and the panic is in the log.
        Ok(Err(_)) => Error::Internal.into_response(),
        Err(_) => {
            tracing::warn!("a request is answered before it has ended: it takes more than {limit:?}");
            Error::Busy.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{Router, body::Body, http::StatusCode, middleware, routing::get};
    use tokio::sync::Semaphore;
    use tower_service::Service;

    use super::*;

    /// A route whose handler goes on when `go` has a permit, and then adds one to `done`.
    struct Slow {
        go: Arc<Semaphore>,
        done: Arc<Semaphore>,
        router: Router,
    }

    fn slow(limit: Duration) -> Slow {
        let (go, done) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let handler = {
            let (go, done) = (go.clone(), done.clone());
            move || async move {
                go.acquire().await.unwrap().forget();
                done.add_permits(1);
            }
        };
        let router = Router::new()
            .route("/", get(handler))
            .route("/panic", get(mistaken))
            .layer(middleware::from_fn_with_state(limit, run));
        Slow { go, done, router }
    }

    async fn mistaken() -> StatusCode {
        panic!("as a handler with a mistake does");
    }

    async fn is_done(done: &Semaphore) -> bool {
        tokio::time::timeout(Duration::from_secs(20), done.acquire()).await.is_ok()
    }

    fn to(path: &str) -> Request {
        Request::get(path).body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn work_goes_on_when_its_client_has_gone() {
        let Slow { go, done, mut router } = slow(Duration::from_secs(60));
        let mut answer = router.call(to("/"));
        // It has begun, and then nobody waits for it any more.
        assert!(futures::poll!(&mut answer).is_pending());
        drop(answer);
        go.add_permits(1);
        assert!(is_done(&done).await);
    }

    #[tokio::test]
    async fn work_goes_on_when_its_answer_is_late() {
        let Slow { go, done, mut router } = slow(Duration::from_millis(1));
        let answer = router.call(to("/")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
        go.add_permits(1);
        assert!(is_done(&done).await);
    }

    #[tokio::test]
    async fn a_panic_is_answered() {
        let mut router = slow(Duration::from_secs(60)).router;
        let answer = router.call(to("/panic")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
