//! What a request that cannot be answered is told.

use std::time::Duration;

use axum::{
    Json,
    extract::{Request, rejection::JsonRejection},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use serde_json::json;

use crate::database::{Fault, fault};

/// Why a request is not answered. The body is always `{"error": "a sentence"}`; a person who opens a page is shown one that
/// says the same.
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
    /// 503: something is away that will be back; the same request will succeed later. The sentence says what.
    #[error("{0} Try again in a moment.")]
    Unavailable(&'static str),
    /// 503: others are being served, or the answer takes too long.
    #[error("The server is busy. Try again in a moment.")]
    Busy,
    /// 500: a fault of the server.
    #[error("Something went wrong on the server.")]
    Internal,
}

/// The result of a request handler.
pub type Result<T> = std::result::Result<T, Error>;

/// How long to wait for what is away.
const AWAY: Duration = Duration::from_secs(5);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let sentence = self.to_string();
        let mut response = (self.status(), Json(json!({ "error": &sentence }))).into_response();
        response.headers_mut().extend(self.retry_after().map(|wait| (header::RETRY_AFTER, wait)));
        response.extensions_mut().insert(Told(sentence));
        response
    }
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Error::Unauthenticated => StatusCode::UNAUTHORIZED,
            Error::NoSuchPath | Error::NoSuchInvitation => StatusCode::NOT_FOUND,
            Error::Refused(status, _) => *status,
            Error::CrossSite => StatusCode::FORBIDDEN,
            Error::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Error::Unavailable(_) | Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Error::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// When to try again, for the header of that name.
    pub(crate) fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Error::TooMany(wait) => Some(HeaderValue::from(wait.as_secs() + 1)),
            Error::Unavailable(_) | Error::Busy => Some(HeaderValue::from(AWAY.as_secs())),
            _ => None,
        }
    }
}

/// The sentence of an answer that is an error.
#[derive(Clone)]
struct Told(String);

/// Makes a page of an error where a person has opened one, and not a program asked the API.
pub(crate) async fn for_people(request: Request, next: Next) -> Response {
    let is_page = !request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Told>() {
        Some(Told(sentence)) if is_page => {
            let (mut parts, _json) = response.into_parts();
            parts.headers.remove(header::CONTENT_TYPE);
            parts.headers.remove(header::CONTENT_LENGTH);
            (parts, page(&sentence)).into_response()
        }
        _ => response,
    }
}

fn page(sentence: &str) -> Html<String> {
    let sentence = html_escape::encode_text(sentence);
    Html(format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Not now</title>
<link rel="stylesheet" href="/pkg/app.css">
</head>
<body>
<main>
<h1>This page cannot be shown now</h1>
<p>{sentence}</p>
<p><a href="">Try again</a></p>
</main>
</body>
</html>
"#
    ))
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
        // Raised by a trigger of `users`.
        if error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("US404")) {
            return Error::Unauthenticated;
        }
        let Some(fault) = fault(&error) else {
            tracing::error!("Postgres refused a statement: {error}");
            return Error::Internal;
        };
        match fault {
            Fault::Away | Fault::Busy => tracing::warn!("Postgres cannot be asked now: {error}"),
            fault => tracing::error!("Postgres cannot be used: {error}. {}", fault.advice()),
        }
        match fault {
            Fault::Busy => Error::Busy,
            Fault::ReadOnly | Fault::Full => {
                Error::Unavailable("The database takes no changes at the moment.")
            }
            _ => Error::Unavailable("The database cannot be reached at the moment."),
        }
    }
}
