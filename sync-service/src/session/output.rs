//! The way of the lines to the client.

use axum::body::Bytes;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

use super::line::Line;

/// Gathers lines and hands them to the response's body. It waits when the client does not read, so a slow reader holds up
/// nothing but its own stream, and costs no more memory than a few batches.
pub(crate) struct Output {
    body: mpsc::Sender<Bytes>,
    gathered: Vec<u8>,
    sent: u64,
    /// Counts the bytes of all streams.
    sent_in_all: Counter,
}

/// The client is gone.
#[derive(Debug)]
pub(crate) struct Closed;

const GATHER: usize = 64 * 1024;

impl Output {
    pub fn new(body: mpsc::Sender<Bytes>, sent_in_all: Counter) -> Self {
        Self { body, gathered: Vec::new(), sent: 0, sent_in_all }
    }

    /// Adds a line.
    pub async fn push(&mut self, line: &Line<'_>) -> Result<(), Closed> {
        serde_json::to_writer(&mut self.gathered, line).map_err(|_| Closed)?;
        self.gathered.push(b'\n');
        if self.gathered.len() > GATHER { self.flush().await } else { Ok(()) }
    }

    /// Sends what was added.
    pub async fn flush(&mut self) -> Result<(), Closed> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(std::mem::take(&mut self.gathered));
        self.sent += bytes.len() as u64;
        self.sent_in_all.inc_by(bytes.len() as u64);
        self.body.send(bytes).await.map_err(|_| Closed)
    }

    /// How many bytes were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Resolves when the client is gone.
    pub async fn closed(&self) {
        self.body.closed().await;
    }
}
