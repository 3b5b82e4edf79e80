//! The statements on a real SQLite, with the queue as PowerSync makes it.

use rusqlite::{Connection, Params, types::ValueRef};
use serde_json::{Value, json};

use super::*;
use crate::upload::{Change, UploadRequest};

/// A browser's database.
struct Database(Connection);

impl Database {
    fn new() -> Database {
        let connection = Connection::open_in_memory().unwrap();
        let queue = "CREATE TABLE ps_crud (id INTEGER PRIMARY KEY AUTOINCREMENT, data TEXT, tx_id INTEGER)";
        connection.execute_batch(queue).unwrap();
        Database(connection)
    }

    fn open(&self, epoch: &str) {
        self.0.execute(CREATE_EPOCHS, ()).unwrap();
        self.0.execute(BEGIN_EPOCH, (epoch,)).unwrap();
        self.0.execute(FORGET_EPOCHS, ()).unwrap();
    }

    fn write(&self, transaction: i64, data: &str, times: usize) {
        let insert = "INSERT INTO ps_crud (data, tx_id) WITH RECURSIVE times (number) AS
            (SELECT 1 UNION ALL SELECT number + 1 FROM times WHERE number < ?3) SELECT ?1, ?2 FROM times";
        self.0.execute(insert, (data, transaction, times)).unwrap();
    }

    fn sent_up_to(&self, last: i64) {
        self.0.execute("DELETE FROM ps_crud WHERE id <= ?1", (last,)).unwrap();
    }

    fn oldest(&self, changes: usize, bytes: usize) -> Vec<Waiting> {
        transactions(&self.rows(OLDEST, (changes, bytes))).unwrap()
    }

    fn epochs(&self) -> String {
        self.rows("SELECT first_op, id FROM upload_epochs ORDER BY 1", ())
    }

    /// Rows as the browser has them: a JSON array of arrays.
    fn rows(&self, sql: &str, parameters: impl Params) -> String {
        let mut statement = self.0.prepare(sql).unwrap();
        let width = statement.column_count();
        let cell = |value: ValueRef<'_>| match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(integer) => json!(integer),
            text => json!(text.as_str().unwrap()),
        };
        let rows = statement
            .query_map(parameters, |row| (0..width).map(|column| row.get_ref(column).map(cell)).collect())
            .unwrap();
        json!(rows.collect::<Result<Vec<Vec<Value>>, _>>().unwrap()).to_string()
    }
}

const DELETE: &str = r#"{"op":"DELETE","id":"a","type":"goods"}"#;

