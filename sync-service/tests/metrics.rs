//! What Prometheus and the diagnostics say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use serde_json::json;
use support::{API_TOKEN, Database, Service, TABLES, eventually};

async fn metric(service: &Service, name: &str) -> f64 {
    let request = service.http.get(format!("{}/metrics", service.url)).bearer_auth(API_TOKEN);
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn metrics_follow_what_happens() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One'), ('l2', 'ann', 'Two')").await;
    let service = Service::start_deployed(&database).await;
    assert_eq!(metric(&service, "powersync_concurrent_connections").await, 0.0);
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;
    assert_eq!(metric(&service, "powersync_concurrent_connections").await, 1.0);
    assert_eq!(metric(&service, "powersync_operations_synced_total").await, 2.0);
    assert!(metric(&service, "powersync_data_sent_bytes_total").await > 100.0);
    assert!(metric(&service, "powersync_operation_storage_size_bytes").await > 0.0);
    let replicated = metric(&service, "powersync_rows_replicated_total").await;
    database.run("INSERT INTO lists VALUES ('l3', 'ann', 'Three')").await;
    stream.checkpoint().await;
    assert_eq!(metric(&service, "powersync_rows_replicated_total").await, replicated + 1.0);
    drop(stream);
    eventually("the stream is closed", async || {
        metric(&service, "powersync_concurrent_connections").await == 0.0
    })
    .await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn changes_that_wait_for_the_sequencer_are_its_lag() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let lag = async || {
        let (_, answer) = service.admin_json("/api/admin/v1/diagnostics", json!({})).await;
        answer["data"]["active_sync_rules"]["connections"][0]["replication_lag_seconds"].as_f64().unwrap()
    };
    eventually("nothing waits", async || lag().await == 0.0).await;
    // Somebody has the bucket's oplog locked, so the sequencer cannot go on.
    let mut locked = database.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE sync_service.oplog IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *locked)
        .await
        .unwrap();
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    eventually("it is behind", async || lag().await > 0.3).await;
    locked.rollback().await.unwrap();
    eventually("it has caught up", async || lag().await == 0.0).await;
    assert_eq!(metric(&service, "powersync_replication_lag_seconds").await, 0.0);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn metrics_are_not_for_everybody() {
    let database = Database::new(TABLES).await;
    let service = Service::start(&database).await;
    let answer = service.http.get(format!("{}/metrics", service.url)).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    service.stop().await;
    database.drop().await;
}
