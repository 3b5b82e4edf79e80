//! A database that is not what it was, or not where it was: clients begin anew instead of missing rows without a word.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use serde_json::{Value, json};
use sqlx::Executor as _;
use support::{Database, Service, TABLES, bucket_names, completed, op_names, resume};

async fn write_checkpoint(stream: &mut support::Lines, first: &[Value]) -> i64 {
    let mut lines = first.to_vec();
    loop {
        let head = lines[0].get("checkpoint").or_else(|| lines[0].get("checkpoint_diff")).unwrap();
        if let Some(value) = head["write_checkpoint"].as_str() {
            return value.parse().unwrap();
        }
        lines = stream.checkpoint().await;
    }
}

#[tokio::test]
async fn a_copied_or_restored_database_gives_every_bucket_a_new_name() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    let service = Service::start_deployed(&database).await;
    let first = service.stream("ann").await.checkpoint().await;
    let drawn = service.write_checkpoint("ann", "client-1").await;
    service.stop().await;

    let copy = database.copy().await;
    let service = Service::start(&copy).await;
    support::eventually("the config is active again", async || {
        let (status, _) =
            service.admin("GET", "/api/sync-rules/v1/current", "application/json", String::new()).await;
        status == 200
    })
    .await;
    let mut stream = service.stream_of("ann", "client-1", resume(&first)).await;
    let second = stream.checkpoint().await;
    assert!(bucket_names(&second).iter().all(|name| !bucket_names(&first).contains(name)));
    assert_eq!(op_names(&second), ["PUT lists/l1"]);
    assert!(completed(&second) > completed(&first));
    assert!(write_checkpoint(&mut stream, &second).await > drawn);
    service.stop().await;

    // The original was only stopped; it goes on as before.
    let service = Service::start(&database).await;
    let third = service.stream_of("ann", "client-1", resume(&first)).await.checkpoint().await;
    assert_eq!(bucket_names(&third), bucket_names(&first));
    assert_eq!(op_names(&third), Vec::<String>::new());
    service.stop().await;
    copy.drop().await;
    database.drop().await;
}

/// What a restore of the data directory does, which leaves no trace in the database.
#[tokio::test]
async fn a_client_that_is_ahead_of_the_oplog_begins_its_buckets_anew() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    let service = Service::start_deployed(&database).await;
    service.stream("ann").await.checkpoint().await;
    service.stop().await;
    let tables = [
        "public.lists",
        "sync_service.progress",
        "sync_service.row_bucket",
        "sync_service.lookup_row",
        "sync_service.bucket",
        "sync_service.oplog",
    ];
    database.run("CREATE SCHEMA backup").await;
    for table in tables {
        database.run(&format!("CREATE TABLE backup.{} AS TABLE {table}", table.replace('.', "_"))).await;
    }

    let service = Service::start(&database).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;
    database.run("INSERT INTO lists VALUES ('l2', 'ann', 'Two')").await;
    stream.checkpoint().await;
    let ahead = service.stream("ann").await.checkpoint().await;
    assert_eq!(op_names(&ahead), ["PUT lists/l1", "PUT lists/l2"]);
    let drawn = service.write_checkpoint("ann", "client-1").await;
    service.stop().await;

    let mut connection = database.pool.acquire().await.unwrap();
    connection.execute("ALTER TABLE lists DISABLE TRIGGER USER").await.unwrap();
    for table in tables {
        let restore =
            format!("DELETE FROM {table}; INSERT INTO {table} TABLE backup.{}", table.replace('.', "_"));
        connection.execute(restore.as_str()).await.unwrap();
    }
    connection
        .execute(
            "DELETE FROM sync_service.write_checkpoint; DELETE FROM sync_service.published_write_checkpoint; DELETE FROM sync_service.requested_write_checkpoint",
        )
        .await
        .unwrap();
    connection.execute("ALTER TABLE lists ENABLE TRIGGER USER").await.unwrap();
    drop(connection);

    let service = Service::start(&database).await;
    let mut stream = service.stream_of("ann", "client-1", resume(&ahead)).await;
    let lines = stream.checkpoint().await;
    let ops = lines[1]["data"]["data"].as_array().unwrap();
    assert_eq!(ops[0]["op"], json!("CLEAR"));
    assert_eq!(ops[0]["checksum"], json!(0));
    assert_eq!(ops[1]["object_id"], json!("l1"));
    assert_eq!(ops.len(), 2);
    assert!(write_checkpoint(&mut stream, &lines).await > drawn);
    service.stop().await;
    database.drop().await;
}
