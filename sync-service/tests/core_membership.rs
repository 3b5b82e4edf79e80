//! Shares that are given and taken while clients are connected.

mod core_client;
mod support;

use core_client::{Backend, Core, schema};
use serde_json::{Value, json};
use support::{Database, Service};

const TABLES: &str = "
CREATE TABLE lists (id text PRIMARY KEY, owner_id text NOT NULL, name text NOT NULL);
CREATE TABLE todos (id text PRIMARY KEY, list_id text NOT NULL, title text NOT NULL);
CREATE TABLE shares (id text PRIMARY KEY, list_id text NOT NULL, user_id text NOT NULL);
CREATE PUBLICATION powersync FOR TABLE lists, todos, shares;
";

const CONFIG: &str = "config: { edition: 3 }
streams:
  lists:
    auto_subscribe: true
    query: SELECT * FROM lists WHERE owner_id = auth.user_id()
      OR id IN (SELECT list_id FROM shares WHERE user_id = auth.user_id())
  shares:
    auto_subscribe: true
    query: SELECT * FROM shares WHERE user_id = auth.user_id()
  todos:
    auto_subscribe: true
    query: SELECT * FROM todos WHERE list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())
      OR list_id IN (SELECT list_id FROM shares WHERE user_id = auth.user_id())
";

const COUNTS: &str =
    "SELECT (SELECT count(*) FROM shares), (SELECT count(*) FROM lists), (SELECT count(*) FROM todos)";

fn tables() -> Value {
    schema(&[
        ("lists", &["owner_id TEXT", "name TEXT"]),
        ("todos", &["list_id TEXT", "title TEXT"]),
        ("shares", &["list_id TEXT", "user_id TEXT"]),
    ])
}

#[tokio::test]
async fn a_share_brings_and_takes_its_rows_at_once_on_the_open_stream() {
    let database = Database::new(TABLES).await;
    database
        .run(
            "INSERT INTO lists VALUES ('l1', 'bob', 'Shared'), ('l2', 'bob', 'Private');
             INSERT INTO todos SELECT 't' || i, 'l' || (i % 2 + 1), 'x' FROM generate_series(1, 40) i",
        )
        .await;
    let service = Service::start(&database).await;
    service.deploy(CONFIG).await;
    let core = Core::start(Backend::of(&database)).await;
    let ann = core.connect("a", "ann", &service.url, &tables()).await;
    ann.barrier().await;
    ann.watch(COUNTS).await;
    for _ in 0..5 {
        database.run("INSERT INTO shares VALUES ('s1', 'l1', 'ann')").await;
        ann.sees(COUNTS, json!([[1, 1, 20]])).await;
        database.run("DELETE FROM shares").await;
        ann.sees(COUNTS, json!([[0, 0, 0]])).await;
    }
    // The share, the list and its rows begin in the same transaction.
    database
        .run(
            "BEGIN; INSERT INTO lists VALUES ('l3', 'bob', 'New'); INSERT INTO shares VALUES ('s3', 'l3', 'ann');
             INSERT INTO todos SELECT 'n' || i, 'l3', 'x' FROM generate_series(1, 3000) i; COMMIT",
        )
        .await;
    ann.sees(COUNTS, json!([[1, 1, 3000]])).await;
    // And one goes while another comes.
    database.run("UPDATE shares SET list_id = 'l2'").await;
    ann.sees(COUNTS, json!([[1, 1, 20]])).await;
    database.run("BEGIN; DELETE FROM todos; DELETE FROM shares; DELETE FROM lists; COMMIT").await;
    ann.sees(COUNTS, json!([[0, 0, 0]])).await;

    let whole = [json!([[0, 0, 0]]), json!([[1, 1, 20]]), json!([[1, 1, 3000]])];
    let history = ann.history().await;
    assert!(history.iter().all(|seen| whole.contains(seen)), "half of a share was visible: {history:?}");
    ann.has_no_complaints().await;
    assert_eq!(ann.report().await["connections"], 1, "without a new stream");
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_share_that_changed_while_the_client_was_away_is_right_when_it_comes_back() {
    let database = Database::new(TABLES).await;
    database
        .run(
            "INSERT INTO lists VALUES ('l1', 'bob', 'One'), ('l2', 'bob', 'Two');
             INSERT INTO todos VALUES ('t1', 'l1', 'a'), ('t2', 'l2', 'b'); INSERT INTO shares VALUES ('s1', 'l1', 'ann')",
        )
        .await;
    let service = Service::start(&database).await;
    service.deploy(CONFIG).await;
    let core = Core::start(Backend::of(&database)).await;
    let ann = core.connect("a", "ann", &service.url, &tables()).await;
    ann.sees("SELECT id FROM todos", json!([["t1"]])).await;
    ann.disconnect().await;
    database.run("UPDATE shares SET list_id = 'l2'; UPDATE todos SET title = title || '!'").await;
    ann.connect().await;
    ann.sees("SELECT id, title FROM todos", json!([["t2", "b!"]])).await;
    ann.disconnect().await;
    // It comes back to a bucket that it has had before.
    database.run("UPDATE todos SET title = title || '!'; UPDATE shares SET list_id = 'l1'").await;
    ann.connect().await;
    ann.sees("SELECT id, title FROM todos", json!([["t1", "a!!"]])).await;
    ann.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_share_that_was_taken_while_the_client_was_away_can_be_given_again() {
    let database = Database::new(TABLES).await;
    database
        .run(
            "INSERT INTO lists VALUES ('l1', 'bob', 'One'); INSERT INTO todos VALUES ('t1', 'l1', 'a');
             INSERT INTO shares VALUES ('s1', 'l1', 'ann')",
        )
        .await;
    let service = Service::start(&database).await;
    service.deploy(CONFIG).await;
    let core = Core::start(Backend::of(&database)).await;
    let ann = core.connect("a", "ann", &service.url, &tables()).await;
    ann.sees(COUNTS, json!([[1, 1, 1]])).await;
    ann.disconnect().await;
    database.run("DELETE FROM shares").await;
    ann.connect().await;
    ann.sees(COUNTS, json!([[0, 0, 0]])).await;
    database.run("INSERT INTO shares VALUES ('s1', 'l1', 'ann')").await;
    ann.sees(COUNTS, json!([[1, 1, 1]])).await;
    ann.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}
