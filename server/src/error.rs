//! What a request that cannot be answered is told.

use std::time::Duration;

use axum::{
    Json,
    extract::rejection::JsonRejection,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// Why a request is not answered. The body is always `{"error": "a sentence"}`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 401: there is no session, or its user does not exist any more.
    #[error("You are not signed in: open the app's page, which starts a session or asks you to sign in.")]
    Unauthenticated,
    /// 404: the API has no such path.
    #[error("The API has no such path.")]
    NoSuchPath,
    /// 404: the invitation has expired, is used up or was revoked, or its list deleted, or there never was one.
    #[error("This link is not valid any more: ask for a new one.")]
    NoSuchInvitation,
    /// Any other 4xx: the request is not one that the app would send, or what it asks for is not to be had; the reason is
    /// a sentence for people.
    #[error("{1}")]
    Refused(StatusCode, String),
    /// 403: another site's page has sent this.
    #[error("This was sent by a page of another site.")]
    CrossSite,
    /// 429: that was too often; how long to wait.
    #[error("That was too often. Try again in {} seconds.", .0.as_secs() + 1)]
    TooMany(Duration),
    /// 503: something is away that will be back; the same request will succeed later.
    #[error("The database cannot be reached at the moment: try again.")]
    Unavailable,
    /// 500: a fault of the server.
    #[error("Something went wrong on the server.")]
    Internal,
}

/// The result of a request handler.
pub type Result<T> = std::result::Result<T, Error>;

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match self {
            Error::TooMany(wait) => {
                let retry_after = [(header::RETRY_AFTER, (wait.as_secs() + 1).to_string())];
                return (StatusCode::TOO_MANY_REQUESTS, retry_after, self.body()).into_response();
            }
            Error::Unauthenticated => StatusCode::UNAUTHORIZED,
            Error::NoSuchPath | Error::NoSuchInvitation => StatusCode::NOT_FOUND,
            Error::Refused(status, _) => status,
            Error::CrossSite => StatusCode::FORBIDDEN,
            Error::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Error::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, self.body()).into_response()
    }
}

impl Error {
    /// The answer to a person who has opened a page, instead of to a program.
    pub(crate) fn into_page(self) -> Response {
        let sentence = self.to_string();
        let (mut parts, _) = self.into_response().into_parts();
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        Response::from_parts(parts, sentence.into())
    }

    fn body(&self) -> Json<Value> {
        Json(json!({ "error": self.to_string() }))
    }
}

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Error {
        let status = match rejection.status() {
            // Axum tells JSON of the wrong shape from text that is not JSON. To a client both are malformed.
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        Error::Refused(status, rejection.body_text())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        if will_heal(&error) {
            tracing::warn!("Postgres cannot be reached: {error}");
            Error::Unavailable
        } else {
            tracing::error!("Postgres refused a statement: {error}");
            Error::Internal
        }
    }
}

impl From<tower_sessions::session::Error> for Error {
    fn from(error: tower_sessions::session::Error) -> Error {
        match error {
            tower_sessions::session::Error::Store(tower_sessions::session_store::Error::Backend(cause)) => {
                tracing::warn!("the session cannot be loaded: {cause}");
                Error::Unavailable
            }
            error => {
                tracing::error!("the session cannot be read: {error}");
                Error::Internal
            }
        }
    }
}

/// Whether the same statement may well succeed later: Postgres is away, starting, full or busy.
pub(crate) fn will_heal(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Connection exceptions, transaction rollbacks, insufficient resources, lock not available, operator
        // intervention.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "40", "53", "55P03", "57"].iter().any(|healing| code.starts_with(healing))
        }),
        _ => false,
    }
}
