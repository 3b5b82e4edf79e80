//! Rows that follow the database.

use std::collections::HashMap;

use leptos::prelude::*;
use schema::Row;

use super::{Query, StoreError, Subscription, use_store};

/// The rows of a query, kept up to date.
///
/// Every row is a signal of its own. When the database changes, a row whose columns changed updates its signal, and
/// the list changes only where rows came, went or moved: one changed row re-runs one row's effects.
pub struct LiveQuery<R: Row> {
    /// How far the query has come.
    pub load: RwSignal<Load>,
    /// The rows, in the query's order; for `<For>`, keyed by [`LiveRow::id`].
    pub rows: RwSignal<Vec<LiveRow<R>>>,
}

impl<R: Row> Clone for LiveQuery<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Row> Copy for LiveQuery<R> {}

/// How far a query has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// No rows have arrived yet.
    Loading,
    /// The rows are the local database's.
    Ready,
    /// The local database did not answer; the rows are the last ones it gave.
    Failed(StoreError),
}

/// One row of a [`LiveQuery`].
#[derive(Clone)]
pub struct LiveRow<R: Row> {
    /// The row's id.
    pub id: String,
    /// The row.
    pub row: ArcRwSignal<R>,
}

impl<R: Row> LiveRow<R> {
    /// One column of the row, which changes only when that column does.
    pub fn column<T>(&self, read: impl Fn(&R) -> T + Send + Sync + 'static) -> Memo<T>
    where
        T: Clone + PartialEq + Send + Sync + 'static,
    {
        let row = self.row.clone();
        Memo::new(move |_| row.with(&read))
    }
}

/// Follows a query for as long as the calling component lives. `query` may read signals: when they change, the new
/// query takes the old one's place.
pub fn use_query<R: Row>(query: impl Fn() -> Query<R> + Send + Sync + 'static) -> LiveQuery<R> {
    let live = LiveQuery { load: RwSignal::new(Load::Loading), rows: RwSignal::new(Vec::new()) };
    if let Some(store) = use_store() {
        // Effects run in the browser after hydration only, so the first render equals the server's.
        Effect::new(move |_previous: Option<Subscription>| {
            let deliver = Box::new(move |result: Result<&str, StoreError>| live.deliver(result));
            store.watch(query().statement, deliver)
        });
    }
    live
}

impl<R: Row> LiveQuery<R> {
    /// Whether rows have arrived and there are none.
    pub fn is_empty(&self) -> bool {
        self.load.get() == Load::Ready && self.rows.with(Vec::is_empty)
    }

    fn deliver(&self, result: Result<&str, StoreError>) {
        let parsed = result.and_then(|json| {
            serde_json::from_str::<Vec<R>>(json)
                .map_err(|error| StoreError(format!("a row is not what the page expects: {error}")))
        });
        // The component may be gone by the time the rows arrive, and its signals with it.
        let load = match parsed {
            Ok(rows) => {
                self.patch(rows);
                Load::Ready
            }
            Err(error) => Load::Failed(error),
        };
        if self.load.try_get_untracked().is_some_and(|current| current != load) {
            self.load.try_set(load);
        }
    }

    fn patch(&self, rows: Vec<R>) {
        let Some(mut current) = self.rows.try_with_untracked(|rows| {
            rows.iter().map(|row| (row.id.clone(), row.row.clone())).collect::<HashMap<_, _>>()
        }) else {
            return;
        };
        let next: Vec<LiveRow<R>> = rows
            .into_iter()
            .map(|row| {
                let id = row.id().to_owned();
                let signal = match current.remove(&id) {
                    Some(signal) => {
                        if signal.with_untracked(|old| *old != row) {
                            signal.set(row);
                        }
                        signal
                    }
                    None => ArcRwSignal::new(row),
                };
                LiveRow { id, row: signal }
            })
            .collect();
        let same = self.rows.try_with_untracked(|rows| {
            rows.len() == next.len() && rows.iter().zip(&next).all(|(old, new)| old.id == new.id)
        });
        if same == Some(false) {
            self.rows.try_set(next);
        }
    }
}
