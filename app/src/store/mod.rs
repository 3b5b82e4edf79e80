//! The port through which pages read and write.
//!
//! A page asks for rows by a typed [`Query`] and gets a [`LiveQuery`], signals that follow the database. It
//! writes by handing a group of [`Statement`]s to [`Writer::write_transaction`]. Behind the port stands, in the
//! browser, the local SQLite database, [`Store`]. While a server renders a page, Postgres stands there, and answers
//! once: with the [`Snapshot`] in which the browser's first render finds the same rows.

mod handover;
mod live_query;
mod query;
mod redo;
mod refusal;
mod snapshot;
mod status;
#[cfg(test)]
mod word;
mod write;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use leptos::prelude::*;
pub use live_query::{LiveQuery, LiveRow, Load, use_query};
pub use query::{Query, Read, Statement};
pub use refusal::sync_refusal;
use schema::Timestamp;
pub use snapshot::{Rendered, Snapshot};
pub(crate) use status::changes;
pub use status::{Status, use_caught_up, use_session_ended};
pub use write::{WriteFailure, Writer, use_writer};

/// A database that pages read and write. Implemented by `frontend` on the PowerSync web SDK.
pub trait Store: Send + Sync {
    /// Calls `deliver` with the rows of a query, now and again after every change of a table it reads, until the
    /// [`Subscription`] is dropped.
    fn watch(&self, statement: Statement, deliver: Deliver) -> Subscription;

    /// Runs the statements in one local transaction. Watchers see all of it or nothing, it is uploaded as one,
    /// and the future ends when it is in the local database, whether or not a network is there.
    fn write_transaction(&self, statements: Vec<Statement>) -> WriteFuture;

    /// How far the local database and the server agree.
    fn status(&self) -> Signal<Status>;

    /// Forgets all local data, unsent changes included, and downloads it again.
    fn reset(&self);

    /// An id for a new row.
    fn new_id(&self) -> String;

    /// The time for a new row's timestamp.
    fn now(&self) -> Timestamp;
}

/// Takes the rows of a watched query: a JSON array of rows, each an array of its columns in the query's order.
pub type Deliver = Box<dyn Fn(Result<&str, StoreError>)>;

/// What [`Store::write_transaction`] returns. It is not `Send`: browsers have one thread for pages.
pub type WriteFuture = Pin<Box<dyn Future<Output = Result<(), StoreError>>>>;

/// Keeps a watch going. Dropping it ends the watch.
pub struct Subscription(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Subscription {
    /// A subscription that runs `end` when it is dropped.
    pub fn new(end: impl FnOnce() + Send + Sync + 'static) -> Subscription {
        Subscription(Some(Box::new(end)))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

/// Why the local database did not do what it was asked, as a sentence for people.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreError(pub String);

/// The store of this browser tab, as it stands in context.
#[derive(Clone)]
pub struct SharedStore(pub Arc<dyn Store>);

/// The store in context; `None` on a server.
pub fn use_store() -> Option<Arc<dyn Store>> {
    use_context::<SharedStore>().map(|store| store.0)
}
