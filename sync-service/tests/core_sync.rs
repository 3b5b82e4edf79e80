//! What a client with the real core has after it was sent something.

mod core_client;
mod support;

use core_client::{Backend, Core, lists_and_todos, schema};
use serde_json::json;
use support::{Database, SYNC_CONFIG, Service, TABLES, eventually};

#[tokio::test]
async fn a_client_gets_what_is_there_and_what_changes() {
    let database = Database::new(TABLES).await;
    let name = "Ünïcode \"quoted\" \\ \n\u{2028} 日本語 🦀";
    sqlx::query("INSERT INTO lists VALUES ('l1', 'ann', $1), ('l2', 'bob', 'His')")
        .bind(name)
        .execute(&database.pool)
        .await
        .unwrap();
    database.run("INSERT INTO todos VALUES ('t1', 'l1', 'Milk', true), ('t2', 'l2', 'No', false)").await;
    let service = Service::start_deployed(&database).await;
    let core = Core::start(Backend::of(&database)).await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    client.sees("SELECT id, owner_id, name FROM lists", json!([["l1", "ann", name]])).await;
    client.sees("SELECT id, list_id, title, done FROM todos", json!([["t1", "l1", "Milk", 1]])).await;

    database.run("INSERT INTO todos VALUES ('t3', 'l1', 'Bread'); UPDATE todos SET done = false").await;
    client.sees("SELECT id, done FROM todos ORDER BY id", json!([["t1", 0], ["t3", 0]])).await;
    database.run("DELETE FROM lists WHERE id = 'l1'").await;
    client.sees("SELECT id FROM todos UNION ALL SELECT id FROM lists", json!([])).await;
    client.has_no_complaints().await;
    assert_eq!(client.report().await["connections"], 1);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_row_that_moves_to_another_bucket_is_never_missing_and_never_stale() {
    let database = Database::new(TABLES).await;
    database
        .run(
            "INSERT INTO lists VALUES ('l1', 'ann', 'One'), ('l2', 'ann', 'Two'), ('l3', 'bob', 'His');
             INSERT INTO todos VALUES ('t1', 'l1', 'moves')",
        )
        .await;
    let service = Service::start_deployed(&database).await;
    let core = Core::start(Backend::of(&database)).await;
    let ann = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    let bob = core.connect("b", "bob", &service.url, &lists_and_todos()).await;
    ann.sees("SELECT list_id FROM todos", json!([["l1"]])).await;
    bob.barrier().await;
    ann.watch("SELECT id, list_id FROM todos").await;
    for (list, of_ann, of_bob) in [
        ("l2", json!([["l2"]]), json!([])),
        ("l3", json!([]), json!([["l3"]])),
        ("l1", json!([["l1"]]), json!([])),
    ] {
        database.run(&format!("UPDATE todos SET list_id = '{list}'")).await;
        ann.sees("SELECT list_id FROM todos", of_ann).await;
        bob.sees("SELECT list_id FROM todos", of_bob).await;
    }
    let history = ann.history().await;
    assert_eq!(history, [json!([["t1", "l1"]]), json!([["t1", "l2"]]), json!([]), json!([["t1", "l1"]])]);
    // The other bucket of a row must not keep an older state of it.
    database.run("UPDATE lists SET owner_id = 'bob' WHERE id = 'l1'").await;
    ann.sees("SELECT id FROM todos", json!([])).await;
    bob.sees("SELECT id, list_id FROM todos", json!([["t1", "l1"]])).await;
    ann.has_no_complaints().await;
    bob.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_row_in_two_buckets_stays_fresh_when_it_leaves_one() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'old')").await;
    let service = Service::start(&database).await;
    service
        .deploy(
            "config: { edition: 3 }
streams:
  mine:
    auto_subscribe: true
    query: SELECT * FROM lists WHERE owner_id = auth.user_id()
  named:
    auto_subscribe: true
    query: SELECT * FROM lists WHERE id = connection.parameter('list')
    accept_potentially_dangerous_queries: true
",
        )
        .await;
    let core = Core::start(Backend::of(&database)).await;
    let client = core
        .open(
            "a",
            json!({ "user": "ann", "endpoint": service.url, "schema": lists_and_todos(), "parameters": { "list": "l1" } }),
        )
        .await;
    client.connect().await;
    client.sees("SELECT name FROM lists", json!([["old"]])).await;
    database.run("UPDATE lists SET name = 'new'").await;
    client.sees("SELECT name FROM lists", json!([["new"]])).await;
    database.run("UPDATE lists SET owner_id = 'bob', name = 'newer'").await;
    client.sees("SELECT owner_id, name FROM lists", json!([["bob", "newer"]])).await;
    client.barrier().await;
    assert_eq!(client.query("SELECT owner_id, name FROM lists").await, json!([["bob", "newer"]]));
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

/// Lists are more urgent than todos.
const URGENT_LISTS: &str = "config: { edition: 3 }
streams:
  lists:
    auto_subscribe: true
    priority: 1
    query: SELECT * FROM lists WHERE owner_id = auth.user_id()
  todos:
    auto_subscribe: true
    query: SELECT * FROM todos WHERE list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())
