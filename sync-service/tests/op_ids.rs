//! An operation that is published has an id above every checkpoint that was completed before.

mod support;

use support::{Database, Service, TABLES, bucket_names, completed, op_names, ops, resume};

#[tokio::test]
async fn a_row_written_early_and_committed_late_is_published_above_what_was_completed() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;

    // The early transaction takes its place in the queue first …
    let mut early = database.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO lists VALUES ('early', 'ann', 'x')").execute(&mut *early).await.unwrap();
    // … and while it is open, a later one commits and is completed.
    database.run("INSERT INTO lists VALUES ('late', 'ann', 'x')").await;
    let first = stream.checkpoint().await;
    assert_eq!(op_names(&first), ["PUT lists/late"]);
    early.commit().await.unwrap();
    let second = stream.checkpoint().await;
    assert_eq!(op_names(&second), ["PUT lists/early"]);
    assert!(ops(&second)[0].0 > completed(&first), "{:?} after {}", ops(&second), completed(&first));

    // A client that was away in between gets it too: it only asks for what is behind the completed checkpoint.
    let buckets = serde_json::json!([{ "name": bucket_names(&service.stream("ann").await.checkpoint().await)[0], "after": completed(&first).to_string() }]);
    let resumed = service.stream_of("ann", "client-1", buckets).await.checkpoint().await;
    assert_eq!(op_names(&resumed), ["PUT lists/early"]);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_transaction_is_never_published_by_halves() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;
    let mut open = database.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO lists VALUES ('a', 'ann', 'x')").execute(&mut *open).await.unwrap();
    database.run("INSERT INTO lists VALUES ('other', 'ann', 'x')").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT lists/other"]);
    sqlx::query("INSERT INTO todos VALUES ('t', 'a', 'x')").execute(&mut *open).await.unwrap();
    open.commit().await.unwrap();
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT lists/a", "PUT todos/t"]);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn op_ids_go_on_over_a_restart_and_over_a_dropped_schema() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'x')").await;
    let service = Service::start_deployed(&database).await;
    let first = service.stream("ann").await.checkpoint().await;
    service.kill().await;

    // Written while nobody listens.
    database.run("UPDATE lists SET name = 'y'").await;
    let service = Service::start(&database).await;
    let resumed = service.stream_of("ann", "client-1", resume(&first)).await.checkpoint().await;
    assert_eq!(bucket_names(&resumed), bucket_names(&first), "the same buckets");
    assert_eq!(op_names(&resumed), ["PUT lists/l1"], "only what is new");
    assert!(ops(&resumed)[0].0 > completed(&first));
    service.kill().await;

    database.run("DROP SCHEMA sync_service CASCADE").await;
    let service = Service::start_deployed(&database).await;
    let anew = service.stream_of("ann", "client-1", resume(&resumed)).await.checkpoint().await;
    assert!(ops(&anew)[0].0 > completed(&resumed));
    assert!(bucket_names(&anew).iter().all(|name| !bucket_names(&resumed).contains(name)), "other buckets");
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn killed_while_rows_are_written_it_loses_and_repeats_nothing() {
    let database = Database::new(TABLES).await;
    let mut service = Service::start_deployed(&database).await;
    let mut had = service.stream("ann").await.checkpoint().await;
    let mut held = std::collections::BTreeSet::new();
    let pool = database.pool.clone();
    let writer = tokio::spawn(async move {
        for i in 0..300 {
            sqlx::query("INSERT INTO lists VALUES ($1, 'ann', 'x')")
                .bind(format!("l{i:03}"))
                .execute(&pool)
                .await
                .unwrap();
        }
    });
    while held.len() < 300 {
        let mut stream = service.stream_of("ann", "client-1", resume(&had)).await;
        let first = stream.checkpoint().await;
        let mut after = completed(&had);
        for lines in [
            first.clone(),
            if held.len() + ops(&first).len() < 300 { stream.checkpoint().await } else { vec![] },
        ] {
            for (id, name) in ops(&lines) {
                assert!(id > after, "{name} has id {id}, and {after} was completed");
                assert!(held.insert(name.clone()), "{name} came twice");
            }
            after = lines.last().map_or(after, |_| completed(&lines));
        }
        had = first;
        had.pop();
        had.push(serde_json::json!({ "checkpoint_complete": { "last_op_id": after.to_string() } }));
        service.kill().await;
        service = Service::start(&database).await;
    }
    writer.await.unwrap();
    service.stop().await;
    database.drop().await;
}
