//! The rows of a page's first render.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Read, Statement};

/// The rows with which a page is rendered first. The server reads them from Postgres and sends them along with the page, so
/// that the browser's first render equals the server's.
///
/// What a page asks is known only when it has been rendered. So the server's notes what it is asked and cannot answer.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    results: Vec<QueryResult>,
    /// `None` in a browser, where nobody would answer.
    asked: Option<Vec<Read>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct QueryResult {
    #[serde(flatten)]
    statement: Statement,
    /// `None` where they cannot be read.
    #[serde(flatten)]
    rendered: Option<Rendered>,
}

/// The rows of a query that a page is rendered with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rendered {
    /// A JSON array of rows, each an array of its columns as SQLite has them.
    pub rows: Value,
    /// Whether there are more, which are left to the local database.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl Snapshot {
    /// The name of the `<meta>` element that carries the snapshot to the browser.
    pub const META_NAME: &'static str = "snapshot";

    /// The query of an address whose page is rendered without rows. Such a page is the same for every row of its route, and
    /// can be kept to be served without a network.
    pub const SKELETON: &'static str = "skeleton";

    /// Without rows yet, to be rendered with until nothing is asked any more.
    pub fn asking() -> Snapshot {
        Snapshot(Arc::new(Mutex::new(Inner { results: Vec::new(), asked: Some(Vec::new()) })))
    }

    /// From a `<meta>` element's content; without rows where that is not what [`Snapshot::to_json`] has given.
    pub fn from_json(json: &str) -> Snapshot {
        let results = serde_json::from_str(json).unwrap_or_default();
        Snapshot(Arc::new(Mutex::new(Inner { results, asked: None })))
    }

    /// The `<meta>` element's content; `None` where there are no rows.
    pub fn to_json(&self) -> Option<String> {
        let inner = self.lock();
        let read: Vec<_> = inner.results.iter().filter(|result| result.rendered.is_some()).collect();
        (!read.is_empty()).then(|| json!(read).to_string())
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.lock().results.is_empty()
    }

    /// The rows of a query; `None` where they are not here.
    pub fn rows(&self, read: &Read) -> Option<Rendered> {
        let mut inner = self.lock();
        if let Some(result) = inner.results.iter().find(|result| result.statement == read.statement) {
            return result.rendered.clone();
        }
        if let Some(asked) = &mut inner.asked
            && !asked.contains(read)
        {
            asked.push(read.clone());
        }
        None
    }

    /// Takes what was asked and is not answered.
    pub fn take_asked(&self) -> Vec<Read> {
        self.lock().asked.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Answers a statement; by `None` where its rows cannot be read.
    pub fn insert(&self, statement: Statement, rendered: Option<Rendered>) {
        self.lock().results.push(QueryResult { statement, rendered });
    }

    /// What is answered by now, for a page that waits for no more.
    pub fn answered(&self) -> Snapshot {
        Snapshot(Arc::new(Mutex::new(Inner { results: self.lock().results.clone(), asked: None })))
    }

    /// Forgets all rows, when the local database has them.
    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use schema::Todo;

    use super::super::Query;
    use super::*;

    fn todos_of(list: &str) -> Read {
        Query::<Todo>::new("SELECT id FROM todos WHERE list_id = $1").bind(list.to_owned()).read
    }

    fn rendered(cut: bool) -> Option<Rendered> {
        Some(Rendered { rows: json!([["t"]]), cut })
    }

    #[test]
    fn what_is_not_there_is_asked_for_once() {
        let snapshot = Snapshot::asking();
        assert_eq!(snapshot.rows(&todos_of("a")), None);
        assert_eq!(snapshot.rows(&todos_of("a")), None);
        assert_eq!(snapshot.rows(&todos_of("b")), None);
        assert_eq!(snapshot.take_asked(), [todos_of("a"), todos_of("b")]);

        snapshot.insert(todos_of("a").statement, rendered(false));
        snapshot.insert(todos_of("b").statement, None);
        assert_eq!(snapshot.rows(&todos_of("a")), rendered(false));
        assert_eq!(snapshot.rows(&todos_of("b")), None);
        assert_eq!(snapshot.take_asked(), []);
    }

    #[test]
    fn a_page_carries_it_to_the_browser_without_what_could_not_be_read() {
        let snapshot = Snapshot::asking();
        snapshot.insert(todos_of("b").statement, None);
        assert_eq!(snapshot.to_json(), None);
        snapshot.insert(todos_of("a").statement, rendered(false));
        snapshot.insert(todos_of("c").statement, rendered(true));

        let arrived = Snapshot::from_json(&snapshot.to_json().unwrap());
        assert_eq!(arrived.rows(&todos_of("a")), rendered(false));
        assert_eq!(arrived.rows(&todos_of("b")), None);
        assert_eq!(arrived.rows(&todos_of("c")), rendered(true));
        assert_eq!(arrived.take_asked(), []);
        arrived.clear();
        assert!(arrived.is_empty());
        assert!(Snapshot::from_json("nonsense").is_empty());
    }
}
