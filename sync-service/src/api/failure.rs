//! How an error is answered.

use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// An error as the official service words it.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u16,
    error: Map<String, Value>,
}

impl Failure {
    pub fn new(status: u16, code: &str, name: &str, description: impl Into<String>) -> Self {
        let mut error = Map::new();
        error.insert("code".to_owned(), json!(code));
        error.insert("status".to_owned(), json!(status));
        error.insert("description".to_owned(), json!(description.into()));
        error.insert("name".to_owned(), json!(name));
        Self { status, error }
    }

    /// With more about what happened.
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.error.insert("details".to_owned(), json!(details.into()));
        self
    }

    /// A request that is not understood.
    pub fn validation(details: impl std::fmt::Display) -> Self {
        let details = json!([details.to_string()]).to_string();
        Self::new(400, "PSYNC_S2001", "ValidationError", "Validation failed").details(details)
    }

    /// There is nothing to serve.
    pub fn no_config(description: &str) -> Self {
        Self::new(500, "PSYNC_S2302", "ServiceError", description)
    }

    /// Postgres does not answer, or another process is the sequencer; asking again helps.
    pub fn unavailable(why: impl std::fmt::Display) -> Self {
        Self::new(
            503,
            "PSYNC_S2003",
            "ServiceError",
            format!("The service cannot serve at the moment: {why}"),
        )
    }

    /// The path is not known.
    pub fn no_route(method: &str, path: &str) -> Self {
        let mut failure =
            Self::new(404, "PSYNC_S2002", "RouteNotFound", "The path does not exist on this server")
                .details(format!("The path {method} \"{path}\" does not exist on this server"));
        failure.error.insert("severity".to_owned(), json!("info"));
        failure
    }
}

/// As it stands in the log.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |key: &str| self.error.get(key).and_then(Value::as_str).unwrap_or_default();
        write!(f, "{} {}", text("code"), text("description"))
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        tracing::warn!(%error, "Postgres did not answer a request");
        Self::unavailable(format!("Postgres: {error}"))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({ "error": self.error }))).into_response()
    }
}
