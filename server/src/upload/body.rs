//! The reading of a request's body, which costs the server memory and time before it knows what is in it.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
};
use futures::StreamExt;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    limits,
    turns::Turns,
    wire::{TOO_MANY, Upload},
};
use crate::error::{Error, Result};

/// A body that has been read, and the room that it takes.
pub(super) struct ReadBody {
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

/// Reads a body that says it is JSON.
pub(super) async fn read(request: Request, turns: &Turns) -> Result<ReadBody> {
    let (head, body) = request.into_parts();
    if !is_json(&head.headers) {
        let sentence = "An upload is JSON: it must have the content type application/json.".to_owned();
        return Err(Error::Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence));
    }
    let length =
        head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    refuse_too_large(length.unwrap_or(0))?;
    collect(body, turns, limits::IDLE).await
}

/// A page of another site could post a form with the cookie, but nothing of this type.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn refuse_too_large(bytes: usize) -> Result<()> {
    if bytes <= limits::BODY {
        return Ok(());
    }
    let sentence = format!("A request may have {} bytes at the most: send less at once.", limits::BODY);
    Err(Error::Refused(StatusCode::PAYLOAD_TOO_LARGE, sentence))
}

async fn collect(body: Body, turns: &Turns, idle: Duration) -> Result<ReadBody> {
    let began = Instant::now();
    let mut stream = body.into_data_stream();
    let (mut bytes, mut room) = (Vec::new(), None);
    while let Some(chunk) = next(&mut stream, began, bytes.len(), idle).await? {
        let size = bytes.len() + chunk.len();
        refuse_too_large(size)?;
        turns.room(size, &mut room)?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(ReadBody { bytes, room })
}

/// The next piece, unless it is long in coming or all have been so on average.
async fn next(
    stream: &mut BodyDataStream,
    began: Instant,
    received: usize,
    idle: Duration,
) -> Result<Option<axum::body::Bytes>> {
    let by = (Instant::now() + idle).min(began + idle + time_for(received));
    match tokio::time::timeout_at(by, stream.next()).await {
        Ok(chunk) => chunk.transpose().map_err(|error| {
            Error::Refused(StatusCode::BAD_REQUEST, format!("The request was cut off: {error}."))
        }),
        Err(_) => {
            let sentence = "The request came too slowly: send it again.".to_owned();
            Err(Error::Refused(StatusCode::REQUEST_TIMEOUT, sentence))
        }
    }
}

/// How long so many bytes may take.
fn time_for(bytes: usize) -> Duration {
    Duration::from_millis((bytes as u64).saturating_mul(1000) / limits::BYTES_PER_SECOND as u64)
}

impl ReadBody {
    /// How many bytes there are.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Reads the JSON, away from the threads that serve everybody.
    pub(super) async fn parse(self) -> Result<Upload> {
        let ReadBody { bytes, room } = self;
        let parsed = tokio::task::spawn_blocking(move || {
            let upload = serde_json::from_slice::<Upload>(&bytes);
            // What was read belongs to one of the few that have a turn; the room is for all that wait for one.
            drop(room);
            upload
        });
        let upload = match parsed.await.map_err(|_| Error::Internal)? {
            Ok(upload) => upload,
            Err(error) if error.to_string().starts_with(TOO_MANY) => return Err(too_many_changes()),
            Err(error) => {
                return Err(Error::Refused(StatusCode::BAD_REQUEST, format!("This is no upload: {error}.")));
            }
        };
        let changes: usize = upload.transactions.iter().map(|delivered| delivered.op_ids.len()).sum();
        if changes > limits::CHANGES { Err(too_many_changes()) } else { Ok(upload) }
    }
}

fn too_many_changes() -> Error {
    let sentence = format!("A request may have {} changes at the most: send less at once.", limits::CHANGES);
    Error::Refused(StatusCode::PAYLOAD_TOO_LARGE, sentence)
}

#[cfg(test)]
mod tests {
    use axum::{body::Bytes, response::IntoResponse};
    use futures::stream;

    use super::*;

    async fn status(body: Body, idle: Duration) -> StatusCode {
        match collect(body, &Turns::new(), idle).await {
            Ok(_) => StatusCode::OK,
            Err(error) => error.into_response().status(),
        }
    }

    fn pieces(count: usize, size: usize) -> Body {
        let piece = Bytes::from(vec![b' '; size]);
        Body::from_stream(stream::iter(vec![piece; count]).map(Ok::<_, std::io::Error>))
    }

    #[tokio::test]
    async fn a_body_of_any_length_stops_at_the_limit() {
        let long = Duration::from_secs(3600);
        assert_eq!(status(pieces(8, limits::BODY / 8), long).await, StatusCode::OK);
        assert_eq!(status(pieces(9, limits::BODY / 8), long).await, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_not_waited_for() {
        let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
        let never = Body::from_stream(begun.chain(stream::pending()));
        assert_eq!(status(never, Duration::from_millis(1)).await, StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn a_large_body_has_more_time_than_a_small_one() {
        assert_eq!(time_for(0), Duration::ZERO);
        assert_eq!(time_for(limits::BYTES_PER_SECOND * 60), Duration::from_secs(60));
    }
}
