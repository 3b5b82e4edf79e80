//! The upload of local writes to `POST /api/sync`.

use std::fmt;

use app::store::StoreError;
use gloo_net::http::Request;
use js_sys::{AsyncIterator, Function, JSON, Reflect, Symbol};
use schema::upload::{Outcome, Transaction, UploadRequest, UploadResponse};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::database::Database;
use crate::javascript::store_error;
use crate::sdk::CrudTransaction;

/// Changes that go into one request, at the most, unless one transaction alone has more.
const MAX_CHANGES: usize = 1000;
/// Characters of JSON after which no other transaction is added to a request. The server takes several times as much.
const ENOUGH: usize = 1024 * 1024;

/// Sends the oldest transactions of the upload queue, several in one request with their boundaries kept, and takes
/// them out of the queue when the server has given its verdicts; `false` where there is nothing to send. The SDK calls it
/// again until the queue is empty.
pub async fn upload(database: &Database, user_id: Option<String>) -> Result<bool, UploadError> {
    let (transactions, last) = oldest_transactions(database).await?;
    let Some(last) = last else { return Ok(false) };
    let client_id = database.sdk().get_client_id().await.map_err(store_error)?;
    let client_id = client_id.as_string().unwrap_or_default();
    report(&send(UploadRequest { client_id, user_id, transactions }).await?);
    last.complete().await.map_err(store_error)?;
    Ok(true)
}

async fn oldest_transactions(
    database: &Database,
) -> Result<(Vec<Transaction>, Option<CrudTransaction>), StoreError> {
    let queue = async_iterator(&database.sdk().get_crud_transactions()).map_err(store_error)?;
    let (mut transactions, mut last, mut changes, mut size) = (Vec::new(), None, 0, 0);
    while changes < MAX_CHANGES
        && size < ENOUGH
        && let Some(transaction) = next(&queue).await.map_err(store_error)?
    {
        let json = JSON::stringify(&transaction.crud()).map(String::from).map_err(store_error)?;
        let parsed = parse(&json)?;
        size += json.len();
        changes += parsed.changes.len();
        transactions.push(parsed);
        last = Some(transaction);
    }
    Ok((transactions, last))
}

fn parse(json: &str) -> Result<Transaction, StoreError> {
    let changes = serde_json::from_str(json)
        .map_err(|error| StoreError(format!("The upload queue holds what cannot be sent: {error}")))?;
    Ok(Transaction { changes })
}

async fn send(request: UploadRequest) -> Result<UploadResponse, UploadError> {
    let failed = |error: gloo_net::Error| StoreError(format!("The server could not be reached: {error}"));
    let response = Request::post("/api/sync").json(&request).map_err(failed)?.send().await.map_err(failed)?;
    match response.status() {
        200 => Ok(response.json().await.map_err(failed)?),
        401 => Err(UploadError::SessionEnded),
        status => {
            let sentence =
                format!("The server answered an upload with status {status}. It will be sent again.");
            Err(StoreError(sentence).into())
        }
    }
}

/// Why changes stay in the upload queue.
pub enum UploadError {
    /// The server does not know their user any more in this browser.
    SessionEnded,
    /// Anything else, which will pass.
    Failed(StoreError),
}

impl From<StoreError> for UploadError {
    fn from(error: StoreError) -> UploadError {
        UploadError::Failed(error)
    }
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UploadError::SessionEnded => {
                f.write_str("The session has ended. Sign in to send what is waiting.")
            }
            UploadError::Failed(error) => f.write_str(&error.0),
        }
    }
}

/// People learn of a rejection from the synced `rejections` table; this line is for who debugs.
fn report(response: &UploadResponse) {
    for verdict in &response.verdicts {
        if let Outcome::Rejected { code, reason } = &verdict.outcome {
            leptos::logging::warn!(
                "The server rejected change {} ({}): {reason}",
                verdict.op_id,
                code.as_str()
            );
        }
    }
}

fn async_iterator(iterable: &JsValue) -> Result<AsyncIterator, JsValue> {
    let start: Function = Reflect::get(iterable, &Symbol::async_iterator())?.dyn_into()?;
    Ok(start.call0(iterable)?.unchecked_into())
}

async fn next(iterator: &AsyncIterator) -> Result<Option<CrudTransaction>, JsValue> {
    let next: js_sys::IteratorNext = JsFuture::from(iterator.next()?).await?.unchecked_into();
    Ok((!next.done()).then(|| next.value().unchecked_into()))
}
