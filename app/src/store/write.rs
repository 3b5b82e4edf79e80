//! Writing from event handlers.

use leptos::prelude::*;
use leptos::task::spawn_local;
use schema::Timestamp;

use super::{SharedStore, Statement, StoreError};
use crate::Session;

/// What a page needs to write: transactions, and the ids and times for new rows. Get one with [`use_writer`].
#[derive(Clone, Copy)]
pub struct Writer {
    store: StoredValue<Option<SharedStore>>,
    user_id: StoredValue<String>,
    failure: RwSignal<Option<StoreError>>,
}

/// The writer for this component.
pub fn use_writer() -> Writer {
    Writer {
        store: StoredValue::new(use_context()),
        user_id: StoredValue::new(
            use_context::<Session>().and_then(|session| session.user_id).unwrap_or_default(),
        ),
        failure: use_context::<WriteFailure>().map(|failure| failure.0).unwrap_or_default(),
    }
}

/// The last write that the local database refused, for the page to show.
#[derive(Clone, Copy)]
pub struct WriteFailure(pub RwSignal<Option<StoreError>>);

impl Writer {
    /// Runs the statements in one local transaction: watchers see all of it or nothing, and it is uploaded as one.
    /// Returns at once; the page changes when the local database has it.
    pub fn write_transaction(&self, statements: Vec<Statement>) {
        self.write_transactions(vec![statements], || ());
    }

    /// Runs transactions one after the other, up to the first that fails, and then calls `done` if none has.
    pub fn write_transactions(&self, transactions: Vec<Vec<Statement>>, done: impl FnOnce() + 'static) {
        let Some(SharedStore(store)) = self.store.get_value() else { return };
        let failure = self.failure;
        spawn_local(async move {
            for statements in transactions {
                if let Err(error) = store.write_transaction(statements).await {
                    failure.set(Some(error));
                    return;
                }
            }
            done();
        });
    }

    /// An id for a new row.
    pub fn new_id(&self) -> String {
        self.store.with_value(|store| store.as_ref().map(|store| store.0.new_id())).unwrap_or_default()
    }

    /// The time for a new row's timestamp.
    pub fn now(&self) -> Timestamp {
        let now = self.store.with_value(|store| store.as_ref().map(|store| store.0.now()));
        now.unwrap_or(Timestamp(String::new()))
    }

    /// The signed-in user's id, the owner of new rows.
    pub fn user_id(&self) -> String {
        self.user_id.get_value()
    }
}
