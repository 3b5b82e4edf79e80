//! What an open stream is sent.

mod support;

use serde_json::json;
use support::{Database, SYNC_CONFIG, Service, TABLES, bucket_names, completed, op_names, resume};

#[tokio::test]
async fn a_first_checkpoint_has_the_official_shape() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'Groceries'), ('l2', 'bob', 'His'); INSERT INTO todos VALUES ('t1', 'l1', 'Milk', true)").await;
    let service = Service::start(&database).await;
    let slot = service
        .deploy(&SYNC_CONFIG.replace(
            "auto_subscribe: true\n    query: SELECT * FROM lists",
            "auto_subscribe: true\n    priority: 1\n    query: SELECT * FROM lists",
        ))
        .await;
    let version = slot.strip_prefix("powersync_").unwrap();
    let lines = service.stream("ann").await.checkpoint().await;
    let kinds: Vec<_> =
        lines.iter().map(|line| line.as_object().unwrap().keys().next().unwrap().as_str()).collect();
    assert_eq!(kinds, ["checkpoint", "data", "partial_checkpoint_complete", "data", "checkpoint_complete"]);
    let id = completed(&lines).to_string();
    let put = &lines[1]["data"]["data"][0];
    let checksum = put["checksum"].as_i64().unwrap();
    let bucket = format!("{version}#lists|0[\"ann\"]");
    assert_eq!(lines[0]["checkpoint"]["last_op_id"], id.as_str());
    assert_eq!(
        lines[0]["checkpoint"]["buckets"][0],
        json!({ "bucket": bucket, "checksum": checksum as u32 as i32, "count": 1, "priority": 1, "subscriptions": [{ "default": 0 }] })
    );
    assert_eq!(
        lines[0]["checkpoint"]["streams"],
        json!([{ "name": "lists", "is_default": true, "errors": [] }, { "name": "todos", "is_default": true, "errors": [] }])
    );
    let op_id = put["op_id"].as_str().unwrap();
    assert_eq!(
        lines[1],
        json!({ "data": { "bucket": bucket, "after": "0", "has_more": false, "next_after": op_id, "data": [{
            "op_id": op_id, "op": "PUT", "object_type": "lists", "object_id": "l1", "checksum": checksum,
            "data": "{\"id\":\"l1\",\"owner_id\":\"ann\",\"name\":\"Groceries\"}" }] } })
    );
    assert_eq!(lines[2], json!({ "partial_checkpoint_complete": { "last_op_id": id, "priority": 1 } }));
    assert_eq!(
        lines[3]["data"]["data"][0]["data"],
        "{\"id\":\"t1\",\"list_id\":\"l1\",\"title\":\"Milk\",\"done\":1}"
    );
    assert_eq!(bucket_names(&lines)[1], format!("{version}#todos|0[\"l1\"]"));
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn changes_arrive_live() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One'), ('l2', 'ann', 'Two')").await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;
    database.run("INSERT INTO todos VALUES ('t1', 'l1', 'Milk'), ('t2', 'l1', 'Bread')").await;
    let lines = stream.checkpoint().await;
    assert_eq!(op_names(&lines), ["PUT todos/t1", "PUT todos/t2"]);
    assert_eq!(lines[0]["checkpoint_diff"]["removed_buckets"], json!([]));
    assert_eq!(lines[0]["checkpoint_diff"]["updated_buckets"][0]["count"], 2);
    database.run("UPDATE todos SET done = true WHERE id = 't1'").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT todos/t1"]);
    database.run("UPDATE todos SET list_id = 'l2' WHERE id = 't1'").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT todos/t1", "REMOVE todos/t1"]);
    database.run("UPDATE todos SET id = 't3' WHERE id = 't2'").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT todos/t3", "REMOVE todos/t2"]);
    database.run("DELETE FROM lists WHERE id = 'l2'").await;
    let lines = stream.checkpoint().await;
    assert_eq!(op_names(&lines), ["REMOVE lists/l2"]);
    assert_eq!(lines[0]["checkpoint_diff"]["removed_buckets"].as_array().unwrap().len(), 1);
    database.run("TRUNCATE lists, todos").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["REMOVE lists/l1"]);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_client_resumes_behind_its_last_checkpoint() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    let service = Service::start_deployed(&database).await;
    let first = service.stream("ann").await.checkpoint().await;
    database.run("INSERT INTO lists VALUES ('l2', 'ann', 'Two')").await;
    let mut again = service.stream_of("ann", "client-1", resume(&first)).await;
    let mut lines = again.checkpoint().await;
    if op_names(&lines).is_empty() {
        lines = again.checkpoint().await;
    }
    assert_eq!(op_names(&lines), ["PUT lists/l2"]);
    service.stop().await;
    database.drop().await;
}
