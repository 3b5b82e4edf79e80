//! How a client learns that what it has uploaded has come back.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

mod support;

use serde_json::{Value, json};
use support::{Database, Lines, Service, TABLES, completed, op_names, token};

/// The write checkpoint that the lines up to the next completed checkpoint announce.
fn announced(lines: &[Value]) -> Option<i64> {
    let line = &lines[0];
    let checkpoint = line.get("checkpoint").or_else(|| line.get("checkpoint_diff")).unwrap();
    checkpoint["write_checkpoint"].as_str().map(|value| value.parse().unwrap())
}

/// Reads until a checkpoint announces `value`, and returns what all of them carried.
async fn until_announced(stream: &mut Lines, value: i64) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let lines = stream.checkpoint().await;
        let found = announced(&lines);
        all.extend(lines);
        if found.is_some_and(|found| found >= value) {
            return all;
        }
    }
}

#[tokio::test]
async fn a_write_checkpoint_comes_with_everything_committed_before() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    assert_eq!(announced(&stream.checkpoint().await), None);
    for round in 0..20 {
        database.run(&format!("INSERT INTO lists VALUES ('l{round}', 'ann', 'x')")).await;
        let value = service.write_checkpoint("ann", "client-1").await;
        let lines = until_announced(&mut stream, value).await;
        assert_eq!(op_names(&lines), [format!("PUT lists/l{round}")]);
    }
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_write_checkpoint_comes_where_no_row_has_changed_and_to_its_client_only() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let mut mine = service.stream("ann").await;
    let mut other_client = service.stream_of("ann", "client-2", json!([])).await;
    let mut other_user = service.stream("bob").await;
    let before = completed(&mine.checkpoint().await);
    other_client.checkpoint().await;
    other_user.checkpoint().await;
    let value = service.write_checkpoint("ann", "client-1").await;
    let diff = json!({ "last_op_id": before.to_string(), "write_checkpoint": value.to_string(), "removed_buckets": [], "updated_buckets": [] });
    assert_eq!(mine.next().await.unwrap(), json!({ "checkpoint_diff": diff }));
    assert_eq!(
        mine.next().await.unwrap(),
        json!({ "checkpoint_complete": { "last_op_id": before.to_string() } })
    );
    // The next thing that the others hear is what concerns them.
    let value = service.write_checkpoint("ann", "client-2").await;
    assert_eq!(announced(&other_client.checkpoint().await), Some(value));
    let value = service.write_checkpoint("bob", "client-1").await;
    assert_eq!(announced(&other_user.checkpoint().await), Some(value));
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_new_stream_begins_with_the_published_write_checkpoint() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let value = service.write_checkpoint("ann", "client-1").await;
    let mut stream = service.stream("ann").await;
    until_announced(&mut stream, value).await;
    drop(stream);
    assert_eq!(announced(&service.stream("ann").await.checkpoint().await), Some(value));
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_write_checkpoint_never_goes_backwards() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let first = service.write_checkpoint("ann", "client-1").await;
    let second = service.write_checkpoint("ann", "client-1").await;
    assert!(second > first, "{second} after {first}");
    service.kill().await;

    let service = Service::start(&database).await;
    let after_restart = service.write_checkpoint("ann", "client-1").await;
    assert!(after_restart > second, "over a restart: {after_restart} after {second}");
    service.kill().await;

    database.run("DROP SCHEMA sync_service CASCADE").await;
    let service = Service::start_deployed(&database).await;
    let after_drop = service.write_checkpoint("ann", "client-1").await;
    assert!(after_drop > after_restart, "over a dropped schema: {after_drop} after {after_restart}");
    let mut stream = service.stream("ann").await;
    until_announced(&mut stream, after_drop).await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_clock_that_goes_backwards_does_not_take_write_checkpoints_with_it() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let first = service.write_checkpoint("ann", "client-1").await;
    let far_ahead = first + 1_000_000_000_000;
    database.run(&format!("UPDATE sync_service.write_checkpoint SET value = {far_ahead}")).await;
    assert_eq!(service.write_checkpoint("ann", "client-1").await, far_ahead + 1);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_requested_checkpoint_never_goes_backwards() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let request = async |body: Value| {
        let request = service.http.post(format!("{}/sync/checkpoint-request", service.url));
        let response = request
            .header("authorization", format!("Token {}", token("ann")))
            .json(&body)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let body = |id: &str| json!({ "client_id": "client-1", "checkpoint_request_id": id });
    assert_eq!(request(body("1000")).await.1, json!({ "data": { "checkpoint_request_id": "1000" } }));
    assert_eq!(request(body("5")).await.1, json!({ "data": { "checkpoint_request_id": "1000" } }));
    let (status, answer) = request(json!({ "client_id": "client-1" })).await;
    assert_eq!(
        (status, &answer["error"]["code"], &answer["error"]["name"]),
        (400, &json!("PSYNC_S2001"), &json!("ValidationError"))
    );
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_client_that_asks_for_the_last_value_keeps_it() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let last = i64::MAX.to_string();
    let body = json!({ "client_id": "client-1", "checkpoint_request_id": last });
    let request = service.http.post(format!("{}/sync/checkpoint-request", service.url));
    let request = request.header("authorization", format!("Token {}", token("ann"))).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(service.write_checkpoint("ann", "client-1").await, i64::MAX);
    service.stop().await;
    database.drop().await;
}
