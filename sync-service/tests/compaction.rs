//! The oplog stays about as long as there are rows, and no client notices.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use serde_json::{Value, json};
use support::{Database, Service, TABLES, config, eventually, op_names, resume};
use sync_service::compact;

/// What a client comes to with the operations of the one bucket: the names of the rows, and the checksum.
fn apply(lines: &[Value]) -> (Vec<String>, i64) {
    let (mut rows, mut checksum) = (Vec::new(), 0_i64);
    let data = lines.iter().filter_map(|line| line.get("data"));
    for op in data.flat_map(|data| data["data"].as_array().unwrap()) {
        let id = op["object_id"].as_str().unwrap_or_default().to_owned();
        let sum = op["checksum"].as_i64().unwrap();
        match op["op"].as_str().unwrap() {
            "CLEAR" => {
                rows.clear();
                checksum = sum;
                continue;
            }
            "PUT" if !rows.contains(&id) => rows.push(id),
            "PUT" => {}
            "REMOVE" => rows.retain(|row| *row != id),
            other => panic!("unexpected {other}"),
        }
        checksum = (checksum + sum) & 0xffff_ffff;
    }
    rows.sort();
    (rows, checksum)
}

fn bucket(lines: &[Value]) -> (i64, i64) {
    let bucket = &lines[0]["checkpoint"]["buckets"][0];
    (bucket["checksum"].as_i64().unwrap() & 0xffff_ffff, bucket["count"].as_i64().unwrap())
}

/// Three lists, one of which has a long history, and two that are gone.
async fn with_a_history(database: &Database) {
    for change in [
        "INSERT INTO lists VALUES ('l1', 'ann', 'One'), ('l2', 'ann', 'Two'), ('l3', 'ann', 'Three'), ('l4', 'ann', 'Four')",
        "DELETE FROM lists WHERE id = 'l4'",
        "UPDATE lists SET name = 'a' WHERE id = 'l2'",
        "UPDATE lists SET name = 'b' WHERE id = 'l2'",
        "INSERT INTO lists VALUES ('l5', 'ann', 'Five')",
        "DELETE FROM lists WHERE id = 'l5'",
    ] {
        database.run(change).await;
        // Each in a drain of its own.
        drained(database).await;
    }
}

async fn drained(database: &Database) {
    eventually("the queue is drained", async || {
        let waiting = "SELECT EXISTS (SELECT FROM sync_service.queue)";
        !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&database.pool).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_new_client_downloads_as_many_operations_as_there_are_rows_and_one() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    with_a_history(&database).await;
    let before = service.stream("ann").await.checkpoint().await;
    assert_eq!(op_names(&before).len(), 9);
    assert_eq!(compact(&config(&database.url)).await.unwrap(), 6);

    let after = service.stream("ann").await.checkpoint().await;
    let ops = after[1]["data"]["data"].as_array().unwrap();
    assert_eq!(ops[0]["op"], "CLEAR");
    assert_eq!(ops[0].get("object_id"), None);
    // A client whose stream ends here says that it has nothing.
    assert_eq!(ops[0]["op_id"], "0");
    assert_eq!(ops.len(), 4);
    assert_eq!(bucket(&after), (bucket(&before).0, 4));
    assert_eq!(apply(&after), apply(&before));
    assert_eq!(apply(&after), (vec!["l1".into(), "l2".into(), "l3".into()], bucket(&after).0));
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn who_has_everything_goes_on_and_who_lacks_something_begins_the_bucket_anew() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    database.run("INSERT INTO lists VALUES ('old', 'ann', 'Old')").await;
    drained(&database).await;
    let early = service.stream("ann").await.checkpoint().await;
    with_a_history(&database).await;
    let mut open = service.stream("ann").await;
    let late = open.checkpoint().await;
    compact(&config(&database.url)).await.unwrap();

    database.run("UPDATE lists SET name = 'c' WHERE id = 'l2'").await;
    assert_eq!(op_names(&open.checkpoint().await), ["PUT lists/l2"]);
    let lines = service.stream_of("ann", "client-2", resume(&late)).await.checkpoint().await;
    assert_eq!(op_names(&lines), ["PUT lists/l2"]);

    let lines = service.stream_of("ann", "client-3", resume(&early)).await.checkpoint().await;
    assert_eq!(lines[1]["data"]["data"][0]["op"], "CLEAR");
    assert_eq!(apply(&lines), (vec!["l1".into(), "l2".into(), "l3".into(), "old".into()], bucket(&lines).0));
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn the_service_compacts_by_itself_and_leaves_the_newest_operations_alone() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    drained(&database).await;
    for round in 0..5 {
        database
            .run(&format!("INSERT INTO lists SELECT 'r' || i, 'ann', '{round}' FROM generate_series(1, 300) i ON CONFLICT (id) DO UPDATE SET name = excluded.name"))
            .await;
        drained(&database).await;
    }
    database.run("DELETE FROM lists WHERE id <> 'l1'").await;
    eventually("it is compacted", async || {
        let count = "SELECT count(*) FROM sync_service.oplog";
        sqlx::query_scalar::<_, i64>(count).fetch_one(&database.pool).await.unwrap() <= 1001
    })
    .await;
    let lines = service.stream("ann").await.checkpoint().await;
    assert_eq!(apply(&lines), (vec!["l1".into()], bucket(&lines).0));
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM sync_service.oplog")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert!(kept >= 500, "{kept}");
    assert_eq!(bucket(&lines).1, kept + 1);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_download_that_is_overtaken_by_a_compaction_comes_out_right() {
    let database = Database::new(TABLES).await;
    // Too much for the socket's and the service's buffers, so that the service waits in the middle of it.
    let insert =
        "INSERT INTO lists SELECT 'r' || i, 'ann', repeat('x', 2000) FROM generate_series(1, 20000) i";
    database.run(insert).await;
    let service = Service::start(&database).await;
    service
        .deploy(
            "config: { edition: 3 }\nstreams:\n  lists: { auto_subscribe: true, query: SELECT * FROM lists }",
        )
        .await;
    let mut stream = service.stream("ann").await;
    let mut lines = vec![stream.next().await.unwrap(), stream.next().await.unwrap()];
    database.run("UPDATE lists SET name = 'new' WHERE id IN ('r1', 'r19999')").await;
    database.run("DELETE FROM lists WHERE id = 'r20000'").await;
    drained(&database).await;
    assert!(compact(&config(&database.url)).await.unwrap() >= 4);
    let mut checksum = lines[0]["checkpoint"]["buckets"][0]["checksum"].clone();
    while lines.last().unwrap().get("checkpoint_complete").is_none() {
        let line = stream.next().await.unwrap();
        if line.get("checkpoint_diff").is_some() {
            checksum = line["checkpoint_diff"]["updated_buckets"][0]["checksum"].clone();
        }
        lines.push(line);
    }
    assert!(lines.iter().any(|line| line["data"]["data"][0]["op"] == "CLEAR"), "the compaction was too late");
    let (rows, sum) = apply(&lines);
    assert_eq!(rows.len(), 19_999);
    assert_eq!(json!(sum as u32 as i32), checksum);
    service.stop().await;
    database.drop().await;
}