";

#[tokio::test]
async fn urgent_buckets_are_visible_while_the_others_are_still_on_the_way() {
    let database = Database::new(TABLES).await;
    database
        .run(
            "INSERT INTO lists VALUES ('l1', 'ann', 'One');
             INSERT INTO todos SELECT 't' || i, 'l1', repeat('x', 200) FROM generate_series(1, 20000) i",
        )
        .await;
    let service = Service::start(&database).await;
    service.deploy(URGENT_LISTS).await;
    let core = Core::start(Backend::of(&database)).await;
    let client =
        core.open("a", json!({ "user": "ann", "endpoint": service.url, "schema": lists_and_todos() })).await;
    client.ask("pause_after", json!({ "ops": 5000 })).await;
    client.connect().await;
    client.reaches(json!({ "paused": true })).await;
    assert_eq!(client.query("SELECT id FROM lists").await, json!([["l1"]]));
    assert_eq!(client.query("SELECT count(*) FROM todos").await, json!([[0]]));
    let report = client.report().await;
    let synced = report["priority_status"].as_array().unwrap();
    assert!(synced.iter().any(|status| status["priority"] == 1 && status["has_synced"] == true), "{report}");
    client.ask("resume", json!({})).await;
    client.sees("SELECT count(*) FROM todos", json!([[20000]])).await;
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

const ON_DEMAND: &str = "config: { edition: 3 }
streams:
  lists:
    auto_subscribe: true
    query: SELECT * FROM lists WHERE owner_id = auth.user_id()
  list_todos:
    query: SELECT * FROM todos WHERE list_id = subscription.parameter('list_id')
      AND list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())
";

