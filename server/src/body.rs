//! The JSON that a request carries.

use axum::{
    Json,
    extract::{FromRequest, Request, rejection::JsonRejection},
};
use serde::de::DeserializeOwned;

use crate::{
    AppState,
    error::{Error, Result},
};

/// A request's JSON; what is no such JSON gets the API's kind of answer.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Body<T>> {
        let body: std::result::Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        Ok(Body(body?.0))
    }
}
