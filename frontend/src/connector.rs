//! What the SDK asks of an app: a token for the sync service, and the upload of what was written here.

use app::Session;
use app::store::Status;
use js_sys::{Object, Promise};
use leptos::prelude::*;
use serde::Deserialize;
use serde_json::json;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use crate::database::Database;
use crate::javascript::{object, set, thrown};
use crate::upload::{self, UploadError};
use crate::{http, identity};

/// The connector object, which lives as long as the page. What the server says of the session goes into `status`.
pub fn connector(session: Session, database: Database, status: RwSignal<Status>) -> Object {
    let connector = Object::new();
    let here = Here { session, status };
    let there = here.clone();
    let fetch_credentials = Closure::<dyn Fn() -> Promise>::new(move || {
        let here = here.clone();
        future_to_promise(async move {
            credentials(&here).await.map(JsValue::from).map_err(|error| thrown(&error))
        })
    });
    set(&connector, "fetchCredentials", fetch_credentials.into_js_value());
    let upload_data = Closure::<dyn Fn() -> Promise>::new(move || {
        let (database, here) = (database.clone(), there.clone());
        future_to_promise(async move {
            let uploaded = upload::upload(&database, here.session.user_id.clone()).await;
            match uploaded {
                Ok(true) => here.session_has_ended(false),
                Err(UploadError::SessionEnded) => here.session_has_ended(true),
                Ok(false) | Err(UploadError::Failed(_)) => {}
            }
            uploaded.map(|_| JsValue::UNDEFINED).map_err(|error| thrown(&error.to_string()))
        })
    });
    set(&connector, "uploadData", upload_data.into_js_value());
    connector
}

#[derive(Clone)]
struct Here {
    session: Session,
    status: RwSignal<Status>,
}

impl Here {
    fn session_has_ended(&self, ended: bool) {
        identity::reload_if_changed(&self.session);
        if self.status.try_with_untracked(|status| status.session_ended) == Some(!ended) {
            self.status.update(|status| status.session_ended = ended);
        }
    }
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
    user_id: String,
}

async fn credentials(here: &Here) -> Result<Object, String> {
    let endpoint = &here.session.token_endpoint;
    let response = http::get(endpoint).await?;
    if response.status() == 401 {
        here.session_has_ended(true);
        return Err("The session has ended. Sign in again.".to_owned());
    }
    let Token { token, user_id } = http::json(response).await?;
    // Whatever somebody else may read must not come into this user's database.
    let ours = here.session.user_id.as_ref() == Some(&user_id);
    here.session_has_ended(!ours);
    match ours {
        true => Ok(object(&json!({ "endpoint": here.session.powersync_url, "token": token }))),
        false => Err("Somebody else has signed in. Reload the page.".to_owned()),
    }
}