#[tokio::test]
async fn subscriptions_come_and_go() {
    let database = Database::new(TABLES).await;
    database
        .run(
            "INSERT INTO lists VALUES ('l1', 'ann', 'One'), ('l2', 'ann', 'Two'), ('l3', 'bob', 'His');
             INSERT INTO todos VALUES ('t1', 'l1', 'a'), ('t2', 'l2', 'b'), ('t3', 'l3', 'c')",
        )
        .await;
    let service = Service::start(&database).await;
    service.deploy(ON_DEMAND).await;
    let core = Core::start(Backend::of(&database)).await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    client.sees("SELECT id FROM lists ORDER BY id", json!([["l1"], ["l2"]])).await;
    assert_eq!(client.query("SELECT id FROM todos").await, json!([]));

    client.ask("subscribe", json!({ "stream": "list_todos", "params": { "list_id": "l1" } })).await;
    client.sees("SELECT id FROM todos", json!([["t1"]])).await;
    client
        .ask(
            "subscribe",
            json!({ "stream": "list_todos", "params": { "list_id": "l2" }, "ttl": 1, "priority": 0 }),
        )
        .await;
    client.sees("SELECT id FROM todos ORDER BY id", json!([["t1"], ["t2"]])).await;
    let report = client.report().await;
    let urgent = report["priority_status"].as_array().unwrap().iter().any(|status| status["priority"] == 0);
    assert!(urgent || report["partial"].as_i64() > Some(0), "the overridden priority counts: {report}");

    // A foreign list and an unknown stream bring nothing, and hold up nothing.
    client.ask("subscribe", json!({ "stream": "list_todos", "params": { "list_id": "l3" } })).await;
    client.ask("subscribe", json!({ "stream": "unknown" })).await;
    client.barrier().await;
    assert_eq!(client.query("SELECT id FROM todos ORDER BY id").await, json!([["t1"], ["t2"]]));
    database.run("UPDATE todos SET title = title || '!'").await;
    client.sees("SELECT title FROM todos ORDER BY id", json!([["a!"], ["b!"]])).await;

    // Its time to live begins when the app has lost its interest.
    client.ask("unsubscribe", json!({ "stream": "list_todos", "params": { "list_id": "l2" } })).await;
    client.disconnect().await;
    eventually("the subscription has expired", async || {
        let expired = "SELECT count(*) FROM ps_stream_subscriptions WHERE ttl = 1 AND expires_at < unixepoch('subsec') * 1000000";
        client.query(expired).await == json!([[1]])
    })
    .await;
    client.connect().await;
    client.sees("SELECT id FROM todos ORDER BY id", json!([["t1"]])).await;
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn values_arrive_as_postgres_has_them() {
    let database = Database::new(
        "CREATE TABLE things (id uuid PRIMARY KEY, owner text, small smallint, large bigint, exact numeric, ratio double precision,
             yes boolean, at timestamptz, day date, tags text[], extra jsonb, missing text);
         CREATE PUBLICATION powersync FOR TABLE things;
         INSERT INTO things VALUES ('6f1cbb3e-3a0c-4d1e-8f2c-1d2e3f405060', 'ann', -7, 9007199254740993, 12345678901234567890.50,
             0.1, true, '2024-02-29 12:34:56.789+02', '2024-02-29', '{a,\"b c\"}', '{\"k\": [1, null]}', NULL)",
    )
    .await;
    let service = Service::start(&database).await;
    service
        .deploy("config: { edition: 3 }\nstreams:\n  things:\n    auto_subscribe: true\n    query: SELECT * FROM things WHERE owner = auth.user_id()\n")
        .await;
    let core = Core::start(Backend::of(&database)).await;
    let schema = schema(&[(
        "things",
        &[
            "owner TEXT",
            "small INTEGER",
            "large INTEGER",
            "exact TEXT",
            "ratio REAL",
            "yes INTEGER",
            "at TEXT",
            "day TEXT",
            "tags TEXT",
            "extra TEXT",
            "missing TEXT",
        ],
    )]);
    let client = core.connect("a", "ann", &service.url, &schema).await;
    client
        .sees(
            "SELECT id, small, large, exact, ratio, yes, at, day, tags, extra, missing FROM things",
            json!([[
                "6f1cbb3e-3a0c-4d1e-8f2c-1d2e3f405060",
                -7,
                "9007199254740993",
                "12345678901234567890.50",
                0.1,
                1,
                "2024-02-29T10:34:56.789000Z",
                "2024-02-29",
                "[\"a\",\"b c\"]",
                "{\"k\": [1, null]}",
                null
            ]]),
        )
        .await;
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_replaced_config_reaches_open_clients_without_a_gap() {
    let database = Database::new(TABLES).await;
    database
        .run("INSERT INTO lists VALUES ('l1', 'ann', 'One'); INSERT INTO todos VALUES ('t1', 'l1', 'a')")
        .await;
    let service = Service::start_deployed(&database).await;
    let core = Core::start(Backend::of(&database)).await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    client.sees("SELECT id FROM todos", json!([["t1"]])).await;
    client.watch("SELECT (SELECT count(*) FROM lists), (SELECT count(*) FROM todos)").await;
    service
        .deploy("config: { edition: 3 }\nstreams:\n  lists:\n    auto_subscribe: true\n    query: SELECT * FROM lists WHERE owner_id = auth.user_id()\n")
        .await;
    client.sees("SELECT id FROM todos", json!([])).await;
    service.deploy(SYNC_CONFIG).await;
    client.sees("SELECT id FROM todos", json!([["t1"]])).await;
    assert_eq!(client.history().await, [json!([[1, 1]]), json!([[1, 0]]), json!([[1, 1]])]);
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}
