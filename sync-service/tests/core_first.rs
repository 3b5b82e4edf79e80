//! What a client with the real core has after it was sent something.

mod core_client;
mod support;

use core_client::{Backend, Core, lists_and_todos};
use serde_json::json;
use support::{Database, SYNC_CONFIG, Service, TABLES};

#[tokio::test]
async fn a_client_gets_what_is_there_and_what_changes() {
    let database = Database::new(TABLES).await;
    database
        .run(
            "INSERT INTO lists VALUES ('l1', 'ann', 'Ünïcode \"quoted\" \\ \n line'), ('l2', 'bob', 'His');
             INSERT INTO todos VALUES ('t1', 'l1', 'Milk', true), ('t2', 'l2', 'No', false)",
        )
        .await;
    let service = Service::start_deployed(&database).await;
    let core = Core::start(Backend::of(&database)).await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    client
        .sees("SELECT id, owner_id, name FROM lists", json!([["l1", "ann", "Ünïcode \"quoted\" \\ \n line"]]))
        .await;
    client.sees("SELECT id, list_id, title, done FROM todos", json!([["t1", "l1", "Milk", 1]])).await;

    database.run("INSERT INTO todos VALUES ('t3', 'l1', 'Bread'); UPDATE todos SET done = false").await;
    client.sees("SELECT id, done FROM todos ORDER BY id", json!([["t1", 0], ["t3", 0]])).await;
    database.run("DELETE FROM lists WHERE id = 'l1'").await;
    client.sees("SELECT id FROM todos UNION ALL SELECT id FROM lists", json!([])).await;
    client.has_no_complaints().await;
    assert_eq!(client.report().await["connections"], 1);
    service.stop().await;
    database.drop().await;
    let _ = SYNC_CONFIG;
}
