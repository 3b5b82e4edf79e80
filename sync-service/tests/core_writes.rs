//! Local writes: they stay visible until they come back, and go when they were rejected.

mod core_client;
mod support;

use core_client::{Backend, Core, Upload, lists_and_todos, write};
use serde_json::json;
use support::{Database, SYNC_CONFIG, Service, TABLES};

#[tokio::test]
async fn a_local_write_is_visible_from_its_beginning_to_its_return() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let core = Core::start(Backend::of(&database)).await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    let other = core.connect("b", "ann", &service.url, &lists_and_todos()).await;
    client.barrier().await;
    client.watch("SELECT id, name FROM lists").await;
    client
        .execute(&[("INSERT INTO lists (id, owner_id, name) VALUES ('l1', 'ann', 'One')", json!([]))])
        .await;
    other.sees("SELECT id, name FROM lists", json!([["l1", "One"]])).await;
    client.execute(&[("UPDATE lists SET name = 'Two'", json!([]))]).await;
    other.sees("SELECT id, name FROM lists", json!([["l1", "Two"]])).await;
    client.barrier().await;
    assert_eq!(client.query("SELECT count(*) FROM ps_crud").await, json!([[0]]));
    let history = client.history().await;
    assert_eq!(history, [json!([]), json!([["l1", "One"]]), json!([["l1", "Two"]])], "it never flickers");
    client.execute(&[("DELETE FROM lists", json!([]))]).await;
    other.sees("SELECT id, name FROM lists", json!([])).await;
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_rejected_write_is_rolled_back() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    let service = Service::start_deployed(&database).await;
    let pool = database.pool.clone();
    let backend = Backend::of(&database).taking(move |mut upload: Upload| {
        let pool = pool.clone();
        Box::pin(async move {
            upload.entries.retain(|entry| entry["data"]["name"] != "rejected" && entry["op"] != "DELETE");
            write(&pool, &upload).await.map_err(|error| error.to_string())
        })
    });
    let core = Core::start(backend).await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    client.sees("SELECT name FROM lists", json!([["One"]])).await;
    client
        .execute(&[
            ("INSERT INTO lists (id, owner_id, name) VALUES ('l2', 'ann', 'rejected')", json!([])),
            ("INSERT INTO lists (id, owner_id, name) VALUES ('l3', 'ann', 'kept')", json!([])),
            ("UPDATE lists SET name = 'rejected' WHERE id = 'l1'", json!([])),
        ])
        .await;
    client.sees("SELECT id, name FROM lists ORDER BY id", json!([["l1", "One"], ["l3", "kept"]])).await;
    client.execute(&[("DELETE FROM lists", json!([]))]).await;
    client.sees("SELECT id, name FROM lists ORDER BY id", json!([["l1", "One"], ["l3", "kept"]])).await;
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn writes_made_offline_are_uploaded_and_what_others_wrote_meanwhile_arrives() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    let service = Service::start_deployed(&database).await;
    let core = Core::start(Backend::of(&database)).await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    client.sees("SELECT name FROM lists", json!([["One"]])).await;
    client.disconnect().await;
    client
        .execute(&[("INSERT INTO lists (id, owner_id, name) VALUES ('l2', 'ann', 'Mine')", json!([]))])
        .await;
    client
        .execute(&[("INSERT INTO todos (id, list_id, title, done) VALUES ('t1', 'l2', 'x', 1)", json!([]))])
        .await;
    database.run("UPDATE lists SET name = 'Theirs'").await;
    client.connect().await;
    client.sees("SELECT name FROM lists ORDER BY id", json!([["Theirs"], ["Mine"]])).await;
    client.barrier().await;
    let rows: Vec<(String, bool)> =
        sqlx::query_as("SELECT title, done FROM todos").fetch_all(&database.pool).await.unwrap();
    assert_eq!(rows, [("x".to_owned(), true)]);
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_client_that_waits_for_its_write_is_not_held_up_by_a_schema_that_was_dropped() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l0', 'ann', 'Zero')").await;
    let service = Service::start_deployed(&database).await;
    let address = service.address;
    let core = Core::start(Backend::of(&database)).await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    client.barrier().await;
    // The sequencer cannot publish, so the client has a write checkpoint for which it waits.
    let mut transaction = database.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE sync_service.published_write_checkpoint")
        .execute(&mut *transaction)
        .await
        .unwrap();
    client
        .execute(&[("INSERT INTO lists (id, owner_id, name) VALUES ('l1', 'ann', 'One')", json!([]))])
        .await;
    support::eventually("a write checkpoint is drawn", async || {
        let drawn = client
            .query("SELECT CAST(value AS TEXT) FROM ps_kv WHERE key = 'target_checkpoint_request_id'")
            .await;
        drawn[0][0].as_str().is_some_and(|value| value != i64::MAX.to_string())
    })
    .await;
    service.kill().await;
    transaction.rollback().await.unwrap();
    database.run("DROP SCHEMA sync_service CASCADE").await;
    let service = Service::start_at(&database.url, address).await;
    service.wait_ready().await;
    service.deploy(SYNC_CONFIG).await;
    database.run("INSERT INTO lists VALUES ('l2', 'ann', 'Two')").await;
    client.sees("SELECT name FROM lists ORDER BY id", json!([["Zero"], ["One"], ["Two"]])).await;
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}
