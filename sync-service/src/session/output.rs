//! The way of the lines to the client.

use axum::body::Bytes;
use tokio::sync::mpsc;

use super::line::Line;

/// Gathers lines and hands them to the response's body. It waits when the client does not read, so a slow reader holds up
/// nothing but its own stream, and costs no more memory than a few batches.
pub(crate) struct Output {
    body: mpsc::Sender<Bytes>,
    gathered: Vec<u8>,
}

/// The client is gone.
#[derive(Debug)]
pub(crate) struct Closed;

const GATHER: usize = 64 * 1024;

impl Output {
    pub fn new(body: mpsc::Sender<Bytes>) -> Self {
        Self { body, gathered: Vec::new() }
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
        self.body.send(bytes).await.map_err(|_| Closed)
    }

    /// Resolves when the client is gone.
    pub async fn closed(&self) {
        self.body.closed().await;
    }
}
