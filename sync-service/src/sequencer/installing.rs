//! The putting of triggers onto tables, beside the sequencer: `CREATE TRIGGER` waits for everybody who writes the table.

use std::sync::Arc;

use sqlx::Executor as _;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tracing::warn;

use crate::shared::Shared;
use crate::store;
use crate::store::triggers::{self, Missing};

/// One round over the tables that need triggers.
pub(crate) struct Installing {
    done: mpsc::UnboundedReceiver<Installed>,
}

/// A table's oid, and whether it has its triggers now.
pub(crate) type Installed = (i64, Result<(), String>);

impl Installing {
    /// Begins one. The sequencer is woken when there is something to take.
    pub fn begin(shared: &Arc<Shared>, missing: Missing) -> Self {
        let (sender, done) = mpsc::unbounded_channel();
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            if let Err(error) = round(&shared, &missing, &sender).await {
                let failed = missing.install.iter().map(|table| (table.oid, Err(error.to_string())));
                failed.for_each(|failed| drop(sender.send(failed)));
            }
            drop(sender);
            shared.wake.notify_one();
        });
        Self { done }
    }

    /// What is done since the last time; none when the round has ended and all of it has been taken.
    pub fn take(&mut self) -> Option<Vec<Installed>> {
        let mut done = Vec::new();
        loop {
            match self.done.try_recv() {
                Ok(installed) => done.push(installed),
                Err(TryRecvError::Disconnected) if done.is_empty() => return None,
                Err(_) => return Some(done),
            }
        }
    }
}

/// Who writes the table after us waits for us as long as we wait for others.
const SHORT_PATIENCE: &str = "SET lock_timeout = '300ms'";

async fn round(
    shared: &Shared,
    missing: &Missing,
    done: &mpsc::UnboundedSender<Installed>,
) -> sqlx::Result<()> {
    let mut connection = store::connect(&shared.options).await?;
    connection.execute(SHORT_PATIENCE).await?;
    for table in &missing.install {
        let installed = triggers::install(&mut connection, table).await;
        // Who takes them has gone when the right to write has been lost; then another leader begins again.
        let _ = done.send((table.oid, installed.map_err(|error| error.to_string())));
        shared.wake.notify_one();
    }
    for oid in &missing.remove {
        if let Err(error) = triggers::remove(&mut connection, *oid).await {
            warn!(oid, %error, "the triggers of a table that is not published any more are left for now");
        }
    }
    Ok(())
}
