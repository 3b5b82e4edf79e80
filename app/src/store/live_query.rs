//! Rows that follow the database.

use std::collections::HashMap;

use leptos::prelude::*;
use schema::Row;

use super::{Query, Snapshot, Statement, StoreError, Subscription, use_store, use_synced};

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
    /// The rows are those that the server has rendered the page with, and what the local database has besides. It does not
    /// have all of them yet, so they can be read and not changed.
    Rendered,
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
///
/// The first render has the rows of the page's [`Snapshot`]. They stay until the local database has them, which in a browser
/// that has never synced takes a while.
pub fn use_query<R: Row>(query: impl Fn() -> Query<R> + Send + Sync + 'static) -> LiveQuery<R> {
    let live = LiveQuery { load: RwSignal::new(Load::Loading), rows: RwSignal::new(Vec::new()) };
    let rendered = Rendered::of(untrack(&query).statement);
    if let Some(rendered) = &rendered {
        live.patch(rendered.rows.clone());
        live.load.set(Load::Rendered);
    }
    if let Some(store) = use_store() {
        let has_synced = use_synced();
        // Effects run in the browser after hydration only, so the first render equals the server's.
        Effect::new(move |_previous: Option<Subscription>| {
            let statement = query().statement;
            let partial = !has_synced.get();
            let rendered = rendered.clone().filter(|rendered| partial && rendered.statement == statement);
            let deliver =
                Box::new(move |result: Result<&str, StoreError>| live.deliver(result, rendered.as_ref()));
            store.watch(statement, deliver)
        });
    }
    live
}

/// What the server has rendered of a query.
#[derive(Clone)]
struct Rendered<R> {
    statement: Statement,
    rows: Vec<R>,
}

impl<R: Row> Rendered<R> {
    fn of(statement: Statement) -> Option<Rendered<R>> {
        let rows = use_context::<Snapshot>()?.rows(&statement)?;
        match serde_json::from_value(rows) {
            Ok(rows) => Some(Rendered { statement, rows }),
            Err(error) => {
                leptos::logging::error!("A row that was rendered is not what the page expects: {error}");
                None
            }
        }
    }

    /// The rows that are rendered and not in the local database, before those that are.
    fn and(&self, local: Vec<R>) -> Vec<R> {
        let missing = self.rows.iter().filter(|row| local.iter().all(|local| local.id() != row.id()));
        let mut rows: Vec<R> = missing.cloned().collect();
        rows.extend(local);
        rows
    }
}

impl<R: Row> LiveQuery<R> {
    /// Whether there are no rows, as far as is known.
    pub fn is_empty(&self) -> bool {
        matches!(self.load.get(), Load::Rendered | Load::Ready) && self.rows.with(Vec::is_empty)
    }

    /// Whether the local database has the rows. Until then, a change of one would find nothing to change.
    pub fn is_local(&self) -> bool {
        self.load.get() == Load::Ready
    }

    /// Takes the local rows; beside them stay the `rendered` ones, where they may not all be here yet.
    fn deliver(&self, result: Result<&str, StoreError>, rendered: Option<&Rendered<R>>) {
        let parsed = result.and_then(|json| {
            serde_json::from_str::<Vec<R>>(json)
                .map_err(|error| StoreError(format!("a row is not what the page expects: {error}")))
        });
        // The component may be gone by the time the rows arrive, and its signals with it.
        let load = match (parsed, rendered) {
            (Ok(rows), Some(rendered)) if !rendered.rows.is_empty() => {
                self.patch(rendered.and(rows));
                Load::Rendered
            }
            (Ok(rows), _) => {
                self.patch(rows);
                Load::Ready
            }
            (Err(error), _) => Load::Failed(error),
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
