//! The upload of local writes to `POST /api/sync`.

use std::fmt;

use app::store::{Statement, StoreError};
use gloo_net::http::Request;
use schema::queue::{self, Waiting};
use schema::upload::{MAX_BYTES, MAX_CHANGES, Outcome, UploadRequest, UploadResponse};

use crate::database::Database;
use crate::javascript::store_error;

/// Sends the oldest transactions of the upload queue, several in one request with their boundaries kept, and takes
/// them out of the queue when the server has given its verdicts; `false` where there is nothing to send. The SDK calls it
/// again until the queue is empty.
///
/// What is too large for the server, or for a proxy on the way, is sent in smaller parts; and a transaction that is too
/// large alone, as an outline, for which the server leaves a notice. So nothing stands in the queue for good.
pub async fn upload(database: &Database, user_id: Option<String>) -> Result<bool, UploadError> {
    let mut waiting = oldest(database).await?;
    let client_id = database.sdk().get_client_id().await.map_err(store_error)?;
    let client_id = client_id.as_string().unwrap_or_default();
    while let Some(last) = waiting.last().and_then(|waiting| waiting.op_ids.last().copied()) {
        match send(&client_id, &user_id, &waiting).await? {
            Some(response) => {
                report(&verdicts_on(&waiting, response)?);
                database.complete(last).await?;
                return Ok(true);
            }
            None => waiting = smaller(database, waiting).await?,
        }
    }
    Ok(false)
}

/// The transactions for the next request.
async fn oldest(database: &Database) -> Result<Vec<Waiting>, StoreError> {
    let several = read(database, queue::ENOUGH_CHANGES, queue::ENOUGH_BYTES).await?;
    if !several.is_empty() {
        return Ok(several);
    }
    let mut one = read(database, MAX_CHANGES, MAX_BYTES).await?;
    one.truncate(1);
    match one.is_empty() {
        true => outline(database).await,
        false => Ok(one),
    }
}

/// What to send instead of a request that was too large.
async fn smaller(database: &Database, mut waiting: Vec<Waiting>) -> Result<Vec<Waiting>, StoreError> {
    match waiting.as_slice() {
        [alone] if alone.transaction.omitted.is_some() => Err(StoreError(
            "The server takes not even the outline of a change. It will be sent again.".to_owned(),
        )),
        [_alone] => outline(database).await,
        _ => {
            waiting.truncate(1);
            Ok(waiting)
        }
    }
}

async fn read(database: &Database, changes: usize, bytes: usize) -> Result<Vec<Waiting>, StoreError> {
    let oldest = Statement::new(queue::OLDEST).bind(changes as i64).bind(bytes as i64);
    queue::transactions(&database.rows(&oldest).await?).map_err(|error| unreadable(&error))
}

async fn outline(database: &Database) -> Result<Vec<Waiting>, StoreError> {
    let outline = database.rows(&Statement::new(queue::OUTLINE)).await?;
    Ok(queue::outline(&outline).map_err(|error| unreadable(&error))?.into_iter().collect())
}

fn unreadable(error: &dyn fmt::Display) -> StoreError {
    StoreError(format!("The upload queue holds what cannot be sent: {error}"))
}

/// Sends transactions; `None` where they are too large.
async fn send(
    client_id: &str,
    user_id: &Option<String>,
    waiting: &[Waiting],
) -> Result<Option<UploadResponse>, UploadError> {
    let failed = |error: gloo_net::Error| StoreError(format!("The server could not be reached: {error}"));
    let transactions = waiting.iter().map(|waiting| waiting.transaction.clone()).collect();
    let request = UploadRequest { client_id: client_id.to_owned(), user_id: user_id.clone(), transactions };
    let response = Request::post("/api/sync").json(&request).map_err(failed)?.send().await.map_err(failed)?;
    match response.status() {
        200 => Ok(Some(response.json().await.map_err(failed)?)),
        401 => Err(UploadError::SessionEnded),
        413 => Ok(None),
        status => Err(StoreError(refusal(status)).into()),
    }
}

/// Why nothing was taken, and what happens next. The SDK tries again by itself, a second later.
fn refusal(status: u16) -> String {
    match status {
        429 | 503 => {
            "The server is busy. What you changed is kept, and will be sent again in a moment.".to_owned()
        }
        status => format!("The server answered an upload with status {status}. It will be sent again."),
    }
}

/// The verdicts, if they are on what was sent. What answers otherwise is not our server.
fn verdicts_on(waiting: &[Waiting], response: UploadResponse) -> Result<UploadResponse, StoreError> {
    let sent = waiting.iter().flat_map(|waiting| &waiting.op_ids);
    match sent.eq(response.verdicts.iter().map(|verdict| &verdict.op_id)) {
        true => Ok(response),
        false => {
            Err(StoreError("The server's answer is about other changes. They will be sent again.".to_owned()))
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
