//! The rows of a page's first render.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Statement;

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
    asked: Option<Vec<Statement>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct QueryResult {
    #[serde(flatten)]
    statement: Statement,
    rows: Value,
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
        (!self.is_empty()).then(|| json!(self.lock().results).to_string())
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.lock().results.is_empty()
    }

    /// The rows of a statement, a JSON array of arrays; `None` where they are not here.
    pub fn rows(&self, statement: &Statement) -> Option<Value> {
        let mut inner = self.lock();
        if let Some(result) = inner.results.iter().find(|result| result.statement == *statement) {
            return Some(result.rows.clone());
        }
        if let Some(asked) = &mut inner.asked
            && !asked.contains(statement)
        {
            asked.push(statement.clone());
        }
        None
    }

    /// Takes the statements that were asked for and not answered.
    pub fn take_asked(&self) -> Vec<Statement> {
        self.lock().asked.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Answers a statement.
    pub fn insert(&self, statement: Statement, rows: Value) {
        self.lock().results.push(QueryResult { statement, rows });
    }

    /// Forgets all rows, which the local database has from hydration on.
    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn todos_of(list: &str) -> Statement {
        Statement::new("SELECT id FROM todos WHERE list_id = $1").bind(list.to_owned())
    }

    #[test]
    fn what_is_not_there_is_asked_for_once() {
        let snapshot = Snapshot::asking();
        assert_eq!(snapshot.rows(&todos_of("a")), None);
        assert_eq!(snapshot.rows(&todos_of("a")), None);
        assert_eq!(snapshot.rows(&todos_of("b")), None);
        assert_eq!(snapshot.take_asked(), [todos_of("a"), todos_of("b")]);

        snapshot.insert(todos_of("a"), json!([["t"]]));
        assert_eq!(snapshot.rows(&todos_of("a")), Some(json!([["t"]])));
        assert_eq!(snapshot.take_asked(), []);
    }

    #[test]
    fn a_page_carries_it_to_the_browser() {
        let snapshot = Snapshot::asking();
        assert_eq!(snapshot.to_json(), None);
        snapshot.insert(todos_of("a"), json!([["t"]]));

        let arrived = Snapshot::from_json(&snapshot.to_json().unwrap());
        assert_eq!(arrived.rows(&todos_of("a")), Some(json!([["t"]])));
        assert_eq!(arrived.rows(&todos_of("b")), None);
        assert_eq!(arrived.take_asked(), []);
        arrived.clear();
        assert!(arrived.is_empty());
        assert!(Snapshot::from_json("nonsense").is_empty());
    }
}
