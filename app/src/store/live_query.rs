//! Rows that follow the database.

use std::collections::HashMap;

use leptos::prelude::*;
use schema::Row;

use super::handover::Handover;
use super::{Query, Statement, StoreError, Subscription, use_store};

/// The rows of a query, kept up to date.
///
/// Every row is a signal of its own. When the database changes, a row whose columns changed updates its signal, and
/// the list changes only where rows came, went or moved: one changed row re-runs one row's effects.
pub struct LiveQuery<R: Row> {
    /// How far the query has come.
    pub load: RwSignal<Load>,
    /// The rows, in the query's order; for `<For>`, keyed by [`LiveRow::id`].
    pub rows: RwSignal<Vec<LiveRow<R>>>,
    local: RwSignal<bool>,
    statement: StoredValue<Statement>,
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
    /// The rows are those that the server has rendered the page with, and perhaps what the local database has besides. It
    /// may not have all of them yet, so they can be read and not changed.
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
/// query takes the old one's place, whose rows are gone at once.
///
/// The first render has the rows of the page's [`Snapshot`](super::Snapshot), and they stay until the local database has
/// them.
pub fn use_query<R: Row>(query: impl Fn() -> Query<R> + Send + Sync + 'static) -> LiveQuery<R> {
    let read = untrack(&query).read;
    let live = LiveQuery::new(read.statement.clone());
    let handover = Handover::of(read);
    if let Some(handover) = &handover {
        live.show(handover.rendered.clone(), Load::Rendered);
    }
    // Effects run in the browser after hydration only, so the first render equals the server's.
    if let Some(store) = use_store() {
        let status = store.status();
        let released = handover.as_ref().map(|handover| handover.released(status));
        Effect::new(move |_previous: Option<Subscription>| {
            // What was held back is read again when it is to be shown: there may be newer rows by then.
            if let Some(released) = released {
                released.track();
            }
            let statement = query().read.statement;
            live.turn_to(&statement);
            let handover = handover.clone().filter(|handover| handover.is_of(&statement));
            let deliver =
                Box::new(move |result: Result<&str, StoreError>| match (parse(result), &handover) {
                    (Ok(rows), None) => live.show(rows, Load::Ready),
                    (Ok(rows), Some(handover)) => {
                        if let Some((rows, load)) = handover.take(rows, &status.get_untracked()) {
                            live.show(rows, load);
                        }
                    }
                    (Err(error), _) => set(live.load, Load::Failed(error)),
                });
            store.watch(statement, deliver)
        });
    }
    live
}

fn parse<R: Row>(result: Result<&str, StoreError>) -> Result<Vec<R>, StoreError> {
    serde_json::from_str(result?)
        .map_err(|error| StoreError(format!("a row is not what the page expects: {error}")))
}

impl<R: Row> LiveQuery<R> {
    fn new(statement: Statement) -> LiveQuery<R> {
        LiveQuery {
            load: RwSignal::new(Load::Loading),
            rows: RwSignal::new(Vec::new()),
            local: RwSignal::new(false),
            statement: StoredValue::new(statement),
        }
    }

    /// Whether there are no rows, as far as is known.
    pub fn is_empty(&self) -> bool {
        matches!(self.load.get(), Load::Rendered | Load::Ready) && self.rows.with(Vec::is_empty)
    }

    /// Whether the rows are the local database's. Until then, a change of one might find nothing to change.
    pub fn is_local(&self) -> bool {
        self.local.get()
    }

    /// Asks this from now on. Where it is something else than before, the rows are not what it asks for, such as those of the
    /// page that somebody has just left.
    fn turn_to(&self, statement: &Statement) {
        if self.statement.try_with_value(|current| current != statement) == Some(true) {
            self.statement.set_value(statement.clone());
            set(self.load, Load::Loading);
            set(self.local, false);
            self.patch(Vec::new());
        }
    }

    fn show(&self, rows: Vec<R>, load: Load) {
        self.patch(rows);
        set(self.local, load == Load::Ready);
        set(self.load, load);
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

/// Sets a signal to what it is not yet. The component may be gone by the time rows arrive, and its signals with it.
fn set<T: PartialEq + Clone + Send + Sync + 'static>(signal: RwSignal<T>, value: T) {
    if signal.try_get_untracked().is_some_and(|current| current != value) {
        signal.try_set(value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::word::{Word, words};
    use super::*;

    fn words_of(page: &str) -> Statement {
        Statement::new("SELECT word FROM words WHERE page = $1").bind(page.to_owned())
    }

    fn shown(live: LiveQuery<Word>) -> Vec<String> {
        live.rows.with_untracked(|rows| rows.iter().map(|row| row.id.clone()).collect())
    }

    #[test]
    fn rows_of_another_statement_are_gone_at_once() {
        Owner::new().with(|| {
            let live = LiveQuery::new(words_of("a"));
            live.show(words("t u"), Load::Ready);
            live.turn_to(&words_of("b"));
            assert_eq!(shown(live), [""; 0]);
            assert_eq!(live.load.get_untracked(), Load::Loading);
            assert!(!live.local.get_untracked(), "nothing is there to be changed");

            live.show(words("v"), Load::Ready);
            assert_eq!(shown(live), ["v"]);
            assert!(live.local.get_untracked());
        });
    }

    #[test]
    fn rows_of_the_same_statement_stay_while_it_is_read_again() {
        Owner::new().with(|| {
            let live = LiveQuery::new(words_of("a"));
            live.show(words("t"), Load::Rendered);
            live.turn_to(&words_of("a"));
            assert_eq!(shown(live), ["t"]);
            assert_eq!(live.load.get_untracked(), Load::Rendered);
        });
    }
}
