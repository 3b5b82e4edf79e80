//! What the SDK asks of an app: a token for the sync service, and the upload of what was written here.

use app::Session;
use js_sys::{Object, Promise};
use serde::Deserialize;
use serde_json::json;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use crate::database::Database;
use crate::javascript::{object, set, thrown};
use crate::upload;

/// The connector object, which lives as long as the page.
pub fn connector(session: Session, database: Database) -> Object {
    let connector = Object::new();
    let fetch_credentials = Closure::<dyn Fn() -> Promise>::new(move || {
        let session = session.clone();
        future_to_promise(async move {
            credentials(&session).await.map(JsValue::from).map_err(|error| thrown(&error))
        })
    });
    set(&connector, "fetchCredentials", fetch_credentials.into_js_value());
    let upload_data = Closure::<dyn Fn() -> Promise>::new(move || {
        let database = database.clone();
        future_to_promise(async move {
            upload::upload(&database).await.map(|()| JsValue::UNDEFINED).map_err(|error| thrown(&error.0))
        })
    });
    set(&connector, "uploadData", upload_data.into_js_value());
    connector
}

/// How the SDK should sync with an own server, as `connect` takes it.
pub fn sync_options() -> Object {
    object(&json!({
        // The SDK waits a second between uploads to spare a shared service. This server is ours: a write goes out at
        // once, and what is written meanwhile goes together in the next request.
        "crudUploadThrottleMs": 0,
        "retryDelayMs": 1000,
    }))
}

/// What `GET /api/powersync/token` answers.
#[derive(Deserialize)]
struct Token {
    token: String,
}

async fn credentials(session: &Session) -> Result<Object, String> {
    let endpoint = &session.token_endpoint;
    let unreachable = |error| format!("The server could not be asked for a token at {endpoint}: {error}");
    let response = gloo_net::http::Request::get(endpoint).send().await.map_err(unreachable)?;
    match response.status() {
        200 => {
            let Token { token } = response.json().await.map_err(unreachable)?;
            Ok(object(&json!({ "endpoint": session.powersync_url, "token": token })))
        }
        401 => Err("The session has ended. Reload the page to start a new one.".to_owned()),
        status => Err(format!("The server refused a token at {endpoint} with status {status}.")),
    }
}