#[test]
fn integers_beyond_those_of_javascript_and_old_values_are_passed_on_as_they_are() {
    let data = r#"{"op":"PATCH","id":"a","type":"goods","data":{"amount":9007199254740993,"weight":1.5e+300},"old":{"amount":-9223372036854775808,"name":"\u0001ä🙂"}}"#;
    let database = Database::new();
    database.open("e");
    database.write(1, data, 1);
    let waiting = database.oldest(ENOUGH_CHANGES, ENOUGH_BYTES);
    let text = waiting[0].transaction.changes[0].get();
    assert_eq!(text, format!(r#"{{"op_id":1,{}"#, &data[1..]));
    let change: Change = serde_json::from_str(text).unwrap();
    assert_eq!(change.data.unwrap()["amount"], json!(9_007_199_254_740_993_i64));
    assert_eq!(change.old.unwrap()["amount"], json!(i64::MIN));
}

#[test]
fn transactions_are_sent_whole_or_not_at_all() {
    let database = Database::new();
    database.open("e");
    for (transaction, changes) in [(1, 2), (2, 3), (3, 1)] {
        database.write(transaction, DELETE, changes);
    }
    let numbers = |changes, bytes| {
        let waiting = database.oldest(changes, bytes).into_iter();
        waiting.map(|waiting| waiting.op_ids).collect::<Vec<_>>()
    };
    assert_eq!(numbers(6, 1000), [vec![1, 2], vec![3, 4, 5], vec![6]]);
    assert_eq!(numbers(5, 1000), [vec![1, 2], vec![3, 4, 5]]);
    assert_eq!(numbers(4, 1000), [vec![1, 2]]);
    assert_eq!(numbers(1, 1000), Vec::<Vec<i64>>::new());
    assert_eq!(numbers(6, 4 * (DELETE.len() + 64)), [vec![1, 2]]);
}

#[test]
fn a_request_stays_below_what_proxies_take() {
    let database = Database::new();
    database.open("6f1c7d5e-6f0f-4b43-9c5a-3a1a2c1d9f10");
    let title = "買".repeat(500);
    let todo = json!({ "op": "PUT", "type": "todos", "id": "6f1c7d5e-6f0f-4b43-9c5a-3a1a2c1d9f10", "data": { "title": title } });
    for transaction in 0..900 {
        database.write(transaction, &todo.to_string(), 1);
    }
    let mut sent = 0;
    while let Some(last) = {
        let waiting = database.oldest(ENOUGH_CHANGES, ENOUGH_BYTES);
        let last = waiting.last().map(|waiting| waiting.op_ids[0]);
        sent += waiting.len();
        let transactions = waiting.into_iter().map(|waiting| waiting.transaction).collect();
        let (client_id, user_id) = ("6f1c7d5e-6f0f-4b43-9c5a-3a1a2c1d9f10".to_owned(), None);
        let request = UploadRequest { client_id, user_id, transactions };
        assert!(serde_json::to_string(&request).unwrap().len() < 1_000_000);
        last
    } {
        database.sent_up_to(last);
    }
    assert_eq!(sent, 900);
}

#[test]
fn a_transaction_that_is_too_large_leaves_an_outline() {
    let database = Database::new();
    database.open("e");
    let long = "x".repeat(1000);
    let first = json!({ "op": "PATCH", "type": "goods", "id": long, "data": { "name": long }, "old": { "name": "" } });
    database.write(1, &first.to_string(), 1);
    database.write(1, DELETE, MAX_CHANGES);
    database.write(2, DELETE, 1);
    assert!(database.oldest(MAX_CHANGES, MAX_BYTES).is_empty());
    let waiting = outline(&database.rows(OUTLINE, ())).unwrap().unwrap();
    let last = MAX_CHANGES as i64 + 1;
    assert_eq!(
        (waiting.op_ids.as_slice(), waiting.transaction.omitted),
        (&[1, last][..], Some(last as u64 - 2))
    );
    assert_eq!(waiting.transaction.epoch.as_deref(), Some("e"));
    let change = &waiting.transaction.changes[0];
    let expected = Change {
        op_id: 1,
        op: crate::upload::Operation::Patch,
        table: "goods".to_owned(),
        id: "x".repeat(200),
        data: None,
        old: None,
    };
    assert_eq!(serde_json::from_str::<Change>(change.get()).unwrap(), expected);

    database.sent_up_to(last);
    let waiting = outline(&database.rows(OUTLINE, ())).unwrap().unwrap();
    assert_eq!((waiting.op_ids, waiting.transaction.omitted), (vec![last + 1], Some(0)));
    database.sent_up_to(last + 1);
    assert!(outline(&database.rows(OUTLINE, ())).unwrap().is_none());
}

#[test]
fn the_newest_transaction_is_measured_and_no_other() {
    let database = Database::new();
    let size = || database.rows(NEWEST_SIZE, ());
    assert_eq!(size(), "[[0,0]]");
    database.write(1, DELETE, MAX_CHANGES + 1);
    assert!(is_too_large(&size()).unwrap());
    database.write(2, DELETE, MAX_CHANGES);
    assert!(!is_too_large(&size()).unwrap());
    database.write(3, "{}", 2);
    assert_eq!(size(), "[[2,132]]");
    database.write(4, &"x".repeat(MAX_BYTES), 1);
    assert!(is_too_large(&size()).unwrap());
}

#[test]
fn a_change_belongs_to_the_epoch_in_which_it_was_made() {
    let database = Database::new();
    database.open("no change was made in it");
    database.open("first");
    database.write(1, DELETE, 2);
    database.open("second");
    database.write(2, DELETE, 1);
    let waiting = database.oldest(ENOUGH_CHANGES, ENOUGH_BYTES);
    let epochs: Vec<_> =
        waiting.iter().map(|waiting| waiting.transaction.epoch.as_deref().unwrap()).collect();
    assert_eq!(epochs, ["first", "second"]);
    assert_eq!(database.epochs(), r#"[[1,"first"],[3,"second"]]"#);

    database.sent_up_to(1);
    database.open("third");
    assert_eq!(database.epochs(), r#"[[1,"first"],[3,"second"],[4,"third"]]"#);
    database.sent_up_to(2);
    database.open("fourth");
    assert_eq!(database.epochs(), r#"[[3,"second"],[4,"fourth"]]"#);
    database.sent_up_to(3);
    database.open("fifth");
    assert_eq!(database.epochs(), r#"[[4,"fifth"]]"#);
}

#[test]
fn what_was_written_before_there_were_epochs_has_none() {
    let database = Database::new();
    database.write(1, DELETE, 1);
    database.open("first");
    database.write(2, DELETE, 1);
    let waiting = database.oldest(ENOUGH_CHANGES, ENOUGH_BYTES);
    let epochs: Vec<_> = waiting.iter().map(|waiting| waiting.transaction.epoch.as_deref()).collect();
    assert_eq!(epochs, [None, Some("first")]);
}
